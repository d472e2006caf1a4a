import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardExpiryLimit, lastAcceptHeight } from '../deadlines.ts';
import { encodeState } from '../json.ts';
import type { Effect } from './effect.ts';
import type { TradeEvent } from './event.ts';
import { announcement, at, HEIGHT, heard, invoiceFor, looked, NOW, offer, quote, ready } from './fixtures.suite.ts';
import { abortBy, buyerId, completeBy, failed, forwarder, front, incoming, preimage } from './forward.suite.ts';
import { lookOf } from './look.ts';
import type { Forwarder } from './state.ts';
import { step } from './step.ts';
import type { InvoiceView, PaymentView } from './view.ts';

/** Everything that two payments, a forwarder and his node can do, in every order: there is nothing that chance leaves out. */
type World = {
  trade: Forwarder;
  held: 'none' | 'open' | 'held' | 'settled' | 'canceled';
  out: 'unknown' | 'pending' | 'settled' | 'failed';
  /** An order to pay whose answer was lost, and which the node has not begun. */
  order: boolean;
  due: { key: string; do: Doing; attempts: number }[];
  keys: string[];
  time: number;
  /** Whether the forwarder has seen all this and done what he decided: blocks come slower than that. */
  seen: boolean;
};

/** The best height and the second at each stage: paying in time, too late to pay, out of time for what was paid out, the end. */
const TIMES = [
  [HEIGHT, NOW],
  [lastAcceptHeight(front) + 1, NOW + 901],
  [HEIGHT + 100, NOW + 1501],
  [forwardExpiryLimit(incoming) + 1, NOW + 100_000],
  [incoming.expiryHeight - 18, NOW + 200_000],
] as const;
const OUT_OF_TIME = 3;
const AUTO_CANCEL = 4;
/** From here on the seller's invoice has expired for so long that no node begins to pay it. */
const ORDERS_END = 2;

/** Keys of repeated deeds name a height; which one makes no difference here. */
const DOINGS = ['create_hold_invoice', 'forward_payment', 'settle', 'cancel_invoice'] as const;
type Doing = (typeof DOINGS)[number];

const isDoing = (deed: Effect['do']): deed is Doing => DOINGS.some((doing) => doing === deed);

function tell(world: World, event: TradeEvent): World {
  const { trade, effects } = step(world.trade, event);
  const due = effects.flatMap(({ key, effect }) =>
    isDoing(effect.do) && !world.keys.includes(key) ? [{ key, do: effect.do, attempts: 0 }] : [],
  );
  const keys = [...new Set([...world.keys, ...due.map(({ key }) => key)])].toSorted();
  return { ...world, trade: trade as Forwarder, due: [...world.due, ...due], keys };
}

const moment = ({ time }: World): readonly [number, number] => TIMES[time] ?? TIMES[0];

function view(world: World, isAway: boolean): TradeEvent {
  const [height, now] = moment(world);
  if (isAway) return looked(height, {}, now);
  const invoices: Record<World['held'], InvoiceView> = {
    none: { state: 'unknown' },
    open: { state: 'open' },
    held: incoming,
    settled: { state: 'settled', amountMsat: incoming.amountMsat },
    canceled: { state: 'canceled' },
  };
  const payments: Record<World['out'], PaymentView> = {
    unknown: { state: 'unknown' },
    pending: { state: 'pending' },
    settled: { state: 'settled', preimage, feeMsat: 0n },
    failed: { state: 'failed', reason: 'no_route' },
  };
  return looked(height, { invoice: invoices[world.held], payment: payments[world.out] }, now);
}

/** What the runner of `trader/forward.ts` and a node make of the first effect that is due. */
function acts(world: World): World[] {
  const [first, ...rest] = world.due;
  if (first === undefined) return [];
  const done = { ...world, due: rest, seen: false };
  const postponed = { ...world, due: [{ ...first, attempts: 1 }, ...rest] };
  const refused = (after: World, code: string) => tell(after, failed(first.do, code, first.attempts));
  switch (first.do) {
    case 'create_hold_invoice':
      return [tell({ ...done, held: 'open' }, ready(invoiceFor(front))), refused(done, 'invoice_exists'), postponed];
    case 'settle':
      return [world.held === 'held' ? { ...done, held: 'settled' } : done, postponed];
    case 'cancel_invoice':
      if (world.out === 'pending' || world.out === 'settled') return [done];
      return [world.held === 'settled' ? done : { ...done, held: 'canceled' }, postponed];
    case 'forward_payment': {
      if (world.out !== 'unknown') return [done];
      const isWanted = ['paying', 'announced'].includes(world.trade.state) && world.time === 0;
      if (!isWanted || world.held !== 'held') return [refused(done, 'too_late'), postponed];
      // Two orders for one hash are one payment: whatever became of an earlier one, the node knows it by now.
      return [
        { ...done, out: 'pending', order: false },
        { ...postponed, out: 'pending', order: false, seen: false },
        { ...postponed, order: true },
        refused({ ...done, out: 'failed', order: false }, 'no_route'),
        refused({ ...done, order: false }, 'no_route'),
      ];
    }
  }
}

const canBegin = ({ order, time }: World): boolean => order && time < ORDERS_END;

/** A node may be away for hours, not for the days that are left at the end; nor does a payment last longer than it may. */
function mayGoOn({ seen, time, out, due }: World): boolean {
  const isLate = time + 1 >= OUT_OF_TIME;
  return seen && time + 1 < TIMES.length && !(isLate && (out === 'pending' || due.length > 0));
}

/** What happens without the forwarder. A payment that is under way ends before time is out: that is Lightning's promise. */
function happenings(world: World): World[] {
  const { held, out, order, time } = world;
  return [
    ...(held === 'open' ? [{ ...world, held: 'held' } as const] : []),
    ...(canBegin(world) && out !== 'pending' ? [{ ...world, order: false, out: 'pending' } as const] : []),
    ...(order ? [{ ...world, order: false }] : []),
    ...(out === 'pending' ? [{ ...world, out: 'settled' } as const, { ...world, out: 'failed' } as const] : []),
    ...(mayGoOn(world) ? [{ ...world, time: time + 1 }] : []),
    ...(time === AUTO_CANCEL && held === 'held' ? [{ ...world, held: 'canceled' } as const] : []),
  ].map((after) => ({ ...after, seen: false }));
}

function messages(world: World): World[] {
  // A seller may name a lock whenever he likes, paid or not.
  const said: TradeEvent[] = [heard(quote), abortBy(buyerId), abortBy(offer.sellerId), heard(announcement)];
  // Nobody shows the preimage before a lock, and nobody locks before he is paid.
  const later = world.out === 'pending' || world.out === 'settled' ? [completeBy(buyerId)] : [];
  const asked: TradeEvent = { type: 'abort_requested', at: at(HEIGHT), reason: 'asked' };
  return [...said, ...later, asked, { type: 'restarted', at: at(HEIGHT) } as const].map((event) => tell(world, event));
}

function next(world: World): World[] {
  const after = tell(world, view(world, false));
  const settled = { ...after, seen: after.due.every(({ attempts }) => attempts > 0) };
  return [settled, tell(world, view(world, true)), ...acts(world), ...happenings(world), ...messages(world)];
}

/** Once it is decided what becomes of both payments, what is remembered of the lock decides nothing any more. */
function nameOf(world: World): string {
  if (!['returning', 'settling', 'ended'].includes(world.trade.state)) return encodeState(world);
  const { accept: _accept, front: _front, outpoint: _outpoint, ...trade } = world.trade as Record<string, unknown>;
  return encodeState({ ...world, trade });
}

/** What a seller says who was paid, or is about to be: his buyer waits until R for nothing when he does not hear it. */
function assertPassedOn(world: World): void {
  const { trade, out } = world;
  if (out !== 'pending' || !['paying', 'announced', 'unsent'].includes(trade.state)) return;
  const { effects } = step(trade, heard(announcement));
  const told = effects.some(({ effect }) => effect.do === 'send' && effect.to === buyerId);
  assert.ok(told, `a lock that the buyer does not hear of: ${trade.state} ${out}`);
}

/** Where the lock was said to be is known until the trade is decided: the claim may be all that shows the preimage. */
function assertRemembered(before: World, after: World): void {
  const isUndecided = ['paying', 'announced', 'unsent'].includes(after.trade.state);
  if (lookOf(before.trade).lock === undefined || !isUndecided) return;
  assert.ok(lookOf(after.trade).lock, `a lock that is forgotten: ${before.trade.state} -> ${after.trade.state}`);
}

function assertSafe(before: World, after: World): void {
  const where = `${before.trade.state} ${before.held} ${before.out} -> ${after.trade.state} ${after.held} ${after.out}`;
  const isNew = before.held !== 'canceled' && after.held === 'canceled';
  if (isNew)
    assert.ok(after.out !== 'pending' && after.out !== 'settled' && !canBegin(after), `given back beside: ${where}`);
  if (before.held === 'canceled' || before.held === 'settled')
    assert.ok(before.out === after.out || before.out === 'pending', `paid out of nothing: ${where}`);
  if (after.held === 'settled' && before.held !== 'settled')
    assert.ok(before.trade.state === 'settling', `settled without the preimage in the store: ${where}`);
  if (after.trade.state !== 'ended') return;
  assert.notEqual(after.trade.outcome, 'lost', where);
  assert.ok(after.out !== 'pending' && !canBegin(after), `ended beside a payment under way: ${where}`);
  assert.ok(after.out !== 'settled' || after.held === 'settled', `ended out of pocket: ${where}`);
}

test('in every order of events, failures, lost answers and restarts a forwarder pays once, keeps no payment, loses none and passes every lock on', () => {
  const start: World = {
    ...{ trade: forwarder.asking, held: 'none', out: 'unknown', order: false, due: [], keys: [], time: 0, seen: false },
  };
  const from = new Map<string, string[]>([[nameOf(start), []]]);
  const ended: string[] = [];
  const queue = [start];
  for (let world = queue.pop(); world !== undefined; world = queue.pop()) {
    const name = nameOf(world);
    if (world.trade.state === 'ended') ended.push(name);
    assertPassedOn(world);
    for (const after of next(world)) {
      assertSafe(world, after);
      assertRemembered(world, after);
      const to = nameOf(after);
      const known = from.get(to);
      if (known === undefined) queue.push(after);
      from.set(to, [...(known ?? []), name]);
    }
  }
  assert.ok(from.size > 500, `only ${from.size} worlds were seen`);
  const good = new Set<string>(ended);
  for (let name = ended.pop(); name !== undefined; name = ended.pop())
    for (const before of from.get(name) ?? [])
      if (!good.has(before)) {
        ended.push(before);
        good.add(before);
      }
  assert.equal(good.size, from.size, 'from every world the trade can still end');
});
