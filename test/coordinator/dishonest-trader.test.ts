import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import type { Market } from 'sparkle-protocol/market/market';
import type { TradeMessage } from 'sparkle-protocol/protocol/messages';
import type { HoldBuyer } from 'sparkle-protocol/protocol/trade/state';
import type { Trader } from 'sparkle-protocol/trader/trader';
import { type Say, traderAt } from './booth-trader.ts';
import { Booth } from './booth.ts';
import { rewritten, stranger } from './dishonest.ts';

type Row = { sentence: string; codes: string; say: Say };

const MOST_ROUNDS = 400;
const quoting =
  (change: (quote: Extract<TradeMessage, { op: 'trade_quote' }>) => object): Say =>
  (message) =>
    message.op === 'trade_quote' ? ({ ...message, ...change(message) } as TradeMessage) : message;
const announcing =
  (change: (accept: Extract<TradeMessage, { op: 'trade_accept' }>) => object): Say =>
  (message) =>
    message.op === 'trade_accept' ? ({ ...message, ...change(message) } as TradeMessage) : message;
const inQuote = (signed: object): Say => quoting((quote) => ({ signed: { ...quote.signed, ...signed } }));

const beforePaying: Row[] = [
  {
    sentence: '4.2.5: twice what was quoted',
    codes: 'wrong_price, invoice_amount',
    say: quoting(({ invoice, signed }) => {
      const priceSats = 2n * signed.priceSats;
      return { invoice: rewritten(invoice, { amountMsat: priceSats * 1000n }), signed: { ...signed, priceSats } };
    }),
  },
  {
    sentence: '4.2.5 (v0.1): an invoice for a preimage of its own',
    codes: 'invoice_hash',
    say: quoting(({ invoice }) => ({ invoice: rewritten(invoice, { paymentHash: 'ab'.repeat(32) }) })),
  },
  {
    sentence: '4.1.3 (7): an invoice that holds the payment for longer',
    codes: 'invoice_final_cltv',
    say: quoting(({ invoice }) => ({ invoice: rewritten(invoice, { minFinalCltv: 300 }) })),
  },
  {
    sentence: '4.1.3 (7): the time of a forwarder whom he did not ask',
    codes: 'wrong_heights',
    say: quoting(({ invoice, signed }) => ({
      invoice: rewritten(invoice, { minFinalCltv: 395 }),
      signed: { ...signed, finalCltv: 395 },
    })),
  },
  {
    sentence: '4.1.3 (5): another inscription',
    codes: 'wrong_inscription',
    say: quoting(() => ({ inscriptionId: `${'ab'.repeat(32)}i0` })),
  },
  {
    sentence: '4.1.3 (2): a refund that opens sooner',
    codes: 'wrong_heights',
    say: quoting(({ refundHeight }) => ({ refundHeight: refundHeight - 1 })),
  },
  {
    sentence: '4.1.3 (2): a key path besides the leaves',
    codes: 'wrong_internal_key',
    say: inQuote({ internalKey: 'musig' }),
  },
  { sentence: '4.1.3 (2): an older script', codes: 'wrong_script_version', say: inQuote({ script: 'sip3' }) },
];

const beforeShowing: Row[] = [
  {
    sentence: '4.1.3 (2): a lock with a refund key of a stranger',
    codes: 'wrong_refund_key',
    say: announcing(({ signed }) => ({ signed: { ...signed, refundKey: stranger.public } })),
  },
  {
    sentence: '4.1.3 (2): a lock with another refund height',
    codes: 'wrong_refund_height',
    say: announcing(({ refundHeight }) => ({ refundHeight: refundHeight + 1 })),
  },
  {
    sentence: '4.1.3 (3): another output of the same transaction',
    codes: 'wrong_script, wrong_value',
    say: announcing(() => ({ fundingVout: 0 })),
  },
  {
    sentence: '4.1.3 (8): a lock for another hash',
    codes: 'wrong_payment_hash',
    say: announcing(() => ({ paymentHash: 'ab'.repeat(32) })),
  },
];

describe('a trader of our own, over the market of a coordinator that lies, refuses', () => {
  let booth: Booth;
  let index = 0;

  before(async () => {
    booth = await Booth.open();
  });
  after(() => booth?.close());

  const trading = (say: Say): { trader: Trader; market: Market } =>
    traderAt(booth, { seed: new Uint8Array(64).fill(100 + (index += 1)), node: 'buyer', hears: say });

  /** Plays until the trade is in one of the states: whenever all letters are taken there is a block. */
  async function played(say: Say, text: string, states: readonly string[]): Promise<HoldBuyer> {
    const { inscriptionId } = await booth.listed(text);
    const asked = { body: { inscription_id: inscriptionId } };
    const { max_total_sats } = (await booth.ask<QuoteWire>('POST', '/v1/quote', asked)).answer;
    const { trader, market } = trading(say);
    await trader.start();
    const tradeId = await trader.buy({
      ...{
        sellerId: booth.coordinatorKey.public,
        inscriptionId,
        priceSats: BigInt(max_total_sats),
        mode: 'hold-first',
      },
      ...{ internalKey: 'nums', script: 'v1', minPostageSats: 546n, maxFeeMsat: 100_000n, maxClaimFeeSats: 50_000n },
      ...{ routeCapBlocks: 432, expiresAt: booth.nowSeconds() + 86_400 },
    });
    try {
      for (let round = 0; round < MOST_ROUNDS; round += 1) {
        await booth.exchanged([trader]);
        const trade = (await trader.trade(tradeId)) as HoldBuyer;
        if (states.includes(trade.state)) return trade;
        if (trade.state !== 'requested') await booth.mine(1);
      }
      return assert.fail(`it is ${(await trader.trade(tradeId))?.state}`);
    } finally {
      await trader.stop();
      await market.close();
    }
  }

  const codesOf = (trade: HoldBuyer): string => ('codes' in trade ? trade.codes.join(', ') : '');

  for (const { sentence, codes, say } of beforePaying)
    test(`${sentence} (${codes}), and pays nothing`, async () => {
      const before = booth.nodes.buyer.balanceMsat();
      const trade = await played(say, sentence, ['ended']);
      assert.equal(codesOf(trade), codes);
      assert.equal(booth.nodes.buyer.balanceMsat(), before);
    });

  for (const { sentence, codes, say } of beforeShowing)
    test(`${sentence} (${codes}), and shows nothing`, async () => {
      const trade = await played(say, sentence, ['withdrawn', 'ended']);
      assert.deepEqual([trade.state, codesOf(trade)], ['withdrawn', codes]);
    });

  test('nothing of what an honest one says', async () => {
    const { state } = await played((message) => message, 'honest', ['claiming', 'withdrawn', 'ended']);
    assert.equal(state, 'claiming');
  });
});
