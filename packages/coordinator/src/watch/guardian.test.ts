import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  absent,
  after,
  HEIGHT,
  held,
  holdBuyer,
  holdSeller,
  lockBuyer,
  lockSeller,
  lockTerms,
  looked,
  R,
} from 'sparkle-protocol/protocol/trade/fixtures.suite';
import { forwarder, incoming } from 'sparkle-protocol/protocol/trade/forward.suite';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { silentLog } from 'sparkle-protocol/trader/log';
import { type Alarm, blocksToDeadline, Guardian } from './guardian.ts';
import { nextDeadline, urgencyOf } from './guardian-deadline.ts';

const E = held.expiryHeight;
const refunding = after(holdSeller.locked, looked(R, { invoice: held, lock: { state: 'unspent', confirmations: 90 } }));
const aborting = after(holdSeller.locking, looked(HEIGHT + 12, { invoice: held, lock: absent }));
const ended = { ...holdSeller.quoting, state: 'ended', outcome: 'canceled', codes: [] } as Trade;

const CASES: readonly [Trade, number, string][] = [
  [holdSeller.quoting, HEIGHT + 12, 'payment accepted'],
  [holdSeller.invoiced, HEIGHT + 12, 'payment accepted'],
  [holdSeller.building, HEIGHT + 12, 'lock sent'],
  [holdSeller.locking, HEIGHT + 12, 'lock confirmed'],
  [holdSeller.locked, R, 'claim or refund'],
  [aborting, E - 24, 'spend back buried'],
  [refunding, E - 24, 'refund buried'],
  [lockSeller.building, lockTerms.refundHeight - 288, 'lock confirmed'],
  [lockSeller.invoicing, lockTerms.refundHeight - 287, 'invoice canceled'],
  [lockSeller.invoiced, lockTerms.refundHeight - 287, 'invoice canceled'],
  [holdBuyer.paying, R - 36, 'preimage shown'],
  [holdBuyer.claiming, R - 36, 'preimage shown'],
  [{ ...holdBuyer.claimed, revealed: true } as Trade, R, 'claim confirmed'],
  [lockBuyer.verifying, lockTerms.refundHeight - 288, 'payment started'],
  [forwarder.quoting, HEIGHT + 12, 'payment accepted'],
  [forwarder.invoiced, HEIGHT + 12, 'payment accepted'],
  [forwarder.paying, incoming.expiryHeight - 80, 'payment passed on'],
  [forwarder.announced, incoming.expiryHeight - 80, 'payment passed on'],
  [forwarder.unsent, incoming.expiryHeight - 80, 'payment passed on'],
  [forwarder.returning, incoming.expiryHeight - 80, 'payment passed on'],
  [forwarder.settling, incoming.expiryHeight - 24, 'payment settled'],
  [lockBuyer.claiming, lockTerms.refundHeight, 'claim confirmed'],
];

for (const [trade, height, what] of CASES)
  test(`the next deadline of a ${trade.mode} ${trade.role} in ${trade.state} is for: ${what}`, () => {
    assert.deepEqual(nextDeadline(trade), { height, what });
    assert.equal(urgencyOf(trade, height - 73), 'none');
  });

for (const trade of [ended, forwarder.asking, holdBuyer.requested, lockBuyer.requested])
  test(`a ${trade.role} in ${trade.state} has no deadline and needs nobody`, () => {
    assert.equal(nextDeadline(trade), undefined);
    assert.equal(urgencyOf(trade, 499_999_999), 'none');
  });

test('a trade that keeps its deadlines never needs anybody', () => {
  for (let height = HEIGHT; height <= R; height += 1) assert.equal(urgencyOf(holdSeller.locked, height), 'none');
  for (let height = R; height < E - 48; height += 1) assert.equal(urgencyOf(refunding, height), 'none');
});

test('before a held payment expires a human is told at twice the margin and called at once', () => {
  const levels = [E - 49, E - 48, E - 25, E - 24, E + 100].map((height) => urgencyOf(refunding, height));
  assert.deepEqual(levels, ['none', 'alert', 'alert', 'page', 'page']);
});

test('a payment that was passed on needs a human when it has not ended in time, and calls one before what is held expires', () => {
  const { expiryHeight } = incoming;
  const heights = [expiryHeight - 80, expiryHeight - 79, expiryHeight - 25, expiryHeight - 24];
  const levels = heights.map((height) => urgencyOf(forwarder.announced, height));
  assert.deepEqual(levels, ['none', 'alert', 'alert', 'page']);
});

test('a claim that was shown needs a human before the refund opens', () => {
  const shown = { ...holdBuyer.claimed, revealed: true } as Trade;
  const levels = [R - 73, R - 72, R - 37, R - 36, R + 1].map((height) => urgencyOf(shown, height));
  assert.deepEqual(levels, ['none', 'alert', 'alert', 'page', 'page']);
});

test('a machine that lets its own deadline pass is told of, and called for once money is at stake', () => {
  assert.equal(urgencyOf(holdSeller.invoiced, HEIGHT + 12), 'none');
  assert.equal(urgencyOf(holdSeller.invoiced, HEIGHT + 13), 'alert');
  assert.equal(urgencyOf(holdSeller.invoiced, HEIGHT + 5000), 'alert');
  assert.equal(urgencyOf(holdSeller.locked, R + 1), 'alert');
  assert.equal(urgencyOf(holdSeller.locked, E - 24), 'page');
});

test('the fewest blocks left are counted over all trades', () => {
  assert.equal(blocksToDeadline([holdSeller.locked, holdSeller.invoiced, ended], HEIGHT), 12);
  assert.equal(blocksToDeadline([holdSeller.invoiced], HEIGHT + 20), -8);
  assert.equal(blocksToDeadline([ended], HEIGHT), undefined);
});

function watch(trades: readonly Trade[]) {
  const world = { height: HEIGHT as number | Error, now: 1_800_000_000, trades, block: () => {}, minute: () => {} };
  const alarms: Alarm[] = [];
  const refusals: Error[] = [];
  const guardian = new Guardian({
    tipHeight: async () => {
      if (world.height instanceof Error) throw world.height;
      return world.height;
    },
    liveTrades: async () => world.trades,
    onBlock: (run) => {
      world.block = run;
      return () => (world.block = () => {});
    },
    clock: {
      nowSeconds: () => world.now,
      every: (milliseconds, run) => {
        assert.equal(milliseconds, 60_000);
        world.minute = run;
        return () => (world.minute = () => {});
      },
    },
    log: silentLog,
    raise: async (alarm) => {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      alarms.push(alarm);
    },
  });
  const at = async (height: number | Error) => {
    world.height = height;
    await guardian.look();
    return alarms.splice(0).map(({ level, code }) => `${level} ${code}`);
  };
  return { world, alarms, refusals, guardian, at };
}

test('the guardian tells once and calls once for each trade and deadline', async () => {
  const { at, world } = watch([refunding]);
  assert.deepEqual(await at(E - 49), []);
  assert.deepEqual(await at(E - 48), ['alert deadline_near']);
  assert.deepEqual(await at(E - 47), []);
  assert.deepEqual(await at(E - 24), ['page deadline_near']);
  assert.deepEqual(await at(E - 23), []);
  world.trades = [];
  assert.deepEqual(await at(E - 22), []);
  world.trades = [refunding];
  assert.deepEqual(await at(E - 21), ['page deadline_near'], 'a trade that came back is new');
});

test('an alarm names the trade, what is due and when', async () => {
  const { guardian, world, alarms } = watch([refunding]);
  world.height = E - 24;
  await guardian.look();
  assert.deepEqual(alarms, [
    {
      level: 'page',
      code: 'deadline_near',
      tradeId: refunding.tradeId,
      height: E - 24,
      sentence: `trade ${refunding.tradeId} (seller, refunding): refund buried is due at height ${E - 24}; the height is ${E - 24}`,
    },
  ]);
});

test('an alarm that reached nobody is raised again', async () => {
  const { at, refusals } = watch([refunding]);
  refusals.push(new Error('no way out'));
  assert.deepEqual(await at(E - 48), []);
  assert.deepEqual(await at(E - 48), ['alert deadline_near']);
});

test('a trade that cannot be read hides the deadlines of no other, at this look and at the next', async () => {
  const unread = { ...holdSeller.invoiced, tradeId: 'unread', terms: undefined } as unknown as Trade;
  const { at } = watch([unread, refunding]);
  assert.deepEqual(await at(E - 48), ['alert deadline_near']);
  assert.deepEqual(await at(E - 24), ['page deadline_near']);
});

test('a guardian that has seen nothing for ten minutes says so, after thirty it calls, and then it begins anew', async () => {
  const { at, world } = watch([]);
  const away = new Error('connection refused');
  assert.deepEqual(await at(HEIGHT), []);
  const after_ = async (seconds: number) => {
    world.now += seconds;
    return at(away);
  };
  assert.deepEqual(await after_(599), []);
  assert.deepEqual(await after_(1), ['alert chain_unavailable']);
  assert.deepEqual(await after_(600), []);
  assert.deepEqual(await after_(600), ['page chain_unavailable']);
  assert.deepEqual(await after_(600), []);
  assert.deepEqual(await at(HEIGHT), []);
  assert.deepEqual(await after_(600), ['alert chain_unavailable']);
});

test('it looks at the start, at each block and each minute, and not after its end', async () => {
  const { world, guardian } = watch([]);
  let looks = 0;
  const looking = guardian.look.bind(guardian);
  guardian.look = () => {
    looks += 1;
    return looking();
  };
  const stop = guardian.start();
  world.block();
  world.minute();
  assert.equal(looks, 3);
  stop();
  world.block();
  world.minute();
  assert.equal(looks, 3);
  await guardian.look();
});

test('many blocks at once are looked at by one look after the one that is under way', async () => {
  const { guardian, world } = watch([]);
  let asked = 0;
  Object.defineProperty(world, 'trades', { get: () => ((asked += 1), []) });
  await Promise.all([guardian.look(), guardian.look(), guardian.look(), guardian.look()]);
  assert.ok(asked <= 2, `${asked}`);
});
