import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { SparkleError, type ErrorCode } from '../protocol/errors.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { Chain } from './chain.ts';
import { ownScript, spendOwn } from './suite-keys.ts';

/** A chain under test and the hands that move it. */
export type ChainBench = {
  chain: Chain;
  network: NetworkName;
  /** Mines blocks; the first takes all of the mempool. */
  mine(blocks: number): Promise<void>;
  /** Replaces the last `depth` blocks by `depth + 1` others; their transactions wait in the mempool or confirm again. */
  reorg(options: { depth: number; mempool: 'mined' | 'waiting' }): Promise<void>;
  /** An unconfirmed payment from somebody with coins. Returns the outpoint. */
  pay(options: { script: string; sats: bigint }): Promise<string>;
  /** Takes the source away and brings it back, where that can be done. */
  outage?: { down(): Promise<void>; up(): Promise<void> };
  stop(): Promise<void>;
};

export const NOBODY = 'f'.repeat(64);
export const SATS = 100_000n;
const PATIENCE_MILLISECONDS = 20_000;

export const refusedWith =
  (code: ErrorCode) =>
  (error: unknown): true => {
    assert.ok(error instanceof SparkleError, `a SparkleError was expected; got ${String(error)}`);
    assert.equal(error.code, code);
    return true;
  };

/** Waits until `look` answers with something, as sources that are told about changes later need it. */
export async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  const deadline = performance.now() + PATIENCE_MILLISECONDS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`not seen in time: ${look.toString()}`);
    await wait(20);
  }
}

export type Hands = { bench: () => ChainBench; chain: () => Chain };

export const toOwn = (sats: bigint) => [{ script: ownScript, sats }];

/** A confirmed output of `SATS` that the suite can spend, and the height of its block. */
export async function confirmedCoin({ bench, chain }: Hands): Promise<{ outpoint: string; height: number }> {
  const outpoint = await bench().pay({ script: ownScript, sats: SATS });
  await bench().mine(1);
  const found = await chain().transaction(outpoint.slice(0, 64));
  assert.ok(found?.block !== undefined);
  return { outpoint, height: found.block.height };
}

export const spendWithFee = (outpoint: string, feeSats: bigint) =>
  spendOwn({ inputs: [{ outpoint, sats: SATS }], outputs: toOwn(SATS - feeSats) });
