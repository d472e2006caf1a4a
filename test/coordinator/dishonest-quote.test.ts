import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { PreparedWire, ProofWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import type { InvoiceTerms } from 'sparkle-protocol/protocol/bolt11';
import { codesOf } from 'sparkle-protocol/protocol/checks.suite';
import { NUMS_KEY } from 'sparkle-protocol/protocol/lock';
import { readMessage, type TradeQuote } from 'sparkle-protocol/protocol/messages';
import { Booth, type Bought, type Tamper } from './booth.ts';
import { beforePaying, type Lie, quoting, rewritten, stranger } from './dishonest.ts';

/** Sats for which a lock must be three blocks deep. */
const DEAR_SATS = 150_000n;

type Row = {
  sentence: string;
  codes: string;
  /** Changes what `proof` answers. */
  lie?: Lie;
  /** Changes the invoice, in the quote and in the answer of `prepare`. */
  invoice?: (of: { booth: Booth; bought: Bought }) => Partial<InvoiceTerms>;
  /** Changes what the buyer asks for, on its way, or what he is answered. */
  tamper?: (of: { other: string }) => Tamper;
};

const inRequest =
  (path: string, change: (body: Record<string, unknown>) => Record<string, unknown>): (() => Tamper) =>
  () => ({
    ask: (asked, { body, ...rest }) => ({
      ...rest,
      body: asked === path ? change(structuredClone(body) as Record<string, unknown>) : body,
    }),
  });

const PREPARE = '/api/checkout/prepare';
const said = (signed: Partial<TradeQuote['signed']>): Lie => quoting(() => ({ signed }));

const whoAndWhat: Row[] = [
  {
    sentence: '4.1.3 (1): a quote that somebody else has signed',
    codes: 'wrong_sender',
    lie: said({ from: stranger.public }),
  },
  {
    sentence: '4.1.3 (1): a quote whose signature is of another text',
    codes: 'message_unreadable',
    lie: (proof) => ({
      ...proof,
      messages: proof.messages.map((text) => text.replace(/"price_sats":\d/, '"price_sats":9')),
    }),
  },
  { sentence: '4.1.3 (1): no quote', codes: 'quote_missing', lie: (proof) => ({ ...proof, messages: [] }) },
  { sentence: '4.1.3 (1): a quote for another network', codes: 'wrong_network', lie: said({ network: 'signet' }) },
  {
    sentence: '4.1.3 (1): an invoice of another network',
    codes: 'invoice_network',
    invoice: () => ({ network: 'testnet' }),
  },
  {
    sentence: '4.1.3 (5): another inscription, at the same price',
    codes: 'wrong_inscription',
    tamper: ({ other }) => inRequest(PREPARE, (body) => ({ ...body, inscription_id: other }))(),
  },
  {
    sentence: '4.2.5: a trade in which the buyer pays after he has shown his preimage',
    codes: 'wrong_mode',
    lie: said({ mode: 'lock-first' }),
  },
  {
    sentence: '4.2.5: a quote of another trade, replayed',
    codes: 'wrong_trade',
    lie: said({ tradeId: '00'.repeat(16) }),
  },
];

const money: Row[] = [
  {
    sentence: '4.2.5: twice what was quoted',
    codes: 'wrong_price, invoice_amount',
    lie: quoting(({ quote }) => {
      const priceSats = 2n * quote.signed.priceSats;
      return { invoice: rewritten(quote.invoice, { amountMsat: priceSats * 1000n }), signed: { priceSats } };
    }),
    tamper: () => ({
      answer: (path, body) =>
        path === PREPARE ? { ...(body as PreparedWire), invoice: doubled((body as PreparedWire).invoice ?? '') } : body,
    }),
  },
  {
    sentence: '4.2.5: parts of a price that are not its sum',
    codes: 'wrong_total',
    tamper: () => ({
      ask: (path, { body, ...rest }) => ({ ...rest, body: path === PREPARE ? withTrueParts(body) : body }),
      answer: (path, body) => (path === '/v1/quote' ? withHiddenFee(body as QuoteWire) : body),
    }),
  },
  {
    sentence: '4.2.5 (v0.1): its own preimage, so that it could keep the payment',
    codes: 'wrong_payment_hash, invoice_hash',
    tamper: inRequest(PREPARE, (body) => ({
      ...body,
      buyer: { ...(body['buyer'] as object), payment_hash: 'ab'.repeat(32) },
    })),
  },
  {
    sentence: '4.1.3 (7): an invoice for another hash than the quote',
    codes: 'invoice_hash',
    invoice: () => ({ paymentHash: 'ab'.repeat(32) }),
  },
  {
    sentence: '4.1.3 (7): an invoice of one msat more',
    codes: 'invoice_amount',
    invoice: ({ bought }) => ({ amountMsat: BigInt(bought.quote.max_total_sats) * 1000n + 1n }),
  },
  {
    sentence: '4.1.3 (7): an invoice that is over',
    codes: 'invoice_expired',
    invoice: ({ booth }) => ({ timestampSeconds: booth.nowSeconds() - 900 }),
  },
  {
    sentence: '4.1.3 (7): an invoice that can be paid for longer than the heights allow',
    codes: 'invoice_window',
    invoice: () => ({ expirySeconds: 3_600 }),
  },
  {
    sentence: '4.1.3 (7): an invoice that holds the payment for longer',
    codes: 'invoice_final_cltv',
    invoice: () => ({ minFinalCltv: 300 }),
  },
  {
    sentence: '4.1.3 (7): an invoice of another trade',
    codes: 'invoice_description',
    invoice: () => ({ description: 'Sparkle trade 00' }),
  },
  {
    sentence: '4.1.3 (7): an invoice of another payee than the one in the signed quote',
    codes: 'wrong_invoice',
    tamper: () => ({
      answer: (path, body) =>
        path === PREPARE
          ? { ...(body as PreparedWire), invoice: rewritten((body as PreparedWire).invoice ?? '', {}) }
          : body,
    }),
  },
  {
    sentence: '4.1.3 (7): a way to the payee that is longer than the payment may be held',
    codes: 'route_cap',
    invoice: () => ({ routeHints: [[{ ...hop, cltvDelta: 2_000 }]] }),
  },
];

const lock: Row[] = [
  {
    sentence: '4.1.3 (2): a key path besides the leaves',
    codes: 'wrong_internal_key',
    lie: said({ internalKey: 'musig' }),
  },
  { sentence: '4.1.3 (2): an older script', codes: 'wrong_script_version', lie: said({ script: 'sip3' }) },
  {
    sentence: '4.1.3 (2): a refund key that nobody holds',
    codes: 'bad_refund_key',
    lie: said({ refundKey: NUMS_KEY }),
  },
  {
    sentence: "4.1.3 (2): the buyer's own key for both sides",
    codes: 'own_key',
    lie: quoting(({ bought }) => ({ signed: { refundKey: bought.keys.claim.public } })),
  },
  {
    sentence: '4.1.3 (2): a refund that opens sooner',
    codes: 'wrong_heights',
    lie: quoting(({ quote }) => ({ refundHeight: quote.refundHeight - 1 })),
  },
  {
    sentence: '4.2.2: heights that are counted from another block than now',
    codes: 'quote_height',
    lie: quoting(({ quote }) => ({
      refundHeight: quote.refundHeight - 5,
      signed: { quoteHeight: quote.signed.quoteHeight - 5 },
    })),
  },
  {
    sentence: '4.1.3 (4): a lock that need not be deep',
    codes: 'too_few_confirmations',
    lie: said({ confirmations: 2 }),
  },
  {
    sentence: '4.1.3 (4): a lock so deep that it is too late to claim',
    codes: 'too_many_confirmations',
    lie: said({ confirmations: 70 }),
  },
  { sentence: '4.1.3 (5): postage that does not relay', codes: 'postage_small', lie: said({ postageSats: 329n }) },
  { sentence: '4.1.3 (5): a sat beyond the postage', codes: 'offset_outside', lie: said({ offsetSats: 10_000n }) },
  {
    sentence: '4.1.3 (9): a lock that cannot pay for its claim',
    codes: 'reserve_small',
    lie: said({ reserveSats: 100n }),
  },
  { sentence: '4.1.3 (10): a quote that is over', codes: 'quote_expired', lie: said({ expiresAt: 1_800_000_000 }) },
];

const hop = { nodeId: `02${'5'.padStart(64, '0')}`, shortChannelId: '1x2x3', feeBaseMsat: 0n, feePpm: 0 };
const doubled = (bolt11: string): string => {
  const msat = /^lnbcrt(\d+)n1/.exec(bolt11)?.[1] ?? '0';
  return rewritten(bolt11, { amountMsat: 2n * BigInt(msat) * 100n });
};

/** One part of the price is a thousand sats more than it says. */
function withHiddenFee(quote: QuoteWire): QuoteWire {
  const { pricing } = quote;
  return { ...quote, pricing: { ...pricing, market_fee_sats: pricing.market_fee_sats - 1_000 } };
}
function withTrueParts(body: unknown): unknown {
  const { pricing, ...rest } = body as { pricing: QuoteWire['pricing'] };
  return { ...rest, pricing: { ...pricing, market_fee_sats: pricing.market_fee_sats + 1_000 } };
}

describe('before he pays, the buyer refuses', () => {
  let booth: Booth;
  let inscriptionId: string;
  let other: string;

  before(async () => {
    booth = await Booth.open();
    ({ inscriptionId } = await booth.listed('for sale', DEAR_SATS));
    other = (await booth.listed('worth less', DEAR_SATS)).inscriptionId;
  });
  after(() => booth?.close());

  /** The invoice changed in both places where it stands. */
  function withInvoice({
    bought,
    answer,
    change,
  }: {
    bought: Bought;
    answer: ProofWire;
    change: Partial<InvoiceTerms>;
  }) {
    const invoice = rewritten(bought.prepared.invoice ?? '', change);
    const lied = quoting(() => ({ invoice }))(answer, { booth, bought });
    return { bought: { ...bought, prepared: { ...bought.prepared, invoice } }, answer: lied };
  }

  for (const { sentence, codes, lie, invoice, tamper } of [...whoAndWhat, ...money, ...lock])
    test(`${sentence} (${codes})`, async () => {
      const honest = await booth.prepared(inscriptionId, tamper?.({ other }));
      // What he wanted he knows, whatever was made of it on the way.
      const bought: Bought = { ...honest, quote: { ...honest.quote, inscription_id: inscriptionId } };
      const answer = (await booth.proof(bought)).answer as ProofWire;
      const lied = {
        bought,
        answer: lie === undefined ? answer : lie(answer, { booth, bought }),
        change: invoice?.({ booth, bought }),
      };
      const { change } = lied;
      const shown = change === undefined ? lied : withInvoice({ ...lied, change });
      assert.equal(codesOf(await beforePaying(booth, shown.bought, shown.answer)).join(', '), codes);
    });

  test('nothing of what an honest coordinator says', async () => {
    const bought = await booth.prepared(inscriptionId);
    const { answer } = await booth.proof(bought);
    assert.deepEqual(await beforePaying(booth, bought, answer), []);
    const { message } = readMessage((answer as ProofWire).messages[0] ?? '', { nowSeconds: 0 });
    assert.equal((message as TradeQuote).invoice, bought.prepared.invoice);
  });
});
