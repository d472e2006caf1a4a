import type { Exchanges } from '../../http/openapi-document.ts';

export const checkout: Exchanges = {
  quote: {
    request: {
      inscription_id: '6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0',
    },
    status: 200,
    answer: {
      inscription_id: '6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0',
      pricing: {
        seller_sats: 60000,
        creator_royalty_sats: 0,
        market_fee_sats: 1600,
        estimated_l1_fee_sats: 3084,
      },
      max_total_sats: 64684,
      expires_at: 1800000240,
    },
    refusal: {
      status: 404,
      answer: {
        error: 'not_found',
        message:
          'the inscription must be for sale here; ababababababababababababababababababababababababababababababababi0 is not',
        field: 'inscription_id',
        request_id: '1a0d1a413441685b688f828fb6a9b6dd',
      },
    },
  },
  prepareCheckout: {
    request: {
      p: 'sparkle',
      op: 'checkout',
      version: 1,
      inscription_id: '6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0',
      network: 'ln-mainnet',
      buyer: {
        ord_address: 'bcrt1p6wsds2al4cnjx209fcangy80exryd6hsddakha72mnhwqkapg3lqyf4nqr',
      },
      max_total_sats: 64684,
      pricing: {
        seller_sats: 60000,
        creator_royalty_sats: 0,
        market_fee_sats: 1600,
        estimated_l1_fee_sats: 3084,
      },
    },
    status: 200,
    answer: {
      checkout_id: 'chk_1e0d1a4534416c5b6893828fbaa9b6e1',
      status: 'pending_payment',
      invoice: null,
      expires_at: 1800001050,
      payment_request: {
        type: 'ln-mainnet',
        amount_sats: 64684,
        memo: 'Sparkle trade 1f0d1a4634416d5b6894828fbba9b6e2',
      },
      trade_id: '1f0d1a46-3441-6d5b-6894-828fbba9b6e2',
      token: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
      needed: {
        fields: ['payment_hash', 'claim_key'],
        post_to: '/v1/trade/1f0d1a46-3441-6d5b-6894-828fbba9b6e2/invoice',
      },
    },
    refusal: {
      status: 400,
      answer: {
        error: 'bad_amount',
        message: 'max_total_sats must be the sum of the pricing, 64684; got 64685',
        field: 'max_total_sats',
        request_id: '1c0d1a4334416a5b6891828fb8a9b6df',
      },
    },
  },
  checkoutStatus: {
    request: {
      checkout_id: 'chk_1e0d1a4534416c5b6893828fbaa9b6e1',
    },
    status: 200,
    answer: {
      checkout_id: 'chk_1e0d1a4534416c5b6893828fbaa9b6e1',
      status: 'confirmed',
      inscription_id: '6691146c6c3d5bc648dac43b3372e6a655d38021a191d2e1c784895522386dd3i0',
      payment: {
        received_sats: 64684,
        confirmed_at: 1800000150,
      },
      transfer: {
        txid: '3d543ea0292cbdda19608f992d737c5c1fad2e8a9c5098bc9f64ee9a75db9da8',
        vout: 0,
        confirmations: 1,
      },
    },
    refusal: {
      status: 404,
      answer: {
        error: 'not_found',
        message: 'checkout_id must be that of a checkout; there is none',
        field: 'checkout_id',
        request_id: '330d1a5a3441815b68a8828fcfa9b6f6',
      },
    },
  },
};
