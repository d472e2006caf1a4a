import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import type { LockTerms } from 'sparkle-protocol/protocol/lock';
import { lockSpendVsize, publicKeyOf, type SpendPath } from 'sparkle-protocol/protocol/spend';

const preimage = '11'.repeat(32);
const claimSecret = new Uint8Array(32).fill(7);
const P2TR = `5120${'79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}`;

const v1 = {
  script: 'v1',
  internalKey: 'musig',
  paymentHash: hex.encode(sha256(hex.decode(preimage))),
  claimKey: publicKeyOf(claimSecret) ?? '',
  refundKey: publicKeyOf(new Uint8Array(32).fill(9)) ?? '',
  refundHeight: 900_144,
  network: 'regtest',
} as const;
const sip3 = { ...v1, script: 'sip3', internalKey: 'nums' } as const;

const sizes: [name: string, terms: LockTerms, path: SpendPath][] = [
  ['key path', v1, 'key'],
  ['sip3 claim', sip3, 'claim'],
  ['v1 claim', v1, 'claim'],
  ['refund', v1, 'refund'],
];

function claimsPerSecond(terms: LockTerms): number {
  const request = {
    ...{ terms: { ...terms, postageSats: 10_000n, reserveSats: 3_000n, offsetSats: 0n }, preimage, claimSecret },
    ...{ feerateSatVb: 5, maxFeeSats: 3_000n, auxRand: new Uint8Array(32) },
    destination: 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm',
  };
  const build = (index: number) => buildClaim({ ...request, lockOutpoint: `${'aa'.repeat(32)}:${index}` });
  const count = 50;
  for (let warm = 0; warm < 10; warm += 1) build(warm);
  const started = performance.now();
  for (let index = 0; index < count; index += 1) build(index);
  return Math.round((count * 1000) / (performance.now() - started));
}

/** What spending a lock costs: exact sizes to a P2TR output, and claims built, signed and checked per second on one core. */
export function benchSpend() {
  return {
    vsize: Object.fromEntries(
      sizes.map(([name, terms, path]) => [name, lockSpendVsize({ terms, path, destinationScript: P2TR })]),
    ),
    claimsPerSecond: { sip3: claimsPerSecond(sip3), v1: claimsPerSecond(v1) },
  };
}
