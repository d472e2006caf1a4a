import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { buildClaim, presignClaim } from '../protocol/claim.ts';
import { withWitness } from '../protocol/draft.ts';
import { buildLock } from '../protocol/lock.ts';
import { buildRefund } from '../protocol/refund.ts';
import { claimWitness, findPreimage, publicKeyOf, type SpendTerms } from '../protocol/spend.ts';
import { memoryChain, type MemoryChain } from './memory.ts';
import { refusedWith } from './suite-hands.ts';
import { addressOf, ownScript } from './suite-keys.ts';

const claimSecret = new Uint8Array(32).fill(7);
const refundSecret = new Uint8Array(32).fill(9);
const auxRand = new Uint8Array(32);
const preimage = '11'.repeat(32);
const destination = addressOf(ownScript);
/** The memory chain begins at 200; some blocks for the lock, then the refund. */
const REFUND_HEIGHT = 210;

const baseTerms: SpendTerms = {
  ...{ script: 'v1', internalKey: 'nums', network: 'regtest', refundHeight: REFUND_HEIGHT },
  paymentHash: hex.encode(sha256(hex.decode(preimage))),
  ...{ claimKey: publicKeyOf(claimSecret) ?? '', refundKey: publicKeyOf(refundSecret) ?? '' },
  ...{ postageSats: 10_000n, reserveSats: 5_000n, offsetSats: 0n },
};
const versions: [v1: SpendTerms, sip3: SpendTerms] = [baseTerms, { ...baseTerms, script: 'sip3' }];

const refused = refusedWith('broadcast_refused');

function lockedWorld(
  terms: SpendTerms,
  state: 'confirmed' | 'waiting',
): { chain: MemoryChain; request: Parameters<typeof buildClaim>[0] } {
  const chain = memoryChain({ network: 'regtest', seed: 2, nowSeconds: () => 1_750_000_000 });
  const lockOutpoint = chain.control.pay({ script: buildLock(terms).script, sats: 15_000n });
  if (state === 'confirmed') chain.control.mine(1);
  const request = {
    terms,
    lockOutpoint,
    destination,
    feerateSatVb: 3,
    maxFeeSats: 5_000n,
    claimSecret,
    auxRand,
    preimage,
  };
  return { chain, request };
}

for (const terms of versions)
  describe(`a ${terms.script} lock on the memory chain`, () => {
    test('the buyer takes it with the preimage, which everybody then sees', async () => {
      const { chain, request } = lockedWorld(terms, 'confirmed');
      await chain.broadcast([buildClaim(request).raw]);
      chain.control.mine(1);
      const spender = await chain.spender(request.lockOutpoint, 201);
      assert.equal(findPreimage(spender?.raw ?? '', terms.paymentHash), preimage);
    });

    test('another preimage takes nothing', async () => {
      const { chain, request } = lockedWorld(terms, 'confirmed');
      const { raw, signature } = presignClaim(request);
      const parts = { script: terms.script, lock: buildLock(terms), signature: hex.decode(signature) };
      const wrong = withWitness(raw, 0, claimWitness({ ...parts, preimage: new Uint8Array(32) }));
      await assert.rejects(chain.broadcast([wrong]), refused);
    });

    test('a signature for another transaction takes nothing', async () => {
      const { chain, request } = lockedWorld(terms, 'confirmed');
      const { signature } = presignClaim({ ...request, feerateSatVb: 4 });
      const parts = { script: terms.script, lock: buildLock(terms), preimage: hex.decode(preimage) };
      const { raw } = presignClaim(request);
      const wrong = withWitness(raw, 0, claimWitness({ ...parts, signature: hex.decode(signature) }));
      await assert.rejects(chain.broadcast([wrong]), refused);
    });

    test('a leaf that the output does not commit to takes nothing', async () => {
      const { chain, request } = lockedWorld(terms, 'confirmed');
      const others = { ...terms, refundKey: terms.claimKey, claimKey: terms.refundKey };
      const { raw } = buildClaim({ ...request, terms: others, claimSecret: refundSecret });
      await assert.rejects(chain.broadcast([raw]), refused);
    });

    test('the seller takes it back from the refund height on, and not a block sooner', async () => {
      const { chain, request } = lockedWorld(terms, 'confirmed');
      const { raw } = buildRefund({ ...request, refundSecret });
      chain.control.mine(REFUND_HEIGHT - 202);
      assert.equal((await chain.tip()).height, REFUND_HEIGHT - 1);
      await assert.rejects(chain.broadcast([raw]), refused);
      chain.control.mine(1);
      await chain.broadcast([raw]);
    });

    test('a refund leaves the mempool when a reorg takes the height away that opened it', async () => {
      const { chain, request } = lockedWorld(terms, 'confirmed');
      const { raw, txid } = buildRefund({ ...request, refundSecret });
      chain.control.mine(REFUND_HEIGHT - 201);
      await chain.broadcast([raw]);
      chain.control.reorg({ depth: 3, mempool: 'waiting' });
      // The new branch is one block longer, so the refund may come again; the node forgot it meanwhile.
      assert.equal(await chain.transaction(txid), undefined);
      await chain.broadcast([raw]);
    });
  });

describe('where the two versions differ', () => {
  test('v1: an unconfirmed lock cannot be claimed, so that nobody pins it (R6)', async () => {
    const { chain, request } = lockedWorld(baseTerms, 'waiting');
    await assert.rejects(chain.broadcast([buildClaim(request).raw]), refused);
    chain.control.mine(1);
    await chain.broadcast([buildClaim(request).raw]);
  });

  test('sip3: an unconfirmed lock can be claimed', async () => {
    const { chain, request } = lockedWorld(versions[1], 'waiting');
    await chain.broadcast([buildClaim(request).raw]);
  });

  test('a preimage of 33 bytes, which no Lightning payment can have, opens sip3 and not v1', async () => {
    const long = new Uint8Array(33).fill(1);
    for (const [terms, opens] of [
      [versions[1], true],
      [versions[0], false],
    ] as const) {
      const { chain, request } = lockedWorld({ ...terms, paymentHash: hex.encode(sha256(long)) }, 'confirmed');
      const { raw, signature } = presignClaim(request);
      const parts = { script: terms.script, lock: buildLock(request.terms), signature: hex.decode(signature) };
      const claim = withWitness(raw, 0, claimWitness({ ...parts, preimage: long }));
      if (opens) await chain.broadcast([claim]);
      else await assert.rejects(chain.broadcast([claim]), refused);
    }
  });
});
