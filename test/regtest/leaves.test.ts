import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { buildClaim, completeClaim, presignClaim } from 'sparkle-protocol/protocol/claim';
import {
  decodeTransaction,
  encodeDraft,
  signatureMessage,
  withWitness,
  type Prevout,
} from 'sparkle-protocol/protocol/draft';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import { buildCooperativeClaim } from 'sparkle-protocol/protocol/musig';
import { buildRefund } from 'sparkle-protocol/protocol/refund';
import { followSat } from 'sparkle-protocol/protocol/satflow';
import { claimWitness, findPreimage, refundWitness, type SpendTerms } from 'sparkle-protocol/protocol/spend';
import { startRegtest, withoutBitcoind, type Regtest } from './bitcoind.ts';
import { auxRand, hashOf, locksmith, preimage, secrets, termsOf, type Locksmith } from './locks.ts';

const versions = ['sip3', 'v1'] as const;
const BAD_SIGNATURE = /Invalid Schnorr signature/;
const WRONG_HASH = /EQUALVERIFY/;
const LOCKTIME = /Locktime requirement not satisfied/;

describe('what a node says to every spend of a lock', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  let smith: Locksmith;
  before(async () => {
    regtest = await startRegtest();
    smith = await locksmith(regtest);
  });
  after(() => regtest.stop());

  for (const script of versions) {
    describe(script, () => {
      const terms = termsOf(script);

      test('a claim is taken, weighs what was said, and shows the preimage', async () => {
        const claim = buildClaim(smith.request(terms, await smith.locked(terms)));
        await smith.accepted(claim);
        await regtest.mine(1);
        assert.equal(
          findPreimage(await regtest.rpc<string>('getrawtransaction', [claim.txid]), terms.paymentHash),
          hex.encode(preimage),
        );
      });

      test('a claim that was signed before the preimage was known is taken', async () => {
        const presigned = presignClaim(smith.request(terms, await smith.locked(terms)));
        await smith.accepted(completeClaim({ presigned, preimage: hex.encode(preimage) }));
      });

      test('a claim with another preimage, or signed by another key, is refused', async () => {
        const outpoint = await smith.locked(terms);
        const claim = buildClaim(smith.request(terms, outpoint));
        const lock = buildLock(terms);
        const { spent } = claim;
        const message = signatureMessage({ raw: claim.raw, spent, leaf: lock.claimLeaf });
        const claimed = (secret: Uint8Array, shown: Uint8Array): string => {
          const signature = schnorr.sign(message, secret, auxRand);
          return withWitness(claim.raw, 0, claimWitness({ script, lock, signature, preimage: shown }));
        };
        await smith.refused(claimed(secrets.claim, new Uint8Array(32).fill(0x12)), WRONG_HASH);
        await smith.refused(claimed(secrets.refund, preimage), BAD_SIGNATURE);
        await smith.accepted({ ...claim, raw: claimed(secrets.claim, preimage) });
      });

      test('a claim with the wrong control block, or with the leaf of another lock, is refused', async () => {
        const claim = buildClaim(smith.request(terms, await smith.locked(terms)));
        const witness = decodeTransaction(claim.raw).inputs[0]?.witness ?? [];
        const other = buildLock({ ...terms, refundHeight: 5 });
        const swapped = [...witness.slice(0, 3), hex.decode(other.claimControl)];
        await smith.refused(withWitness(claim.raw, 0, swapped), /Witness program hash mismatch/);
      });

      test('a refund is refused until the tip is at R, and taken from then on', async () => {
        const refundHeight = (await regtest.height()) + 4;
        const timed = termsOf(script, { refundHeight });
        const refund = buildRefund(smith.request(timed, await smith.locked(timed)));
        await smith.refused(refund.raw, /^non-final/);
        await regtest.mine(refundHeight - 1 - (await regtest.height()));
        await smith.refused(refund.raw, /^non-final/);
        await regtest.mine(1);
        await smith.accepted(refund);
        await regtest.mine(1);
        const { confirmations } = await regtest.rpc<{ confirmations: number }>('getrawtransaction', [refund.txid, 1]);
        assert.equal(confirmations, 1);
      });

      test('a refund that lies about its locktime, or is signed by the buyer, is refused', async () => {
        const refundHeight = (await regtest.height()) + 2;
        const timed = termsOf(script, { refundHeight });
        const outpoint = await smith.locked(timed);
        await regtest.mine(1);
        const lock = buildLock(timed);
        const { raw, spent } = buildRefund(smith.request(timed, outpoint));
        const resigned = (unsigned: string, secret: Uint8Array): string => {
          const message = signatureMessage({ raw: unsigned, spent, leaf: lock.refundLeaf });
          return withWitness(unsigned, 0, refundWitness({ lock, signature: schnorr.sign(message, secret, auxRand) }));
        };
        const { inputs, outputs } = decodeTransaction(raw);
        const [input] = inputs;
        const [source] = spent;
        assert.ok(input !== undefined && source !== undefined);
        const early = encodeDraft({ lockHeight: refundHeight - 1, inputs: [{ ...source, ...input }], outputs });
        await smith.refused(resigned(early, secrets.refund), LOCKTIME);
        const final = encodeDraft({
          lockHeight: refundHeight,
          inputs: [{ ...source, ...input, sequence: 0xffffffff }],
          outputs,
        });
        await smith.refused(resigned(final, secrets.refund), LOCKTIME);
        await smith.refused(resigned(raw, secrets.claim), BAD_SIGNATURE);
      });

      test('a claim is replaced by a dearer one, and not by one that pays its own relay short', async () => {
        const outpoint = await smith.locked(terms);
        const first = buildClaim(smith.request(terms, outpoint));
        await smith.accepted(first);
        const short = buildClaim({ ...smith.request(terms, outpoint), feerateSatVb: 3.01 });
        await smith.refused(short.raw, /insufficient fee/);
        await smith.accepted(buildClaim({ ...smith.request(terms, outpoint), replaces: [first] }));
        await assert.rejects(regtest.rpc('getmempoolentry', [first.txid]));
      });

      test('from R on, a claim outbids a refund that came first', async () => {
        const refundHeight = (await regtest.height()) + 1;
        const timed = termsOf(script, { refundHeight });
        const outpoint = await smith.locked(timed);
        const refund = buildRefund(smith.request(timed, outpoint));
        await smith.accepted(refund);
        await smith.accepted(buildClaim({ ...smith.request(timed, outpoint), replaces: [refund] }));
      });

      test('coins pay for a claim that the reserve cannot pay, and the inscription stays on output 0', async () => {
        const poor = termsOf(script, { reserveSats: 100n, offsetSats: 9_999n });
        const wallet = await regtest.fundedWallet({ name: `buyer-${script}`, sats: 40_000n });
        const funding = { coins: await smith.coinsOf(wallet), changeAddress: await regtest.address(wallet) };
        const claim = buildClaim({ ...smith.request(poor, await smith.locked(poor)), funding, feerateSatVb: 20 });
        await smith.accepted({ ...claim, raw: await smith.signedBy(wallet, claim) });
        const inputValues = claim.spent.map(({ valueSats }) => valueSats);
        const place = followSat({ raw: claim.raw, inputValues, inputIndex: 0, offsetSats: 9_999n });
        assert.deepEqual(place, { to: 'output', vout: 0, offsetSats: 9_999n });
      });
    });
  }

  describe('the length of the preimage', () => {
    for (const length of [31, 33]) {
      const odd = new Uint8Array(length).fill(0x11);
      const shownIn = (terms: SpendTerms, raw: string, spent: readonly Prevout[]): string => {
        const lock = buildLock(terms);
        const signature = schnorr.sign(signatureMessage({ raw, spent, leaf: lock.claimLeaf }), secrets.claim, auxRand);
        return withWitness(raw, 0, claimWitness({ script: terms.script, lock, signature, preimage: odd }));
      };

      test(`v1 refuses ${length} bytes that hash to H`, async () => {
        const terms = termsOf('v1', { paymentHash: hashOf(odd) });
        const { raw, spent } = presignClaim(smith.request(terms, await smith.locked(terms)));
        await smith.refused(shownIn(terms, raw, spent), WRONG_HASH);
      });

      test(`sip3 takes ${length} bytes, which is why hold-first must not use it`, async () => {
        const terms = termsOf('sip3', { paymentHash: hashOf(odd) });
        const presigned = presignClaim(smith.request(terms, await smith.locked(terms)));
        const raw = shownIn(terms, presigned.raw, presigned.spent);
        assert.equal(await regtest.rpc('sendrawtransaction', [raw, 0]), presigned.txid);
        assert.equal(findPreimage(raw, terms.paymentHash), undefined);
      });
    }
  });

  describe('a lock that is not confirmed', () => {
    test('v1: a claim is refused, so that the buyer cannot pin the lock', async () => {
      const terms = termsOf('v1');
      const claim = buildClaim(smith.request(terms, await smith.pay(terms)));
      await smith.refused(claim.raw, /^non-BIP68-final/);
      await regtest.mine(1);
      await smith.accepted(claim);
    });

    test('v1: a claim that hides the sequence from BIP 68 is refused by the leaf', async () => {
      const terms = termsOf('v1');
      const lock = buildLock(terms);
      const { raw, spent } = presignClaim(smith.request(terms, await smith.pay(terms)));
      const { inputs, outputs } = decodeTransaction(raw);
      const [input] = inputs;
      const [source] = spent;
      assert.ok(input !== undefined && source !== undefined);
      const hidden = encodeDraft({ lockHeight: 0, inputs: [{ ...source, ...input, sequence: 0xfffffffd }], outputs });
      const signature = schnorr.sign(
        signatureMessage({ raw: hidden, spent, leaf: lock.claimLeaf }),
        secrets.claim,
        auxRand,
      );
      await smith.refused(withWitness(hidden, 0, claimWitness({ script: 'v1', lock, signature, preimage })), LOCKTIME);
    });

    test('sip3: a claim is taken, which lock-first allows for', async () => {
      const terms = termsOf('sip3');
      await smith.accepted(buildClaim(smith.request(terms, await smith.pay(terms))));
    });

    test('v1: both sides together can spend it at once by key path', async () => {
      const terms = termsOf('v1');
      await smith.accepted(smith.cosigned(terms, await smith.pay(terms)));
    });
  });

  describe('the key path', () => {
    test('one signature of both, 111 vB, looks like any payment and shows no preimage', async () => {
      const terms = termsOf('v1');
      const spend = smith.cosigned(terms, await smith.locked(terms));
      assert.equal(spend.vsize, 111);
      await smith.accepted(spend);
      assert.equal(findPreimage(spend.raw, terms.paymentHash), undefined);
    });

    test('the signature of one side alone is refused', async () => {
      const terms = termsOf('v1');
      const { raw, spent } = buildCooperativeClaim(smith.request(terms, await smith.locked(terms)));
      for (const secret of Object.values(secrets)) {
        const signature = schnorr.sign(signatureMessage({ raw, spent }), secret, auxRand);
        await smith.refused(withWitness(raw, 0, [signature]), BAD_SIGNATURE);
      }
    });
  });
});
