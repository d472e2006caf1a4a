import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Payment } from 'sparkle-protocol/lightning/lightning';
import { isStuck, type Payout, type PayoutEvent, step } from './payout.ts';

const NOW = 1_800_000_000;
const HASH = 'a1'.repeat(32);
const PREIMAGE = 'b2'.repeat(32);
const EXPIRES = NOW + 3_600;

const owed: Payout = {
  ...{
    payoutId: 't1:0',
    tradeId: 't1',
    to: 'artist@example.com',
    amountSats: 3_000n,
    maxFeeMsat: 35_000n,
    owedAt: NOW,
  },
  ...{ attempts: 0, dueAt: NOW, why: '', state: 'owed' },
};
const invoiced: PayoutEvent = { type: 'invoiced', bolt11: 'lnbcrt1', paymentHash: HASH, expiresAt: EXPIRES };
const looked = (payment: Payment, why?: string): PayoutEvent => ({
  ...{ type: 'looked', payment },
  ...(why === undefined ? {} : { why }),
});
const unknown = looked({ state: 'unknown' });
const failed = looked({ state: 'failed', reason: 'no_route' });
const pending = looked({ state: 'pending' });
const settled = looked({ state: 'settled', preimage: PREIMAGE, feeMsat: 1_001n });
const paying = step(owed, invoiced, NOW).payout;
const paid = step(paying, settled, NOW).payout;

describe('a payout', () => {
  test('notes its invoice before the node is told, and tells it only when the node has never heard of it', () => {
    assert.deepEqual(step(owed, invoiced, NOW), {
      payout: { ...owed, state: 'paying', bolt11: 'lnbcrt1', paymentHash: HASH, expiresAt: EXPIRES },
      order: false,
    });
    const { payout, order } = step(paying, unknown, NOW);
    assert.deepEqual([order, payout.attempts, payout.dueAt], [true, 1, NOW + 30]);
  });

  test('is paid when the node says so, also without ever having been ordered here', () => {
    assert.deepEqual(paid, {
      ...owed,
      ...{ state: 'paid', paymentHash: HASH, preimage: PREIMAGE, feeMsat: 1_001n },
    });
  });

  test('is asked for again later and later when there is no invoice, with the reason', () => {
    let at: Payout = owed;
    const waits: number[] = [];
    for (let times = 0; times < 12; times += 1) {
      const next: Payout = step(at, { type: 'uninvoiced', why: 'bad_invoice: amount' }, at.dueAt).payout;
      waits.push(next.dueAt - at.dueAt);
      at = next;
    }
    assert.deepEqual(waits.slice(0, 4), [30, 60, 120, 240]);
    assert.deepEqual(waits.slice(-2), [21_600, 21_600]);
    assert.deepEqual([at.state, at.attempts, at.why], ['owed', 12, 'bad_invoice: amount']);
  });

  test('is not asked for before it is due', () => {
    const later = { ...owed, dueAt: NOW + 1 };
    assert.equal(step(later, invoiced, NOW).payout, later);
  });

  test('waits for a payment that is under way, and writes that once', () => {
    const once = step({ ...paying, dueAt: NOW + 60 }, pending, NOW).payout;
    assert.deepEqual([once.state, once.dueAt, once.why], ['paying', NOW + 30, 'its payment is under way']);
    assert.equal(step(once, pending, NOW + 1).payout, once);
  });

  test('whose payment has failed is ordered again with the same invoice, not before it is due', () => {
    const ordered = step(paying, unknown, NOW).payout;
    const soon = step(ordered, failed, NOW + 1);
    assert.deepEqual(soon, { payout: { ...ordered, why: 'no_route' }, order: false });
    assert.equal(step(soon.payout, failed, NOW + 2).payout, soon.payout);
    const again = step(soon.payout, failed, NOW + 60);
    assert.deepEqual([again.order, again.payout.attempts, again.payout.state], [true, 2, 'paying']);
  });

  test('says what the node said to the order, not only that it has never heard of it', () => {
    const ordered = step(paying, unknown, NOW).payout;
    assert.equal(
      step(ordered, looked({ state: 'unknown' }, 'no_route: own_invoice'), NOW + 1).payout.why,
      'no_route: own_invoice',
    );
  });

  for (const [name, event] of [
    ['unknown', unknown],
    ['failed', failed],
  ] as const) {
    test(`gets another invoice only when the last is ten minutes expired and its payment is ${name}`, () => {
      const late = { ...paying, dueAt: EXPIRES - 31 };
      assert.equal(step(late, event, EXPIRES - 31).order, true);
      const waiting = step(late, event, EXPIRES - 29);
      assert.deepEqual([waiting.order, waiting.payout.state, waiting.payout.dueAt], [false, 'paying', EXPIRES + 600]);
      assert.equal(step(waiting.payout, event, EXPIRES + 599).payout.state, 'paying');
      const { payout, order } = step(waiting.payout, event, EXPIRES + 600);
      assert.deepEqual([payout.state, order, payout.dueAt], ['owed', false, EXPIRES + 600]);
      assert.equal('bolt11' in payout, false);
    });
  }

  test('whose payment is under way long after its invoice has expired gets no other', () => {
    assert.equal(step({ ...paying, dueAt: EXPIRES }, pending, EXPIRES + 86_400).payout.state, 'paying');
  });

  test('is given up after twenty attempts and a month, and tried anew when the operator asks for it', () => {
    const month = NOW + 30 * 86_400;
    const none: PayoutEvent = { type: 'uninvoiced', why: 'unreachable' };
    const before = { ...owed, attempts: 19 };
    assert.equal(step(before, none, month - 1).payout.state, 'owed');
    assert.equal(step({ ...owed, attempts: 18 }, none, month).payout.state, 'owed');
    const { payout } = step(before, none, month);
    assert.deepEqual([payout.state, payout.attempts, payout.why], ['given_up', 20, 'unreachable']);
    assert.equal(isStuck(payout, month), false);
    for (const event of [invoiced, none, unknown, failed, pending, settled])
      assert.equal(step(payout, event, month + 1).payout, payout);
    const again = step(payout, { type: 'asked_again' }, month + 9).payout;
    assert.deepEqual([again.state, again.attempts, again.dueAt], ['owed', 0, month + 9]);
    assert.equal(step(again, none, month + 9).payout.state, 'owed');
  });

  test('is not given up while its invoice could still be paid', () => {
    const month = NOW + 30 * 86_400;
    const at = { ...paying, attempts: 20, dueAt: month, expiresAt: month } as Payout;
    assert.equal(step(at, pending, month + 700).payout.state, 'paying');
    assert.equal(step(at, failed, month + 599).payout.state, 'paying');
    const { payout } = step(at, failed, month + 600);
    assert.deepEqual([payout.state, 'bolt11' in payout], ['given_up', false]);
    assert.equal(step(at, settled, month + 600).payout.state, 'paid');
    assert.equal(step(at, { type: 'asked_again' }, month).payout, at);
  });

  test('is over when it is paid, and is not touched by what belongs to another state', () => {
    for (const event of [invoiced, unknown, failed, pending, settled])
      assert.equal(step(paid, event, NOW + 9).payout, paid);
    assert.equal(step(paying, invoiced, NOW).payout, paying);
    assert.equal(step(owed, failed, NOW).payout, owed);
  });

  test('is for a human after ten attempts or a day, until it is paid', () => {
    assert.equal(isStuck({ ...owed, attempts: 9 }, NOW + 86_399), false);
    assert.equal(isStuck({ ...owed, attempts: 10 }, NOW), true);
    assert.equal(isStuck(paying, NOW + 86_400), true);
    assert.equal(isStuck({ ...paid, attempts: 10 }, NOW + 86_400), false);
  });
});

/**
 * A node and a service as bad as they may be: orders are carried out, lost, or carried out by a process that stood still;
 * payments fail, hang and succeed; whoever pays is killed between any two steps. What must hold: no order leaves for an
 * invoice after another one was noted, unless the first can no longer be paid, and what is paid is paid once.
 */
type Deed = {
  wait: number;
  what: 'look' | 'crash before the order' | 'late order' | 'fails' | 'arrives' | 'no invoice';
};

const deeds = fc.array(
  fc.record({
    wait: fc.constantFrom(0, 1, 30, 60, 600, 3_000, 4_300, 30_000),
    what: fc.constantFrom('look', 'crash before the order', 'late order', 'fails', 'arrives', 'no invoice'),
  }),
  { maxLength: 60 },
) as fc.Arbitrary<Deed[]>;

class World {
  now = NOW;
  payout: Payout = owed;
  readonly sent = new Map<string, Payment>();
  readonly expiry = new Map<string, number>();
  /** Orders in the hand of a process that stands still. */
  late: string[] = [];

  /** As a node does: not when it is expired, and never a second time while the first is under way or has arrived. */
  order(hash: string): void {
    const before = this.sent.get(hash)?.state;
    if (this.now > (this.expiry.get(hash) ?? 0) || before === 'pending' || before === 'settled') return;
    this.sent.set(hash, { state: 'pending' });
  }

  end(payment: Payment): void {
    for (const [hash, { state }] of this.sent) if (state === 'pending') this.sent.set(hash, payment);
  }

  look(what: Deed['what']): void {
    const { payout: after, order } = step(this.payout, this.#event(what), this.now);
    this.payout = after;
    if (!order || after.state !== 'paying') return;
    if (what === 'crash before the order') this.late.push(after.paymentHash);
    else this.order(after.paymentHash);
  }

  #event(what: Deed['what']): PayoutEvent {
    if (this.payout.state === 'paying') return looked(this.sent.get(this.payout.paymentHash) ?? { state: 'unknown' });
    if (what === 'no invoice') return { type: 'uninvoiced', why: 'unreachable' };
    const paymentHash = `${this.expiry.size}`;
    const expiresAt = this.now + 3_600;
    if (this.payout.state === 'owed' && this.now >= this.payout.dueAt) this.expiry.set(paymentHash, expiresAt);
    return { type: 'invoiced', bolt11: '', paymentHash, expiresAt };
  }

  run({ wait, what }: Deed): void {
    this.now += wait;
    if (what === 'late order') this.late.forEach((hash) => this.order(hash));
    if (what === 'fails') this.end({ state: 'failed', reason: 'no_route' });
    if (what === 'arrives') this.end({ state: 'settled', preimage: PREIMAGE, feeMsat: 0n });
    this.look(what);
  }

  get arrived(): number {
    return [...this.sent.values()].filter(({ state }) => state === 'settled').length;
  }
}

test('whatever comes in whatever order, and whoever is killed when, a payout is paid once at most, and known as paid when it is', () => {
  fc.assert(
    fc.property(deeds, (all) => {
      const world = new World();
      for (const deed of all) {
        world.run(deed);
        const underWay = [...world.sent.values()].filter(
          ({ state }) => state === 'pending' || state === 'settled',
        ).length;
        assert.ok(underWay <= 1, `${underWay} payments at ${world.now}`);
      }
      // Left alone with a service and a node that do their part it ends, and is paid once.
      for (let rounds = 0; rounds < 10 && world.payout.state !== 'paid'; rounds += 1) {
        world.run({ wait: 30_000, what: 'look' });
        world.run({ wait: 0, what: 'look' });
        world.run({ wait: 0, what: 'arrives' });
      }
      assert.deepEqual([world.payout.state, world.arrived], ['paid', 1]);
    }),
    { numRuns: 2_000 },
  );
});
