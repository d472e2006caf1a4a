import { makeSatProof, verifySatProof } from 'sparkle-protocol/protocol/satproof';
import { spread } from './percentiles.ts';
import { chainOfHops } from './hops.ts';

const HOPS = 50;
const ROUNDS = 50;

/** Milliseconds to verify that an inscription went where the seller says, over 50 transfers with raw transactions alone. */
export function benchProof() {
  const proof = makeSatProof(chainOfHops(HOPS));
  const samples = Array.from({ length: ROUNDS }, () => {
    const started = performance.now();
    verifySatProof(proof);
    return performance.now() - started;
  });
  const bytes = proof.transactions.reduce((sum, raw) => sum + raw.length / 2, 0);
  return { hops: HOPS, transactions: proof.transactions.length, bytes, milliseconds: spread(samples) };
}
