import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { memoryWallet } from 'sparkle-protocol/chain/memory-wallet';
import { coordinatorMarket, coordinatorTiming } from 'sparkle-protocol/market/coordinator';
import type { SocketClass } from 'sparkle-protocol/market/coordinator-socket';
import type { QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import type { Market } from 'sparkle-protocol/market/market';
import { memoryOrdinals } from 'sparkle-protocol/ordinals/memory';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import { readMessage, type TradeMessage, writeMessage } from 'sparkle-protocol/protocol/messages';
import type { HoldBuyer } from 'sparkle-protocol/protocol/trade/state';
import { memoryDisk, memoryStore } from 'sparkle-protocol/store/memory';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { silentLog } from 'sparkle-protocol/trader/log';
import { Trader } from 'sparkle-protocol/trader/trader';
import { Booth, seeds } from './booth.ts';
import { rewritten, stranger } from './dishonest.ts';

/** Changes what the coordinator's own signed message says. */
type Say = (message: TradeMessage) => TradeMessage;
type Row = { sentence: string; codes: string; say: Say };

const MOST_ROUNDS = 400;
const timing = {
  ...coordinatorTiming,
  firstRetryMilliseconds: 2,
  lastRetryMilliseconds: 20,
  ackMilliseconds: 5,
  pollSeconds: 0,
};

/** No WebSocket comes through here: messages are polled for. */
const noSocket = class {
  constructor() {
    throw new Error('no sockets');
  }
} as unknown as SocketClass;

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

/** The application in place of the network, with its letters read and written anew on the way. */
function through(booth: Booth, say: Say): typeof fetch {
  const secret = booth.coordinatorKey.secret;
  const changed = (text: string): string =>
    writeMessage(say(readMessage(text, { nowSeconds: 0 }).message), { secret, auxRand: new Uint8Array(32) });
  return async (url, init) => {
    const { pathname, search } = new URL(String(url));
    const { method = 'GET', headers, body } = init ?? {};
    const response = await booth.service.app.inject({
      ...{ method: method as 'GET', url: pathname + search, headers: headers as Record<string, string> },
      ...(body === undefined ? {} : { payload: body as string }),
    });
    const answer = response.json<{ messages?: { text: string }[] }>();
    if (pathname === '/v1/messages' && method === 'GET')
      for (const mail of answer.messages ?? []) mail.text = changed(mail.text);
    return new Response(JSON.stringify(answer), { status: response.statusCode });
  };
}

describe('a trader of our own, over the market of a coordinator that lies, refuses', () => {
  let booth: Booth;
  let index = 0;

  before(async () => {
    booth = await Booth.open();
  });
  after(() => booth?.close());

  function trading(say: Say): { trader: Trader; market: Market } {
    const seed = new Uint8Array(64).fill(100 + (index += 1));
    const me = identityKey({ seed, network: 'regtest' });
    const { url, chain, clock, nodes } = booth;
    const sign = (digest: Uint8Array): Uint8Array => schnorr.sign(digest, me.secret, new Uint8Array(32));
    const market = coordinatorMarket({
      ...{ url, network: 'regtest', clock: systemClock(), timing, WebSocket: noSocket, fetch: through(booth, say) },
      signer: { publicKey: me.public, sign },
    });
    const wallet = memoryWallet({ chain, network: 'regtest', secret: seeds.buyer.slice(0, 32) });
    const own = {
      network: 'regtest',
      seed,
      log: silentLog,
      store: memoryStore(memoryDisk()),
      tickMilliseconds: 60_000,
    };
    const parts = { chain: chain.control.peer(), ordinals: memoryOrdinals({ chain }), clock, wallet, market };
    return { trader: new Trader({ ...own, ...parts, network: 'regtest', lightning: nodes.buyer.lightning }), market };
  }

  /** Plays until the trade is in one of the states; a block now and then, as letters take their turn. */
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
        const trade = (await trader.trade(tradeId)) as HoldBuyer;
        if (states.includes(trade.state)) return trade;
        await new Promise((resolve) => setTimeout(resolve, 2));
        await Promise.all([trader.look(), booth.settle()]);
        if (round % 8 === 7 && trade.state !== 'requested') await booth.mine(1);
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
