import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Invoice, Payment } from 'sparkle-protocol/lightning/lightning';
import type { TradeEvent } from 'sparkle-protocol/protocol/trade/event';
import {
  abortFor,
  at,
  HEIGHT,
  held,
  holdTerms,
  looked,
  R,
  refundFor,
  spentBy,
  unspent,
} from 'sparkle-protocol/protocol/trade/fixtures.suite';
import { forwarder, incoming, preimage } from 'sparkle-protocol/protocol/trade/forward.suite';
import { step, type Trade } from 'sparkle-protocol/protocol/trade/step';
import { silentLog } from 'sparkle-protocol/trader/log';
import { built, bumped, lock, lockFees, saleIn, seen, sell, SOLD, tradeId } from './books.suite.ts';
import { Books } from './books.ts';
import { open } from '../database/database.suite.ts';
import { notingStore, Outgoing } from './outgoing.ts';

/** A sale in a database of its own. */
async function sale(context: TestContext, of: { trade?: Trade } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-books-'));
  const database = await open(`sqlite:${join(folder, 'coordinator.db')}`);
  context.after(async () => {
    await database.close();
    rmSync(folder, { recursive: true });
  });
  return saleIn(database, of);
}

async function sold(context: TestContext) {
  const of = await sale(context);
  await sell(of);
  return of;
}

test('a sale is booked with all that it cost, to the msat, and once however often it is looked at', async (context) => {
  const { books, paper, inSats, states } = await sold(context);
  paper.height += 5;
  for (let times = 0; times < 3; times += 1) await books.catchUp();
  assert.deepEqual(await inSats(), SOLD);
  assert.deepEqual(await states(), ['bump booked', 'lock closed']);
});

test('two instances that book one sale at the same time book it once', async (context) => {
  const { books, parts, paper, inSats } = await sold(context);
  paper.height += 5;
  await Promise.all([books.catchUp(), new Books({ ...parts, nowSeconds: () => 1_793_491_299 }).catchUp()]);
  assert.deepEqual(await inSats(), SOLD);
});

test('nothing of the chain is booked before it is six blocks deep', async (context) => {
  const { books, paper, inSats, states } = await sold(context);
  await books.catchUp();
  assert.deepEqual(await inSats(), { lightning: 90_000.001, sales: -90_000.001 });
  assert.deepEqual(await states(), ['bump sent', 'lock sent']);
  // The lock was mined two blocks before the claim.
  paper.height += 3;
  await books.catchUp();
  assert.equal((await inSats())['locks'], 20_000);
  assert.equal((await inSats())['delivered'], undefined);
});

for (const failing of [1, 2, 3, 4])
  test(`killed right after line ${failing} of the books was written, nothing is lost and nothing booked twice`, async (context) => {
    const { parts, ledger, paper, inSats } = await sold(context);
    paper.height += 5;
    let booked = 0;
    const killed = new Books({
      ...parts,
      ledger: {
        book: async (booking) => {
          if (booked >= failing) throw new Error('killed');
          await ledger.book(booking);
          if ((booked += 1) === failing) throw new Error('killed');
        },
      },
    });
    await killed.catchUp();
    await new Books(parts).catchUp();
    assert.deepEqual(await inSats(), SOLD);
  });

test('what chain or node cannot tell now is booked when they can', async (context) => {
  const { parts, paper, inSats } = await sold(context);
  paper.height += 5;
  paper.isAway = true;
  const unpaid = { state: 'held', amountMsat: 1n, expiryHeight: R + 78, parts: 1 } as const;
  const open = { ...parts, lightning: { ...parts.lightning, invoice: async () => unpaid } };
  await new Books(open).catchUp();
  assert.deepEqual(await inSats(), {});
  paper.isAway = false;
  await new Books(open).catchUp();
  assert.equal((await inSats())['lightning'], undefined);
  await new Books(parts).catchUp();
  assert.deepEqual(await inSats(), SOLD);
});

test('of a buyer who walked away the item is back, less the fees; of several refunds the one that confirmed counts', async (context) => {
  const { tell, books, paper, inSats, states } = await sale(context);
  const [refund, other] = [refundFor(holdTerms, 8), refundFor(holdTerms, 2)];
  const gone = looked(R + 10, { invoice: held, lock: spentBy(refund, 6) });
  const canceled = looked(R + 10, { invoice: { state: 'canceled' }, lock: spentBy(refund, 6) });
  const refunded = (version: typeof refund): TradeEvent => ({ type: 'refund_built', at: at(R), refund: version });
  await tell(built, seen, looked(R, { invoice: held, lock: unspent(90) }), refunded(other), refunded(refund));
  await tell(gone, canceled);
  paper.mine(lock);
  paper.mine(refund);
  paper.height += 5;
  await books.catchUp();
  await books.catchUp();
  const back = 20_000 - Number(refund.feeSats);
  const totals = await inSats();
  assert.equal((totals['items'] ?? 0) + (totals['coins'] ?? 0), back - 20_000 - lockFees);
  assert.deepEqual([totals['locks'], totals['chain_fees']], [0, lockFees + Number(refund.feeSats)]);
  assert.deepEqual(await states(), ['lock closed', 'refund booked', 'refund dead']);
});

test('a lock that was taken back is none: its abort costs its fee, and the item is where it was', async (context) => {
  const { tell, books, paper, inSats, states } = await sale(context);
  const abort = abortFor(holdTerms);
  await tell(built, { type: 'abort_requested', at: at(HEIGHT), reason: 'test' });
  await tell({ type: 'abort_built', at: at(HEIGHT), abort });
  paper.mine(abort);
  paper.height += 5;
  await books.catchUp();
  const totals = await inSats();
  assert.deepEqual(await states(), ['abort booked', 'lock dead']);
  assert.equal((totals['items'] ?? 0) + (totals['coins'] ?? 0), -(totals['chain_fees'] ?? 0));
  assert.deepEqual([totals['locks'], totals['sellers']], [undefined, undefined]);
});

test('a spend that is in no block is sent again when its sale has ended, whether our node has it or not, and its lock never is', async (context) => {
  const { tell, books, paper } = await sale(context);
  const abort = abortFor(holdTerms);
  await tell(built, { type: 'abort_requested', at: at(HEIGHT), reason: 'test' });
  await tell({ type: 'abort_built', at: at(HEIGHT), abort });
  await books.catchUp();
  assert.deepEqual(paper.sent, []);
  const source = { state: 'spent', spender: { txid: abort.txid, raw: abort.raw, confirmations: 6 } } as const;
  await tell(looked(HEIGHT + 6, { invoice: held, source, coin: source }));
  await tell(looked(HEIGHT + 6, { invoice: { state: 'canceled' }, source, coin: source }));
  await books.catchUp();
  assert.deepEqual(paper.sent, [abort.raw]);
  paper.waits(abort);
  await books.catchUp();
  assert.deepEqual(paper.sent, [abort.raw, abort.raw]);
  paper.mine(abort);
  await books.catchUp();
  assert.deepEqual(paper.sent, [abort.raw, abort.raw]);
});

test('books that cannot be written stop no trade, and its next change brings what they lack', async (context) => {
  const { database, outgoing, states } = await sale(context);
  let isFull = true;
  const note: Outgoing['note'] = async (...of) => {
    if (isFull) throw new Error('disk full');
    await outgoing.note(...of);
  };
  const store = notingStore({ store: database.store, outgoing: { note } as Outgoing, log: silentLog });
  for (const event of [built, bumped]) await store.update(tradeId, (trade) => step(trade, event));
  assert.deepEqual(await states(), []);
  isFull = false;
  const { trade } = await store.update(tradeId, (before) => step(before, seen));
  assert.deepEqual([trade.state, await states()], ['locked', ['bump sent', 'lock sent']]);
});

const received = { state: 'settled', amountMsat: 91_000_000n } as const;
const paid = { state: 'settled', preimage, feeMsat: 1_234n } as const;

test('a payment that was passed on is booked with what came, what went, and what the way has cost', async (context) => {
  const { tell, parts, inSats, states, outgoing } = await sale(context, { trade: forwarder.invoiced });
  await tell(looked(HEIGHT, { invoice: incoming }));
  assert.deepEqual(await states(), ['forward sent']);
  const node = (invoice: Invoice, payment: Payment) =>
    new Books({ ...parts, lightning: { invoice: async () => invoice, payment: async () => payment } });
  // While the trade goes on nothing is booked, whatever the node says already.
  await node(received, paid).catchUp();
  assert.deepEqual(await inSats(), {});
  await tell(
    looked(HEIGHT, { invoice: incoming, payment: paid }),
    looked(HEIGHT, { invoice: received, payment: paid }),
  );
  await node({ state: 'unknown' }, paid).catchUp();
  assert.deepEqual(await outgoing.openTrades(), [tradeId]);
  for (let times = 0; times < 2; times += 1) await node(received, paid).catchUp();
  assert.deepEqual(await inSats(), { lightning: 998.766, routing_fees: 1.234, sales: -91_000, sellers: 90_000 });
  assert.deepEqual(await states(), ['forward closed']);
});

test('of a payment to a seller that failed nothing is in the books', async (context) => {
  const { tell, parts, inSats, states } = await sale(context, { trade: forwarder.paying });
  const failed = { state: 'failed', reason: 'no_route' } as const;
  await tell(looked(HEIGHT, { invoice: incoming, payment: failed }));
  await tell(looked(HEIGHT, { invoice: { state: 'canceled' }, payment: failed }));
  const lightning = { invoice: async () => ({ state: 'canceled' }) as const, payment: async () => failed };
  await new Books({ ...parts, lightning }).catchUp();
  assert.deepEqual([await inSats(), await states()], [{}, ['forward closed']]);
});
