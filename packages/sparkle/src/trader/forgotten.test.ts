import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Trade } from '../protocol/trade/step.ts';
import { type MemoryDisk, memoryDisk, memoryStore } from '../store/memory.ts';
import { outcomeOf, play, settle, type Stage, stage } from './parts.suite.ts';
import { Trader } from './trader.ts';

type State = Trade['state'];

function hashOf(trade: Trade | undefined): string {
  assert.ok(trade?.role === 'seller');
  return trade.terms.paymentHash;
}

/** A sale whose lock is on the chain, and the store as it was when the trade left `since` for its next state. */
async function soldSince(since: State, on: Stage): Promise<{ copy: MemoryDisk; tradeId: string; buyer: Trader }> {
  const disk = memoryDisk();
  const store = memoryStore(disk);
  let copy: MemoryDisk | undefined;
  const update: typeof store.update = async (tradeId, change) => {
    const before = structuredClone(disk);
    const was = (await store.load(tradeId))?.state;
    const result = await store.update(tradeId, change);
    if (was === since && (await store.load(tradeId))?.state !== since) copy ??= before;
    return result;
  };
  const seller = new Trader({ ...on.parts.seller, store: { ...store, update } });
  const buyer = new Trader(on.parts.buyer);
  await seller.start();
  await buyer.start();
  await seller.sell(on.offer);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  const isLocked = async () => ['locking', 'locked'].includes((await seller.trade(tradeId))?.state ?? '');
  await play(on, [seller, buyer], isLocked);
  await seller.stop();
  if (copy === undefined) throw new Error(`the trade was never ${since}`);
  return { copy, tradeId, buyer };
}

for (const since of ['invoiced', 'building'] as const)
  test(`a seller whose store is a copy from when the trade was ${since} finds its lock, and is paid`, async () => {
    const on = await stage();
    const before = on.nodes.seller.balanceMsat();
    const { copy, tradeId, buyer } = await soldSince(since, on);
    const restored = new Trader({ ...on.parts.seller, store: memoryStore(copy) });
    assert.equal((await restored.trade(tradeId))?.state, since);
    await restored.start();
    await play(on, [restored, buyer], async () => (await outcomeOf(restored, tradeId)) !== undefined);
    assert.equal(await outcomeOf(restored, tradeId), 'traded');
    assert.equal(on.nodes.seller.balanceMsat() - before, 90_000_000n);
  });

const calledOff: [how: string, callOff: (on: Stage, restored: Trader, tradeId: string) => Promise<void>][] = [
  // So late that no lock would be begun any more.
  ['comes back too late to lock', async (on) => on.mine(40)],
  ['calls the sale off first', (_on, restored, tradeId) => restored.abort(tradeId, 'test')],
];

for (const [how, callOff] of calledOff)
  test(`a seller whose store is a copy from before the lock, and who ${how}, gives nothing back: he finds the lock, and is paid`, async () => {
    const on = await stage();
    const before = on.nodes.seller.balanceMsat();
    const { copy, tradeId, buyer } = await soldSince('invoiced', on);
    await buyer.stop();
    const restored = new Trader({ ...on.parts.seller, store: memoryStore(copy) });
    await callOff(on, restored, tradeId);
    await restored.start();
    await settle([restored]);
    assert.equal((await restored.trade(tradeId))?.state, 'locked');
    await buyer.start();
    await play(on, [restored, buyer], async () => (await outcomeOf(restored, tradeId)) !== undefined);
    assert.equal(await outcomeOf(restored, tradeId), 'traded');
    assert.equal(on.nodes.seller.balanceMsat() - before, 90_000_000n);
  });

test('a lock that was found and that nobody claims is taken back at the refund height, and then the payment returns', async () => {
  const on = await stage();
  const { copy, tradeId, buyer } = await soldSince('invoiced', on);
  await buyer.stop();
  on.mine(40);
  const restored = new Trader({ ...on.parts.seller, store: memoryStore(copy) });
  await restored.start();
  await play(on, [restored], async () => (await outcomeOf(restored, tradeId)) !== undefined);
  assert.equal(await outcomeOf(restored, tradeId), 'refunded');
  assert.equal((await on.nodes.seller.lightning.invoice(hashOf(await restored.trade(tradeId)))).state, 'canceled');
});

test('beside a lock whose payment is not held any more nothing is given back: the operator is called', async () => {
  const on = await stage();
  const { copy, tradeId, buyer } = await soldSince('invoiced', on);
  await buyer.stop();
  on.mine(40);
  const said: Record<string, unknown>[] = [];
  const log = { ...on.parts.seller.log, error: (fields: Record<string, unknown>) => void said.push(fields) };
  const lightning = { ...on.parts.seller.lightning, invoice: async () => ({ state: 'open' }) as const };
  const restored = new Trader({ ...on.parts.seller, log, lightning, store: memoryStore(copy) });
  await restored.start();
  await settle([restored]);
  const trade = await restored.trade(tradeId);
  assert.equal(trade?.state, 'canceling');
  assert.deepEqual(
    said.filter(({ code }) => code === 'lock_forgotten').map(({ level, tradeId: id }) => [level, id])[0],
    ['page', tradeId],
  );
  assert.equal((await on.nodes.seller.lightning.invoice(hashOf(trade))).state, 'held');
});
