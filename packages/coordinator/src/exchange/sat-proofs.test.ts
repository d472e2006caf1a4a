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

/** A clock whose time passes when it is told to, and that rings for what is due by then. */
class HandClock implements Clock {
  readonly #rings = new Set<{ due: number; milliseconds: number; run: () => void }>();
  #now = 0;

  nowSeconds = (): number => this.#now / 1000;
  randomBytes = (length: number): Uint8Array => new Uint8Array(length);
  every = (milliseconds: number, run: () => void): (() => void) => {
    const ring = { due: this.#now + milliseconds, milliseconds, run };
    this.#rings.add(ring);
    return () => void this.#rings.delete(ring);
  };
  pass(milliseconds: number): void {
    this.#now += milliseconds;
    for (const ring of this.#rings)
      if (ring.due <= this.#now) {
        ring.due += ring.milliseconds;
        ring.run();
      }
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const WAIT = 5_000;
const SEARCH = 15 * 60_000;

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
  const proof = await new SatProofs({ chain, clock: new HandClock() }).of(way);
  assert.ok(proof !== undefined);
  assert.deepEqual([proof.from, verifySatProof(proof)], [undefined, `${way.lastTxid}:0:1000`]);
});

test('it is found once, however often it is asked for', async () => {
  const chain = open();
  const way = await moved(chain);
  let asked = 0;
  const counting: Chain = { ...chain, spender: (...of) => ((asked += 1), chain.spender(...of)) };
  const proofs = new SatProofs({ chain: counting, clock: new HandClock() });
  const [one, other] = await Promise.all([proofs.of(way), proofs.of(way)]);
  assert.deepEqual([one, asked], [other, 2]);
});

test('while the way is not found yet its last step is shown, and all of it afterwards', async () => {
  const chain = open();
  const way = await moved(chain);
  let answer = (): void => {};
  const found = new Promise<void>((resolve) => (answer = resolve));
  const slow: Chain = { ...chain, spender: async (...of) => (await found, chain.spender(...of)) };
  const clock = new HandClock();
  const proofs = new SatProofs({ chain: slow, clock });
  const asked = proofs.of(way);
  await settled();
  clock.pass(WAIT);
  const step = await asked;
  assert.ok(step !== undefined);
  assert.deepEqual([step.from, verifySatProof(step)], [way.from, `${way.lastTxid}:0:1000`]);
  answer();
  assert.equal((await proofs.of(way))?.from, undefined);
});

/** Proofs over a chain without an index of spends: it searches until it is told to end, or to answer. */
async function searching() {
  const chain = open();
  const way = await moved(chain);
  const state = { asked: 0, running: 0, answer: false };
  const spender: Chain['spender'] = async (outpoint, fromHeight, signal) => {
    state.asked += 1;
    state.running += 1;
    try {
      while (!state.answer) {
        signal?.throwIfAborted();
        await settled();
      }
      return await chain.spender(outpoint, fromHeight);
    } finally {
      state.running -= 1;
    }
  };
  const clock = new HandClock();
  return { way, state, clock, proofs: new SatProofs({ chain: { ...chain, spender }, clock }) };
}

/** The same way as if it led into three locks. */
const three = (way: Way): [Way, Way, Way] => {
  const into = (digit: string): Way => ({ ...way, lastTxid: digit.repeat(64) });
  return [into('0'), into('1'), into('2')];
};

/** What is shown to who waits as long as one waits. */
async function shownAfterWait(proofs: SatProofs, clock: HandClock, ways: Way[]) {
  const asked = ways.map((way) => proofs.of(way));
  await settled();
  clock.pass(WAIT);
  return Promise.all(asked);
}

test('searches are few at a time: who finds no place is shown the last step, and has his turn when one is free', async () => {
  const { way, state, clock, proofs } = await searching();
  const [a, b, c] = three(way);
  const shown = await shownAfterWait(proofs, clock, [a, b, c, a, b, c]);
  assert.deepEqual([shown.map((proof) => proof?.from), state.running], [shown.map(() => way.from), 2]);
  state.answer = true;
  assert.deepEqual([(await proofs.of(a))?.from, (await proofs.of(b))?.from], [undefined, undefined]);
  assert.equal((await proofs.of(c))?.from, undefined);
  await proofs.close();
});

test('a search that takes too long ends, rests, and leaves its place to another', async () => {
  const { way, state, clock, proofs } = await searching();
  const [a, b, c] = three(way);
  await shownAfterWait(proofs, clock, [a, b]);
  clock.pass(SEARCH);
  await settled();
  await settled();
  assert.deepEqual([state.asked, state.running], [2, 0]);
  await shownAfterWait(proofs, clock, [a, c]);
  assert.deepEqual([state.asked, state.running], [3, 1]);
  clock.pass(SEARCH);
  await settled();
  await shownAfterWait(proofs, clock, [a]);
  assert.deepEqual([state.asked, state.running], [4, 1]);
  await proofs.close();
});

test('when the service closes its searches end', async () => {
  const { way, state, clock, proofs } = await searching();
  await shownAfterWait(proofs, clock, [way]);
  assert.equal(state.running, 1);
  await proofs.close();
  assert.equal(state.running, 0);
});

test('where the chain cannot show the way, its last step is; where it cannot show even that, nothing, until it can', async () => {
  const chain = open();
  const way = await moved(chain);
  const away = () => Promise.reject(new SparkleError('chain_unavailable', 'the node must answer; it does not'));
  const blind: Chain = { ...chain, spender: away };
  assert.equal((await new SatProofs({ chain: blind, clock: new HandClock() }).of(way))?.from, way.from);
  const silent: Chain = { ...chain, transaction: away };
  const proofs = new SatProofs({ chain: silent, clock: new HandClock() });
  assert.equal(await proofs.of(way), undefined);
  silent.transaction = chain.transaction;
  assert.equal((await proofs.of(way))?.from, undefined);
});
