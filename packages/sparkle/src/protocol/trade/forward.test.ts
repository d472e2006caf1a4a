import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkQuote } from '../checks.ts';
import { forwardExpiryLimit, lastAcceptHeight } from '../deadlines.ts';
import type { TradeEvent } from './event.ts';
import {
  announcement,
  at,
  claimFor,
  deeds,
  heard,
  HEIGHT,
  holdTerms,
  invoiceFor,
  looked,
  NOW,
  offer,
  outcomeOf,
  quote,
  ready,
  refundFor,
  spentBy,
  stateAfter,
  unspent,
  wantOf,
} from './fixtures.suite.ts';
import {
  abortBy,
  buyerId,
  completeBy,
  failed,
  forwarder,
  forwarderId,
  front,
  incoming,
  openedForward,
  preimage,
  request,
  told,
} from './forward.suite.ts';
import { lookOf } from './look.ts';
import { forwardedBy } from './quoting.ts';
import { step } from './step.ts';
import type { PaymentView } from './view.ts';

const { sellerId } = offer;
const pending: PaymentView = { state: 'pending', expiryHeight: HEIGHT + 180 };
const settled: PaymentView = { state: 'settled', preimage, feeMsat: 0n };
const gone: PaymentView = { state: 'failed', reason: 'no_route' };
const unknown: PaymentView = { state: 'unknown' };
const open = { state: 'open' } as const;
const canceled = { state: 'canceled' } as const;
const collected = { state: 'settled', amountMsat: 91_000_000n } as const;
const see = (payment: PaymentView, height = HEIGHT): TradeEvent => looked(height, { invoice: incoming, payment });
const receivers = (trade: Parameters<typeof step>[0], event: TradeEvent): string[] =>
  step(trade, event).effects.flatMap(({ effect }) => (effect.do === 'send' ? [effect.to] : []));
const codes = (trade: Parameters<typeof step>[0], event: TradeEvent): string[] =>
  step(trade, event).effects.flatMap(({ effect }) => (effect.do === 'alert' ? [effect.code] : []));

describe('the forwarder, before anything is paid out', () => {
  test("asking: the seller is asked in the forwarder's name, at the seller's price, for the buyer's hash and claim key", () => {
    const opened = openedForward();
    assert.ok(!('failures' in opened));
    const [effect] = opened.effects.map((each) => each.effect);
    assert.ok(effect?.do === 'send' && effect.message.op === 'trade_request' && effect.to === sellerId);
    const { signed, offerSats, claimKey } = effect.message;
    assert.deepEqual(
      [signed?.from, offerSats, claimKey, signed?.paymentHash],
      [forwarderId, 90_000n, request.claimKey, request.signed.paymentHash],
    );
  });

  test('asking: a request at another price is refused, and a forward that could cost more than it brings is none', () => {
    const opened = openedForward({ totalSats: 92_000n });
    assert.ok('failures' in opened);
    assert.deepEqual(
      opened.failures.map(({ code }) => code),
      ['wrong_price'],
    );
    assert.throws(() => openedForward({ maxFeeMsat: 1_000_001n }), { code: 'bad_config' });
    assert.throws(() => openedForward({ maxFeeMsat: -1n }), { code: 'bad_config' });
  });

  test('asking: the quote of the seller becomes one of the forwarder, over the same lock and hash', () => {
    const { trade, effects } = step(forwarder.asking, heard(quote));
    assert.equal(trade.state, 'quoting');
    assert.deepEqual(
      effects.map(({ effect }) => effect),
      [{ do: 'create_hold_invoice', terms: front, expirySeconds: 900 }],
    );
  });

  test('asking: a quote that a buyer would refuse goes no further, and both sides hear of it', () => {
    const dear = heard({ ...quote, signed: { ...quote.signed, priceSats: 90_001n } });
    assert.deepEqual(outcomeOf(told(forwarder.asking, dear)), 'refused');
    assert.deepEqual(receivers(forwarder.asking, dear), [sellerId, buyerId]);
  });

  test("asking: a quote that is not the seller's is none, a refusal of his ends it, and so does silence", () => {
    const foreign = heard({ ...quote, signed: { ...quote.signed, from: buyerId } });
    assert.equal(stateAfter(forwarder.asking, foreign), 'asking');
    assert.equal(outcomeOf(told(forwarder.asking, abortBy(sellerId))), 'refused');
    assert.equal(stateAfter(forwarder.asking, looked(HEIGHT, {}, NOW + 120)), 'asking');
    // Whatever the buyer says of how long his request is good.
    assert.equal(outcomeOf(told(forwarder.asking, looked(HEIGHT, {}, NOW + 121))), 'expired');
  });

  test('quoting: the buyer is told what he accepts as a quote of the forwarder', () => {
    const { effects } = step(forwarder.quoting, ready(invoiceFor(front)));
    const [sent] = effects.map(({ effect }) => effect);
    assert.ok(sent?.do === 'send' && sent.message.op === 'trade_quote' && sent.to === buyerId);
    const want = {
      ...wantOf('hold-first'),
      priceSats: 91_000n,
      buyerId,
      sellerId: forwarderId,
      forwarded: true as const,
    };
    assert.deepEqual(checkQuote({ want, quote: sent.message, height: HEIGHT, nowSeconds: NOW }), []);
  });

  test('quoting: a price above a step asks for the confirmations of what the buyer pays', () => {
    const opened = openedForward({ totalSats: 91_000n });
    assert.ok(!('failures' in opened) && opened.trade.role === 'forwarder');
    const dearer = { ...opened.trade, totalSats: 5_000_000n };
    const { trade } = step(dearer, heard(quote));
    assert.ok(
      trade.role === 'forwarder' &&
        trade.state === 'quoting' &&
        trade.front.confirmations === 6 &&
        trade.terms.confirmations === 1,
    );
  });

  test('quoting: a node that cannot make the invoice ends it, and a block too late too', () => {
    assert.equal(outcomeOf(told(forwarder.quoting, failed('create_hold_invoice', 'invoice_exists'))), 'refused');
    assert.equal(stateAfter(forwarder.quoting, looked(lastAcceptHeight(front) + 1, {})), 'canceling');
  });

  test('invoiced: an unpaid invoice is waited for until the last height and second, and no longer', () => {
    const last = lastAcceptHeight(front);
    assert.equal(stateAfter(forwarder.invoiced, looked(last, { invoice: open })), 'invoiced');
    assert.equal(stateAfter(forwarder.invoiced, looked(last + 1, { invoice: open })), 'canceling');
    assert.equal(stateAfter(forwarder.invoiced, looked(HEIGHT, { invoice: open }, NOW + 901)), 'canceling');
    assert.equal(stateAfter(forwarder.invoiced, looked(HEIGHT, { invoice: canceled })), 'canceling');
  });

  test('invoiced: a held payment that is enough and lasts is passed on, once', () => {
    assert.deepEqual(deeds(forwarder.invoiced, looked(HEIGHT, { invoice: incoming })), ['forward_payment']);
    assert.deepEqual(deeds(forwarder.paying, looked(HEIGHT, { invoice: incoming, payment: unknown })), []);
  });

  test("invoiced: too little, too short, too late, or a seller's invoice that is about to expire is given back", () => {
    // 171 for the seller, 3 that a node adds, a hop of 40, 3 that a node may be ahead, and the gap of 80.
    const least = HEIGHT + 171 + 3 + 40 + 3 + 80;
    const bad: [held: object, height: number, now: number, code: string][] = [
      [{ amountMsat: 90_999_999n }, HEIGHT, NOW, 'underpaid'],
      [{ expiryHeight: least - 1 }, HEIGHT, NOW, 'forward_gap'],
      [{}, lastAcceptHeight(front) + 1, NOW, 'accepted_late'],
      [{}, HEIGHT, NOW + 841, 'invoice_expired'],
    ];
    for (const [held, height, now, code] of bad) {
      const after = told(forwarder.invoiced, looked(height, { invoice: { ...incoming, ...held } }, now));
      assert.deepEqual([after.state, 'codes' in after && after.codes], ['canceling', [code]]);
    }
    const enough = looked(HEIGHT, { invoice: { ...incoming, expiryHeight: least } });
    assert.equal(stateAfter(forwarder.invoiced, enough), 'paying');
  });

  test('either side may leave, and the other hears of it', () => {
    for (const event of [abortBy(buyerId), abortBy(sellerId)]) {
      assert.equal(stateAfter(forwarder.invoiced, event), 'canceling');
      assert.deepEqual(receivers(forwarder.invoiced, event), [sellerId, buyerId]);
    }
  });
});

describe('the forwarder, with a payment under way', () => {
  const out = [forwarder.paying, forwarder.announced, forwarder.unsent];

  test('without the preimage and without a certain failure nothing is given back, however late it is', () => {
    for (const trade of out)
      for (const height of [HEIGHT, forwardExpiryLimit(incoming) + 1, incoming.expiryHeight + 100])
        for (const event of [
          see(pending, height),
          looked(height, { invoice: canceled, payment: pending }),
          looked(height, {}),
        ])
          assert.equal(stateAfter(trade, event), trade.state);
    for (const trade of [forwarder.paying, forwarder.announced])
      assert.equal(stateAfter(trade, see(unknown, incoming.expiryHeight)), trade.state);
    for (const trade of out) {
      assert.ok(!deeds(trade, abortBy(buyerId)).includes('cancel_invoice'));
      assert.deepEqual(deeds(trade, { type: 'abort_requested', at: at(HEIGHT), reason: 'asked' }), []);
      assert.deepEqual(deeds(trade, { type: 'restarted', at: at(HEIGHT) }), []);
    }
  });

  test('a payment that has surely failed gives the incoming one back, and the seller hears of it', () => {
    for (const trade of out) {
      assert.equal(stateAfter(trade, see(gone)), 'returning');
      assert.deepEqual(deeds(trade, see(gone)), ['cancel_invoice', 'send', 'send']);
    }
  });

  test('a settled payment settles the incoming one, whatever else is seen', () => {
    for (const trade of [...out, forwarder.returning]) {
      assert.equal(stateAfter(trade, see(settled)), 'settling');
      assert.deepEqual(deeds(trade, looked(incoming.expiryHeight, { invoice: canceled, payment: settled })), [
        'settle',
      ]);
    }
  });

  test('a preimage that does not fit settles nothing, whoever says it', () => {
    const wrong = 'ab'.repeat(32);
    for (const trade of out) {
      assert.equal(stateAfter(trade, see({ ...settled, preimage: wrong })), trade.state);
      assert.equal(stateAfter(trade, completeBy(buyerId, wrong)), trade.state);
    }
  });

  test('the preimage is also learned from the claim in the chain, and from the buyer who says it', () => {
    const claim = looked(HEIGHT + 1, { invoice: incoming, payment: pending, lock: spentBy(claimFor(holdTerms), 0) });
    assert.equal(stateAfter(forwarder.announced, claim), 'settling');
    assert.equal(stateAfter(told(forwarder.unsent, heard(announcement)), claim), 'settling');
    for (const trade of out) assert.equal(stateAfter(trade, completeBy(buyerId)), 'settling');
  });

  test('a lock that is there, or spent without the preimage, is no news', () => {
    for (const lock of [unspent(3), spentBy(refundFor(holdTerms), 9)])
      assert.equal(
        stateAfter(forwarder.announced, looked(HEIGHT + 1, { invoice: incoming, payment: pending, lock })),
        'announced',
      );
  });

  test("the seller's announcement reaches the buyer in the forwarder's name, anew in each block", () => {
    const { effects } = step(forwarder.paying, heard(announcement));
    const [sent] = effects.map(({ effect }) => effect);
    assert.ok(sent?.do === 'send' && sent.to === buyerId && sent.message.op === 'trade_accept');
    assert.deepEqual([sent.message.signed?.from, sent.message.signed?.priceSats], [forwarderId, 91_000n]);
    assert.equal(sent.message.fundingTxid, announcement.fundingTxid);
    assert.deepEqual(receivers(forwarder.announced, heard(announcement, HEIGHT + 1)), [buyerId]);
    assert.deepEqual(lookOf(forwarder.announced).lock?.outpoint, `${announcement.fundingTxid}:0`);
  });

  test('a seller who was paid after all, although the node refused, reaches the buyer with his lock, and his word proves no payment', () => {
    const lock = {
      outpoint: `${announcement.fundingTxid}:0`,
      fromHeight: lookOf(forwarder.announced).lock?.fromHeight,
    };
    assert.deepEqual(receivers(forwarder.unsent, heard(announcement)), [buyerId]);
    assert.equal(lookOf(forwarder.unsent).lock, undefined);
    const late = told(forwarder.unsent, heard(announcement));
    const refusedLate = told(forwarder.announced, failed('forward_payment', 'too_late', 1));
    for (const trade of [late, refusedLate]) {
      assert.deepEqual([trade.state, lookOf(trade).lock], ['unsent', lock]);
      assert.deepEqual(
        forwardedBy(trade).map(({ op }) => op),
        ['trade_quote', 'trade_accept'],
      );
      assert.deepEqual(receivers(trade, heard(announcement, HEIGHT + 1)), [buyerId]);
    }
    assert.equal(stateAfter(late, see(unknown)), 'returning');
  });

  test("an announcement that differs from the quote, or is not the seller's, goes no further", () => {
    const bad = heard({ ...announcement, refundHeight: announcement.refundHeight + 1 });
    const foreign =
      announcement.signed && heard({ ...announcement, signed: { ...announcement.signed, from: buyerId } });
    for (const event of [bad, foreign]) for (const trade of out) assert.deepEqual(event && deeds(trade, event), []);
  });

  test('a buyer who leaves is told of to the seller, who alone can say whether it is too late', () => {
    assert.deepEqual(receivers(forwarder.paying, abortBy(buyerId)), [sellerId]);
    assert.deepEqual(receivers(forwarder.paying, abortBy(sellerId)), []);
  });

  test('a refusal is certain at once when the order was never given, and else from ten minutes after the invoice', () => {
    assert.equal(stateAfter(forwarder.unsent, see(unknown)), 'returning');
    const again = told(forwarder.paying, failed('forward_payment', 'too_late', 1));
    const later = (seconds: number) => looked(HEIGHT, { invoice: incoming, payment: unknown }, NOW + 900 + seconds);
    assert.equal(stateAfter(again, later(599)), 'unsent');
    assert.equal(stateAfter(again, later(600)), 'returning');
  });

  test('a human is called when what was paid out outlasts its limit, may outlast it, or is not covered any more', () => {
    const limit = forwardExpiryLimit(incoming);
    assert.deepEqual(codes(forwarder.paying, see(pending, limit)), []);
    assert.deepEqual(codes(forwarder.paying, see(pending, limit + 1)), ['forward_overdue']);
    assert.deepEqual(codes(forwarder.paying, see({ state: 'pending', expiryHeight: limit })), []);
    assert.deepEqual(codes(forwarder.paying, see({ state: 'pending', expiryHeight: limit + 1 })), ['forward_gap']);
    assert.deepEqual(codes(forwarder.paying, looked(HEIGHT, { invoice: canceled, payment: pending })), [
      'forward_hold_gone',
    ]);
  });
});

describe('the forwarder, at the end', () => {
  test('settling: it is settled again each block until the node says that it is', () => {
    assert.deepEqual(deeds(forwarder.settling, see(settled, HEIGHT + 1)), ['settle']);
    const again = told(forwarder.settling, see(settled, HEIGHT + 1));
    assert.deepEqual(deeds(again, see(settled, HEIGHT + 1)), []);
  });

  test('settling: the trade is done when both payments have ended, and not before', () => {
    const end = (payment: PaymentView, invoice: typeof collected | typeof canceled) =>
      outcomeOf(told(forwarder.settling, looked(HEIGHT + 1, { payment, invoice })));
    assert.equal(end(settled, collected), 'traded');
    assert.equal(end(pending, collected), 'settling');
    assert.equal(end(gone, collected), 'traded');
    assert.equal(end(settled, canceled), 'lost');
    assert.equal(end(gone, canceled), 'canceled');
    assert.equal(stateAfter(forwarder.settling, looked(HEIGHT + 1, {})), 'settling');
  });

  test('the end remembers what the buyer agreed to, where the lock was, and by what it was claimed', () => {
    const lock = spentBy(claimFor(holdTerms), 1);
    const bothEnded = { payment: settled, invoice: collected };
    const outpoint = `${announcement.fundingTxid}:0`;
    const seen = told(forwarder.settling, looked(HEIGHT + 1, { ...bothEnded, invoice: incoming, lock }));
    assert.ok(seen.state === 'settling' && seen.claimTxid === claimFor(holdTerms).txid);
    for (const trade of [
      told(forwarder.settling, looked(HEIGHT + 1, { ...bothEnded, lock })),
      told(seen, looked(HEIGHT + 2, bothEnded)),
      told(forwarder.announced, looked(HEIGHT + 1, { ...bothEnded, lock }), looked(HEIGHT + 2, bothEnded)),
    ])
      assert.ok(
        trade.state === 'ended' &&
          trade.outpoint === outpoint &&
          trade.txid === claimFor(holdTerms).txid &&
          trade.front,
      );
    const unseen = told(
      forwarder.settling,
      looked(HEIGHT + 1, { ...bothEnded, lock: spentBy(refundFor(holdTerms), 1) }),
    );
    assert.ok(unseen.state === 'ended' && unseen.txid === undefined && unseen.outpoint === outpoint);
    const back = told(forwarder.announced, see(gone), looked(HEIGHT, { payment: gone, invoice: canceled }));
    assert.ok(back.state === 'ended' && back.outpoint === outpoint && back.front);
  });

  test('settling: whoever lost, or is owed, is told of', () => {
    assert.deepEqual(codes(forwarder.settling, looked(HEIGHT, { payment: settled, invoice: canceled })), [
      'forwarded_unpaid',
    ]);
    assert.deepEqual(codes(forwarder.settling, looked(HEIGHT, { payment: gone, invoice: collected })), [
      'seller_unpaid',
    ]);
  });

  test('returning: it is given back again each block, ends when it is back, and never beside a living payment', () => {
    assert.deepEqual(deeds(forwarder.returning, see(gone, HEIGHT + 1)), ['cancel_invoice']);
    assert.equal(
      outcomeOf(told(forwarder.returning, looked(HEIGHT, { payment: gone, invoice: canceled }))),
      'canceled',
    );
    assert.deepEqual(codes(forwarder.returning, see(pending)), ['forward_revived']);
    assert.ok(!deeds(forwarder.returning, see(pending)).includes('cancel_invoice'));
  });

  test('a buyer who lost what he was told is told it again', () => {
    assert.deepEqual(forwardedBy(forwarder.quoting), []);
    assert.deepEqual(
      forwardedBy(forwarder.invoiced).map(({ op }) => op),
      ['trade_quote'],
    );
    assert.deepEqual(
      forwardedBy(forwarder.announced).map(({ op }) => op),
      ['trade_quote', 'trade_accept'],
    );
  });
});
