import type { Exchanges } from '../../http/openapi-document.ts';

export const offers: Exchanges = {
  publishOffer: {
    request: {
      id: 'drawing-7',
      seller: '5e544995c599d8d92d41726e3436c9a0e450a008a9b5f8aed87a8f6823bdaafe',
      network: 'regtest',
      inscription_id: '4d481089a8a17f68dd3178e0d3a71772c11f6f9a8138fc1257e403d78e00d4a7i0',
      price_sats: 60000,
      modes: ['hold-first'],
      expires_at: 1800086670,
      forward: true,
      sig: '6d072aed0cc27648b395e60551692e665ee5df1ef9d5fbcc5a1f94d467ee1ce4fa57a9b3729df9671ef99ca7e48eef6741d043fb007f97577c0d3f8491163b1f',
    },
    status: 201,
    answer: {
      id: 'drawing-7',
      seller: '5e544995c599d8d92d41726e3436c9a0e450a008a9b5f8aed87a8f6823bdaafe',
      network: 'regtest',
      inscription_id: '4d481089a8a17f68dd3178e0d3a71772c11f6f9a8138fc1257e403d78e00d4a7i0',
      price_sats: 60000,
      modes: ['hold-first'],
      expires_at: 1800086670,
      forward: true,
      sig: '6d072aed0cc27648b395e60551692e665ee5df1ef9d5fbcc5a1f94d467ee1ce4fa57a9b3729df9671ef99ca7e48eef6741d043fb007f97577c0d3f8491163b1f',
    },
    refusal: {
      status: 403,
      answer: {
        error: 'forbidden',
        message: 'seller must be the key the request is by; it is another',
        field: 'seller',
        request_id: '3b0d1a623441895b68b0828fd7a9b6fe',
      },
    },
  },
  listOffers: {
    parameters: {
      limit: '10',
      mode: 'hold-first',
      max_price_sats: '100000',
    },
    status: 200,
    answer: {
      offers: [
        {
          id: 'drawing-7',
          seller: '5e544995c599d8d92d41726e3436c9a0e450a008a9b5f8aed87a8f6823bdaafe',
          network: 'regtest',
          inscription_id: '4d481089a8a17f68dd3178e0d3a71772c11f6f9a8138fc1257e403d78e00d4a7i0',
          price_sats: 60000,
          modes: ['hold-first'],
          expires_at: 1800086670,
          forward: true,
          sig: '6d072aed0cc27648b395e60551692e665ee5df1ef9d5fbcc5a1f94d467ee1ce4fa57a9b3729df9671ef99ca7e48eef6741d043fb007f97577c0d3f8491163b1f',
        },
      ],
    },
    refusal: {
      status: 400,
      answer: {
        error: 'bad_message',
        field: 'limit',
        message: 'limit must be a whole number of offers from 1 to 200; got "1000"',
        request_id: '3d0d1a6434418b5b68b2828fd9a9b600',
      },
    },
  },
  withdrawOffer: {
    parameters: {
      id: 'drawing-7',
    },
    status: 200,
    answer: {
      id: 'drawing-7',
    },
    refusal: {
      status: 401,
      answer: {
        error: 'unauthorized',
        message: 'authorization must be Bearer and a token, or Nostr and a NIP-98 event; got nothing',
        field: 'authorization',
        request_id: '3f0d1a6634418d5b68b4828fdba9b602',
      },
    },
  },
};
