import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDraft, type Output, txidOf } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import { buildLock } from '../protocol/lock.ts';
import { holdTerms, sourceOutpoint } from '../protocol/trade/fixtures.suite.ts';
import type { Trade } from '../protocol/trade/step.ts';
import { type MemoryDisk, memoryDisk, memoryStore } from '../store/memory.ts';
import { lockValueSats } from '../protocol/trade/terms.ts';
import { forgottenLock } from './forgotten.ts';
import { outcomeOf, play, settle, type Stage, stage } from './parts.suite.ts';
import { Trader } from './trader.ts';

type State = Trade['state'];

const walletScript = `5120${'07'.repeat(32)}`;
const coin = { outpoint: `${'cc'.repeat(32)}:0`, valueSats: 0n, script: '', sequence: 0, witness: [] };

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
    assert.match((await restored.trade(tradeId))?.state ?? '', /^lock(ing|ed)$/);
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

test('a second order to give the payment back, left from when the chain was away, does not when the first has found the lock', async () => {
  const on = await stage();
  const { copy, tradeId, buyer } = await soldSince('invoiced', on);
  await buyer.stop();
  on.mine(40);
  let isAway = true;
  const { chain } = on.parts.seller;
  const spender: typeof chain.spender = async (...of) => {
    if (isAway) throw new SparkleError('chain_unavailable', 'the node must answer; it does not');
    return chain.spender(...of);
  };
  const store = memoryStore(copy);
  const restored = new Trader({ ...on.parts.seller, chain: { ...chain, spender }, store });
  await restored.start();
  for (let blocks = 0; blocks < 2; blocks += 1) {
    on.mine(1);
    await restored.look();
    await settle([restored]);
  }
  const orders = (await store.due(tradeId)).filter(({ effect }) => effect.do === 'cancel_invoice');
  assert.ok(orders.length > 1, `${orders.length} orders`);
  isAway = false;
  await play(on, [restored], async () => (await store.due(tradeId)).length === 0);
  const trade = await restored.trade(tradeId);
  assert.match(trade?.state ?? '', /^lock(ing|ed)$/);
  assert.equal((await on.nodes.seller.lightning.invoice(hashOf(trade))).state, 'held');
});

test('a payment to the script of the lock that takes the inscription elsewhere is no lock', async () => {
  const source = { outpoint: sourceOutpoint, valueSats: 10_000n, script: walletScript };
  const lock = { script: buildLock(holdTerms).script, valueSats: lockValueSats(holdTerms) };
  const inputs = [source, { outpoint: `${'bb'.repeat(32)}:0`, valueSats: 90_000n, script: walletScript }];
  const parents = new Map(
    inputs.map(({ outpoint, ...output }) => [
      outpoint.slice(0, 64),
      encodeDraft({ lockHeight: 0, inputs: [coin], outputs: [output] }),
    ]),
  );
  const found = (outputs: readonly Output[]) => {
    const raw = encodeDraft({
      lockHeight: 0,
      inputs: inputs.map((input) => ({ ...input, sequence: 0, witness: [] })),
      outputs,
    });
    const chain = {
      unspent: async () => undefined,
      spender: async () => ({ txid: txidOf(raw), raw }),
      transaction: async (txid: string) => ({ txid, raw: parents.get(txid) ?? '' }),
    };
    return forgottenLock({ chain }, { terms: holdTerms, sourceOutpoint });
  };
  const elsewhere = { script: walletScript, valueSats: 10_000n };
  assert.equal((await found([lock, elsewhere]))?.vout, 0);
  assert.equal(await found([elsewhere, lock]), undefined);
});
