import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryChain } from './memory.ts';
import { ownScript } from './suite-keys.ts';

const START_SECONDS = 1_750_000_000;

test('a copy has the same past and a future of its own', async () => {
  const chain = memoryChain({ network: 'regtest', seed: 1, nowSeconds: () => START_SECONDS });
  const outpoint = chain.control.pay({ script: ownScript, sats: 10_000n });
  chain.control.mine(1);
  const copy = chain.control.copy({ nowSeconds: () => START_SECONDS + 700 });
  assert.deepEqual(await copy.tip(), await chain.tip());
  assert.deepEqual(await copy.unspent(outpoint), await chain.unspent(outpoint));

  copy.control.reorg({ depth: 1, mempool: 'dropped' });
  assert.equal(await copy.unspent(outpoint), undefined);
  assert.equal((await chain.unspent(outpoint))?.valueSats, 10_000n);
  assert.equal((await copy.tip()).height, (await chain.tip()).height + 1);
  assert.equal((await copy.tip()).timeSeconds, START_SECONDS + 700);
});

test('what waits in the mempool and who listens stay behind', async () => {
  const chain = memoryChain({ network: 'regtest', seed: 1, nowSeconds: () => START_SECONDS });
  const told: string[] = [];
  chain.subscribe(({ type }) => told.push(type));
  await Promise.resolve();
  chain.control.pay({ script: ownScript, sats: 10_000n });
  const before = told.length;
  const copy = chain.control.copy({ nowSeconds: () => START_SECONDS });
  assert.deepEqual(copy.control.mempool(), []);
  copy.control.mine(1);
  assert.equal(told.length, before);
});
