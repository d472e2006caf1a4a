import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { WIF } from '@scure/btc-signer';
import { buildClaim, completeClaim, presignClaim } from 'sparkle-protocol/protocol/claim';
import {
  decodeTransaction,
  encodeDraft,
  signatureMessage,
  vsizeOf,
  withWitness,
  type Prevout,
} from 'sparkle-protocol/protocol/draft';
import { buildLock, type LockTerms } from 'sparkle-protocol/protocol/lock';
import vectors from '../../packages/sparkle/src/protocol/lock.vectors.json' with { type: 'json' };
import {
  buildAbortTransaction,
  buildBumpTransaction,
  buildLockTransaction,
  replacedOf,
} from 'sparkle-protocol/protocol/lock-tx';
import { buildCooperativeClaim, createSession, type CosignerRole } from 'sparkle-protocol/protocol/musig';
import { networks } from 'sparkle-protocol/protocol/network';
import { buildRefund } from 'sparkle-protocol/protocol/refund';
import { followSat } from 'sparkle-protocol/protocol/satflow';
import {
  claimWitness,
  findPreimage,
  publicKeyOf,
  refundWitness,
  type Built,
  type SpendTerms,
} from 'sparkle-protocol/protocol/spend';
import { btc, scriptOf, startRegtest, withoutBitcoind, type Regtest } from './bitcoind.ts';

const preimage = new Uint8Array(32).fill(0x11);
const secrets = { claim: new Uint8Array(32).fill(7), refund: new Uint8Array(32).fill(9) };
const auxRand = new Uint8Array(32).fill(1);
const versions = ['sip3', 'v1'] as const;
const hashOf = (bytes: Uint8Array): string => hex.encode(sha256(bytes));

const REFUND_FAR = 100_000;
const BAD_SIGNATURE = /Invalid Schnorr signature/;
const WRONG_HASH = /EQUALVERIFY/;
const LOCKTIME = /Locktime requirement not satisfied/;

function termsOf(script: 'sip3' | 'v1', given: Partial<SpendTerms> = {}): SpendTerms {
  return {
    script,
    internalKey: script === 'v1' ? 'musig' : 'nums',
    paymentHash: hashOf(preimage),
    claimKey: publicKeyOf(secrets.claim) ?? '',
    refundKey: publicKeyOf(secrets.refund) ?? '',
    refundHeight: REFUND_FAR,
    network: 'regtest',
    postageSats: 10_000n,
    reserveSats: 20_000n,
    offsetSats: 0n,
    ...given,
  };
}

describe('what a node says to every spend of a lock', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  let destination: string;
  before(async () => {
    regtest = await startRegtest();
    destination = await regtest.address();
  });
  after(() => regtest.stop());

  /** Pays the lock's value to its address; unconfirmed until somebody mines. */
  const pay = (terms: SpendTerms): Promise<string> =>
    regtest.pay({ to: buildLock(terms).address, sats: terms.postageSats + terms.reserveSats });
  const locked = async (terms: SpendTerms): Promise<string> => {
    const outpoint = await pay(terms);
    await regtest.mine(1);
    return outpoint;
  };
  const request = (terms: SpendTerms, lockOutpoint: string) => ({
    ...{ terms, lockOutpoint, destination, feerateSatVb: 3, maxFeeSats: 100_000n, auxRand },
    ...{ claimSecret: secrets.claim, refundSecret: secrets.refund, preimage: hex.encode(preimage) },
  });

  async function refused(raw: string, reason: RegExp): Promise<void> {
    type Answer = { allowed: boolean; 'reject-reason'?: string; 'reject-details'?: string };
    const [answer] = await regtest.rpc<Answer[]>('testmempoolaccept', [[raw], 0]);
    assert.equal(answer?.allowed, false);
    assert.match(`${answer?.['reject-reason']} ${answer?.['reject-details'] ?? ''}`, reason);
  }

  /** Hands the transaction over and compares size and fee with what the node counts. */
  async function accepted({ raw, txid, vsize, feeSats }: Built): Promise<void> {
    assert.equal(await regtest.rpc('sendrawtransaction', [raw, 0]), txid);
    const entry = await regtest.rpc<{ vsize: number; fees: { base: number } }>('getmempoolentry', [txid]);
    assert.equal(entry.vsize, vsize);
    assert.equal(BigInt(Math.round(entry.fees.base * 1e8)), feeSats);
  }

  async function cosigned(terms: SpendTerms, lockOutpoint: string): Promise<Built> {
    const built = buildCooperativeClaim(request(terms, lockOutpoint));
    const nonced = (role: CosignerRole, seed: number) =>
      createSession({
        ...{
          terms,
          lockOutpoint,
          raw: built.raw,
          role,
          secret: secrets[role],
          allowedScripts: [scriptOf(destination)],
        },
      }).nonce(new Uint8Array(32).fill(seed));
    const [buyer, seller] = [nonced('claim', 1), nonced('refund', 2)];
    const { partial } = seller.aggregate(buyer.publicNonce).sign();
    return { ...built, ...buyer.aggregate(seller.publicNonce).sign().verify(partial).complete() };
  }

  test('the v1 address is the one the node derives from our descriptor, checksum included', async () => {
    const terms: LockTerms[] = [
      ...vectors.v1.map((vector) => ({ ...(vector.terms as LockTerms), network: 'regtest' as const })),
      ...[1, 17, 128, 32_768, 8_388_608, 499_999_999].map((refundHeight) => termsOf('v1', { refundHeight })),
      termsOf('v1', { internalKey: 'nums' }),
    ];
    for (const one of terms) {
      const { address, descriptor } = buildLock(one);
      assert.deepEqual(await regtest.rpc('deriveaddresses', [descriptor]), [address]);
    }
  });

  for (const script of versions) {
    describe(script, () => {
      const terms = termsOf(script);

      test('a claim is taken, weighs what was said, and shows the preimage', async () => {
        const claim = buildClaim(request(terms, await locked(terms)));
        await accepted(claim);
        await regtest.mine(1);
        assert.equal(
          findPreimage(await regtest.rpc<string>('getrawtransaction', [claim.txid]), terms.paymentHash),
          hex.encode(preimage),
        );
      });

      test('a claim that was signed before the preimage was known is taken', async () => {
        const presigned = presignClaim(request(terms, await locked(terms)));
        await accepted(completeClaim({ presigned, preimage: hex.encode(preimage) }));
      });

      test('a claim with another preimage, or signed by another key, is refused', async () => {
        const outpoint = await locked(terms);
        const claim = buildClaim(request(terms, outpoint));
        const lock = buildLock(terms);
        const { spent } = claim;
        const message = signatureMessage({ raw: claim.raw, spent, leaf: lock.claimLeaf });
        const claimed = (secret: Uint8Array, shown: Uint8Array): string => {
          const signature = schnorr.sign(message, secret, auxRand);
          return withWitness(claim.raw, 0, claimWitness({ script, lock, signature, preimage: shown }));
        };
        await refused(claimed(secrets.claim, new Uint8Array(32).fill(0x12)), WRONG_HASH);
        await refused(claimed(secrets.refund, preimage), BAD_SIGNATURE);
        await accepted({ ...claim, raw: claimed(secrets.claim, preimage) });
      });

      test('a claim with the wrong control block, or with the leaf of another lock, is refused', async () => {
        const claim = buildClaim(request(terms, await locked(terms)));
        const witness = decodeTransaction(claim.raw).inputs[0]?.witness ?? [];
        const other = buildLock({ ...terms, refundHeight: 5 });
        const swapped = [...witness.slice(0, 3), hex.decode(other.claimControl)];
        await refused(withWitness(claim.raw, 0, swapped), /Witness program hash mismatch/);
      });

      test('a refund is refused until the tip is at R, and taken from then on', async () => {
        const refundHeight = (await regtest.height()) + 4;
        const timed = termsOf(script, { refundHeight });
        const refund = buildRefund(request(timed, await locked(timed)));
        await refused(refund.raw, /^non-final/);
        await regtest.mine(refundHeight - 1 - (await regtest.height()));
        await refused(refund.raw, /^non-final/);
        await regtest.mine(1);
        await accepted(refund);
        await regtest.mine(1);
        const { confirmations } = await regtest.rpc<{ confirmations: number }>('getrawtransaction', [refund.txid, 1]);
        assert.equal(confirmations, 1);
      });

      test('a refund that lies about its locktime, or is signed by the buyer, is refused', async () => {
        const refundHeight = (await regtest.height()) + 2;
        const timed = termsOf(script, { refundHeight });
        const outpoint = await locked(timed);
        await regtest.mine(1);
        const lock = buildLock(timed);
        const { raw, spent } = buildRefund(request(timed, outpoint));
        const resigned = (unsigned: string, secret: Uint8Array): string => {
          const message = signatureMessage({ raw: unsigned, spent, leaf: lock.refundLeaf });
          return withWitness(unsigned, 0, refundWitness({ lock, signature: schnorr.sign(message, secret, auxRand) }));
        };
        const { inputs, outputs } = decodeTransaction(raw);
        const [input] = inputs;
        const [source] = spent;
        assert.ok(input !== undefined && source !== undefined);
        const early = encodeDraft({ lockHeight: refundHeight - 1, inputs: [{ ...source, ...input }], outputs });
        await refused(resigned(early, secrets.refund), LOCKTIME);
        const final = encodeDraft({
          lockHeight: refundHeight,
          inputs: [{ ...source, ...input, sequence: 0xffffffff }],
          outputs,
        });
        await refused(resigned(final, secrets.refund), LOCKTIME);
        await refused(resigned(raw, secrets.claim), BAD_SIGNATURE);
      });

      test('a claim is replaced by a dearer one, and not by one that pays its own relay short', async () => {
        const outpoint = await locked(terms);
        const first = buildClaim(request(terms, outpoint));
        await accepted(first);
        const short = buildClaim({ ...request(terms, outpoint), feerateSatVb: 3.01 });
        await refused(short.raw, /insufficient fee/);
        await accepted(buildClaim({ ...request(terms, outpoint), replaces: [first] }));
        await assert.rejects(regtest.rpc('getmempoolentry', [first.txid]));
      });

      test('from R on, a claim outbids a refund that came first', async () => {
        const refundHeight = (await regtest.height()) + 1;
        const timed = termsOf(script, { refundHeight });
        const outpoint = await locked(timed);
        const refund = buildRefund(request(timed, outpoint));
        await accepted(refund);
        await accepted(buildClaim({ ...request(timed, outpoint), replaces: [refund] }));
      });

      test('coins pay for a claim that the reserve cannot pay, and the inscription stays on output 0', async () => {
        const poor = termsOf(script, { reserveSats: 100n, offsetSats: 9_999n });
        const wallet = await regtest.fundedWallet({ name: `buyer-${script}`, sats: 40_000n });
        const funding = { coins: await coinsOf(wallet), changeAddress: await regtest.address(wallet) };
        const claim = buildClaim({ ...request(poor, await locked(poor)), funding, feerateSatVb: 20 });
        await accepted({ ...claim, raw: await signedBy(wallet, claim) });
        const inputValues = claim.spent.map(({ valueSats }) => valueSats);
        const place = followSat({ raw: claim.raw, inputValues, inputIndex: 0, offsetSats: 9_999n });
        assert.deepEqual(place, { to: 'output', vout: 0, offsetSats: 9_999n });
      });
    });
  }

  async function coinsOf(wallet: string): Promise<Prevout[]> {
    type Listed = { txid: string; vout: number; amount: number; scriptPubKey: string };
    const listed = await regtest.rpc<Listed[]>('listunspent', [0], wallet);
    return listed.map(({ txid, vout, amount, scriptPubKey }) => ({
      outpoint: `${txid}:${vout}`,
      valueSats: BigInt(Math.round(amount * 1e8)),
      script: scriptPubKey,
    }));
  }

  async function signedBy(wallet: string, { raw }: Pick<Built, 'raw'>): Promise<string> {
    const signed = await regtest.rpc<{ hex: string; complete: boolean }>('signrawtransactionwithwallet', [raw], wallet);
    assert.equal(signed.complete, true);
    return signed.hex;
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
        const { raw, spent } = presignClaim(request(terms, await locked(terms)));
        await refused(shownIn(terms, raw, spent), WRONG_HASH);
      });

      test(`sip3 takes ${length} bytes, which is why hold-first must not use it`, async () => {
        const terms = termsOf('sip3', { paymentHash: hashOf(odd) });
        const presigned = presignClaim(request(terms, await locked(terms)));
        const raw = shownIn(terms, presigned.raw, presigned.spent);
        assert.equal(await regtest.rpc('sendrawtransaction', [raw, 0]), presigned.txid);
        assert.equal(findPreimage(raw, terms.paymentHash), undefined);
      });
    }
  });

  describe('a lock that is not confirmed', () => {
    test('v1: a claim is refused, so that the buyer cannot pin the lock', async () => {
      const terms = termsOf('v1');
      const claim = buildClaim(request(terms, await pay(terms)));
      await refused(claim.raw, /^non-BIP68-final/);
      await regtest.mine(1);
      await accepted(claim);
    });

    test('v1: a claim that hides the sequence from BIP 68 is refused by the leaf', async () => {
      const terms = termsOf('v1');
      const lock = buildLock(terms);
      const { raw, spent } = presignClaim(request(terms, await pay(terms)));
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
      await refused(withWitness(hidden, 0, claimWitness({ script: 'v1', lock, signature, preimage })), LOCKTIME);
    });

    test('sip3: a claim is taken, which lock-first allows for', async () => {
      const terms = termsOf('sip3');
      await accepted(buildClaim(request(terms, await pay(terms))));
    });

    test('v1: both sides together can spend it at once by key path', async () => {
      const terms = termsOf('v1');
      await accepted(await cosigned(terms, await pay(terms)));
    });
  });

  describe('the key path', () => {
    test('one signature of both, 111 vB, looks like any payment and shows no preimage', async () => {
      const terms = termsOf('v1');
      const spend = await cosigned(terms, await locked(terms));
      assert.equal(spend.vsize, 111);
      await accepted(spend);
      assert.equal(findPreimage(spend.raw, terms.paymentHash), undefined);
    });

    test('the signature of one side alone is refused', async () => {
      const terms = termsOf('v1');
      const { raw, spent } = buildCooperativeClaim(request(terms, await locked(terms)));
      for (const secret of Object.values(secrets)) {
        const signature = schnorr.sign(signatureMessage({ raw, spent }), secret, auxRand);
        await refused(withWitness(raw, 0, [signature]), BAD_SIGNATURE);
      }
    });
  });

  describe('a lock from a real inscription', () => {
    /** A seller's wallet with an inscription and one coin, and the lock of the inscription, signed. */
    async function sellerLock(name: string) {
      const terms = termsOf('v1', { offsetSats: 0n });
      const wallet = await regtest.wallet(name);
      const inscribed = await regtest.inscribe({
        body: name,
        contentType: 'text/plain',
        to: await regtest.address(wallet),
      });
      await regtest.pay({ to: await regtest.address(wallet), sats: 200_000n });
      await regtest.mine(1);
      const coins = await coinsOf(wallet);
      const source = coins.find(({ outpoint }) => outpoint === inscribed.outpoint);
      assert.ok(source !== undefined);
      const others = coins.filter(({ outpoint }) => outpoint !== inscribed.outpoint);
      const paying = {
        terms,
        coins: others,
        changeAddress: await regtest.address(wallet),
        feerateSatVb: 2,
        maxFeeSats: 50_000n,
      };
      const built = buildLockTransaction({ ...paying, source });
      const lock = { ...built, raw: await signedBy(wallet, built) };
      return { terms, wallet, paying: { ...paying, coins: [] }, lock };
    }

    test('the wallet signs it, the txid stays, and the inscription is on the first sat of the lock', async () => {
      const { lock } = await sellerLock('seller-lock');
      await accepted(lock);
      const inputValues = lock.spent.map(({ valueSats }) => valueSats);
      const place = followSat({ raw: lock.raw, inputValues, inputIndex: 0, offsetSats: 0n });
      assert.deepEqual(place, { to: 'output', vout: 0, offsetSats: 0n });
    });

    test('a child on its change lifts both to the wanted feerate, and a second child replaces the first', async () => {
      const { lock, paying, wallet } = await sellerLock('seller-bump');
      await accepted(lock);
      const first = buildBumpTransaction({ ...paying, lock, replaces: [], feerateSatVb: 10 });
      await accepted({ ...first, raw: await signedBy(wallet, first) });
      const entry = await regtest.rpc<{ descendantsize: number; fees: { descendant: number } }>('getmempoolentry', [
        lock.txid,
      ]);
      assert.equal(Math.round(entry.fees.descendant * 1e8), 10 * entry.descendantsize);
      const second = buildBumpTransaction({ ...paying, lock, replaces: [first], feerateSatVb: 10.1 });
      await accepted({ ...second, raw: await signedBy(wallet, second) });
    });

    test('an abort replaces the lock and its child, and brings the inscription home', async () => {
      const { lock, paying, wallet } = await sellerLock('seller-abort');
      await accepted(lock);
      const child = buildBumpTransaction({ ...paying, lock, replaces: [], feerateSatVb: 10 });
      const signedChild = { ...child, raw: await signedBy(wallet, child) };
      await accepted(signedChild);
      const returnAddress = await regtest.address(wallet);
      const replaces = [replacedOf(lock), replacedOf(signedChild)];
      const abort = buildAbortTransaction({ ...paying, lock, returnAddress, replaces });
      await accepted({ ...abort, raw: await signedBy(wallet, abort) });
      await assert.rejects(regtest.rpc('getmempoolentry', [lock.txid]));
      const { outputs } = decodeTransaction(abort.raw);
      assert.deepEqual(outputs[0], { valueSats: 10_000n, script: scriptOf(returnAddress) });
      await regtest.mine(1);
      await refused(lock.raw, /bad-txns-inputs-missingorspent|missing-inputs/);
    });

    test('P2WPKH coins are estimated within one vB a coin, never too low', async () => {
      const wallet = await regtest.wallet('seller-wpkh');
      const address = await regtest.rpc<string>('getnewaddress', ['', 'bech32'], wallet);
      for (const sats of [12_000n, 15_000n, 90_000n]) await regtest.pay({ to: address, sats });
      await regtest.mine(1);
      const [source, ...coins] = (await coinsOf(wallet)).sort((one, other) => Number(one.valueSats - other.valueSats));
      assert.ok(source !== undefined);
      const terms = termsOf('v1');
      const lock = buildLockTransaction({
        terms,
        source,
        coins,
        changeAddress: address,
        feerateSatVb: 2,
        maxFeeSats: 50_000n,
      });
      const raw = await signedBy(wallet, lock);
      const vsize = vsizeOf(raw);
      assert.ok(vsize <= lock.vsize && lock.vsize - vsize <= lock.spent.length, `${vsize} of ${lock.vsize} vB`);
      assert.equal(await regtest.rpc('sendrawtransaction', [raw]), lock.txid);
    });
  });

  test("a wallet of the node's own recovers a refund from the descriptor and the refund key alone", async () => {
    const refundHeight = (await regtest.height()) + 3;
    const terms = termsOf('v1', { refundHeight });
    await locked(terms);
    const body = buildLock(terms).descriptor?.split('#')[0] ?? '';
    const wif = WIF(networks.regtest.address).encode(secrets.refund);
    const withSecret = body.replace(`pk(${terms.refundKey})`, `pk(${wif})`);
    const { checksum } = await regtest.rpc<{ checksum: string }>('getdescriptorinfo', [withSecret]);
    await regtest.rpc('createwallet', ['rescue', false, true]);
    const imported = await regtest.rpc<{ success: boolean }[]>(
      'importdescriptors',
      [[{ desc: `${withSecret}#${checksum}`, timestamp: 0 }]],
      'rescue',
    );
    assert.equal(imported[0]?.success, true);
    await regtest.mine(3);
    const options = { subtractFeeFromOutputs: [0], fee_rate: 5 };
    const { psbt } = await regtest.rpc<{ psbt: string }>(
      'walletcreatefundedpsbt',
      [[], [{ [destination]: btc(30_000n) }], refundHeight, options],
      'rescue',
    );
    const signed = await regtest.rpc<{ psbt: string; complete: boolean }>('walletprocesspsbt', [psbt], 'rescue');
    assert.equal(signed.complete, true);
    const { hex: raw } = await regtest.rpc<{ hex: string }>('finalizepsbt', [signed.psbt]);
    assert.match(await regtest.rpc<string>('sendrawtransaction', [raw]), /^[0-9a-f]{64}$/);
    assert.equal(decodeTransaction(raw).lockHeight, refundHeight);
  });
});
