import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemoryChain, memoryChain } from 'sparkle-protocol/chain/memory';
import type { Chain } from 'sparkle-protocol/chain/chain';
import { Hands, type OrdinalsBench } from 'sparkle-protocol/ordinals/ordinals.suite';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { verifySatProof } from 'sparkle-protocol/protocol/satproof';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { SatProofs, type Way } from './sat-proofs.ts';

const text = (body: string) => ({ body: new TextEncoder().encode(body), contentType: 'text/plain' });

/** A clock that rings when it is told to. */
class Bell implements Clock {
  readonly #rings = new Set<() => void>();

  nowSeconds = (): number => 0;
  randomBytes = (length: number): Uint8Array => new Uint8Array(length);
  every = (_milliseconds: number, run: () => void): (() => void) => {
    this.#rings.add(run);
    return () => void this.#rings.delete(run);
  };
  ring(): void {
    for (const run of this.#rings) run();
  }
}

function handsOn(chain: MemoryChain): Hands {
  const bench = {
    ...{ chain, blocks: chain, network: 'regtest', sees: 'mempool' },
    mine: async (blocks: number) => chain.control.mine(blocks),
    mineExactly: async (raws: string[]) => chain.control.mineExactly(raws),
    pay: async (payment: { script: string; sats: bigint }) => chain.control.pay(payment),
  };
  return new Hands(bench as unknown as OrdinalsBench);
}

/** An inscription that has moved twice before it was locked. */
async function moved(chain: MemoryChain): Promise<Way> {
  const hands = handsOn(chain);
  const { txid, coins } = await hands.reveal([text('moved')], [10_000n]);
  const first = await hands.move([...coins, await hands.cardinal(20_000n)], [10_000n, 19_000n]);
  const second = await hands.move(first.coins.slice(0, 1), [9_500n]);
  const padding = await hands.cardinal(1_000n);
  const last = hands.build(
    [padding, ...second.coins],
    [{ script: `5120${'79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}`, sats: 10_000n }],
  );
  const from = `${second.txid}:0:0`;
  return { inscriptionId: `${txid}i0`, lastRaw: last.raw, lastTxid: last.txid, from };
}

const open = (): MemoryChain => memoryChain({ network: 'regtest', seed: 4, nowSeconds: () => 1_750_000_000 });

test('the whole way is shown, from the reveal into a lock that no block holds yet', async () => {
  const chain = open();
  const way = await moved(chain);
  const proof = await new SatProofs({ chain, clock: new Bell() }).of(way);
  assert.ok(proof !== undefined);
  assert.deepEqual([proof.from, verifySatProof(proof)], [undefined, `${way.lastTxid}:0:1000`]);
});

test('it is found once, however often it is asked for', async () => {
  const chain = open();
  const way = await moved(chain);
  let asked = 0;
  const counting: Chain = { ...chain, spender: (...of) => ((asked += 1), chain.spender(...of)) };
  const proofs = new SatProofs({ chain: counting, clock: new Bell() });
  const [one, other] = await Promise.all([proofs.of(way), proofs.of(way)]);
  assert.deepEqual([one, asked], [other, 2]);
});

test('while the way is not found yet its last step is shown, and all of it afterwards', async () => {
  const chain = open();
  const way = await moved(chain);
  let answer = (): void => {};
  const found = new Promise<void>((resolve) => (answer = resolve));
  const slow: Chain = { ...chain, spender: async (...of) => (await found, chain.spender(...of)) };
  const bell = new Bell();
  const proofs = new SatProofs({ chain: slow, clock: bell });
  const asked = proofs.of(way);
  await new Promise((resolve) => setImmediate(resolve));
  bell.ring();
  const step = await asked;
  assert.ok(step !== undefined);
  assert.deepEqual([step.from, verifySatProof(step)], [way.from, `${way.lastTxid}:0:1000`]);
  answer();
  assert.equal((await proofs.of(way))?.from, undefined);
});

test('where the chain cannot show the way, its last step is; where it cannot show even that, nothing, until it can', async () => {
  const chain = open();
  const way = await moved(chain);
  const away = () => Promise.reject(new SparkleError('chain_unavailable', 'the node must answer; it does not'));
  const blind: Chain = { ...chain, spender: away };
  assert.equal((await new SatProofs({ chain: blind, clock: new Bell() }).of(way))?.from, way.from);
  const silent: Chain = { ...chain, transaction: away };
  const proofs = new SatProofs({ chain: silent, clock: new Bell() });
  assert.equal(await proofs.of(way), undefined);
  silent.transaction = chain.transaction;
  assert.equal((await proofs.of(way))?.from, undefined);
});
