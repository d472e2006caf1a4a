import assert from 'node:assert/strict';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import type { Prevout } from 'sparkle-protocol/protocol/draft';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import { buildCooperativeClaim, createSession, type CosignerRole } from 'sparkle-protocol/protocol/musig';
import { publicKeyOf, type Built, type SpendRequest, type SpendTerms } from 'sparkle-protocol/protocol/spend';
import { scriptOf, type Regtest } from './bitcoind.ts';

export const preimage = new Uint8Array(32).fill(0x11);
export const secrets = { claim: new Uint8Array(32).fill(7), refund: new Uint8Array(32).fill(9) };
export const auxRand = new Uint8Array(32).fill(1);
export const hashOf = (bytes: Uint8Array): string => hex.encode(sha256(bytes));

const REFUND_FAR = 100_000;

/** Terms of a lock on regtest that nobody can refund soon. */
export function termsOf(script: 'sip3' | 'v1', given: Partial<SpendTerms> = {}): SpendTerms {
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

/** What tests of locks ask of a node: to lock, to say why it refuses, to take and to weigh, to sign. */
export async function locksmith(regtest: Regtest) {
  const destination = await regtest.address();
  /** Pays the lock's value to its address; unconfirmed until somebody mines. */
  const pay = (terms: SpendTerms): Promise<string> =>
    regtest.pay({ to: buildLock(terms).address, sats: terms.postageSats + terms.reserveSats });
  const request = (terms: SpendTerms, lockOutpoint: string) => ({
    ...{ terms, lockOutpoint, destination, feerateSatVb: 3, maxFeeSats: 100_000n, auxRand },
    ...{ claimSecret: secrets.claim, refundSecret: secrets.refund, preimage: hex.encode(preimage) },
  });
  return {
    ...{ destination, pay, request },
    async locked(terms: SpendTerms): Promise<string> {
      const outpoint = await pay(terms);
      await regtest.mine(1);
      return outpoint;
    },
    refused: (raw: string, reason: RegExp): Promise<void> => refused(regtest, raw, reason),
    accepted: (built: Built): Promise<void> => accepted(regtest, built),
    cosigned: (terms: SpendTerms, lockOutpoint: string): Built => cosigned(request(terms, lockOutpoint)),
    coinsOf: (wallet: string): Promise<Prevout[]> => coinsOf(regtest, wallet),
    async signedBy(wallet: string, { raw }: Pick<Built, 'raw'>): Promise<string> {
      type Signed = { hex: string; complete: boolean };
      const signed = await regtest.rpc<Signed>('signrawtransactionwithwallet', [raw], wallet);
      assert.equal(signed.complete, true);
      return signed.hex;
    },
  };
}

export type Locksmith = Awaited<ReturnType<typeof locksmith>>;

async function refused(regtest: Regtest, raw: string, reason: RegExp): Promise<void> {
  type Answer = { allowed: boolean; 'reject-reason'?: string; 'reject-details'?: string };
  const [answer] = await regtest.rpc<Answer[]>('testmempoolaccept', [[raw], 0]);
  assert.equal(answer?.allowed, false);
  assert.match(`${answer?.['reject-reason']} ${answer?.['reject-details'] ?? ''}`, reason);
}

/** Hands the transaction over and compares size and fee with what the node counts. */
async function accepted(regtest: Regtest, { raw, txid, vsize, feeSats }: Built): Promise<void> {
  assert.equal(await regtest.rpc('sendrawtransaction', [raw, 0]), txid);
  const entry = await regtest.rpc<{ vsize: number; fees: { base: number } }>('getmempoolentry', [txid]);
  assert.equal(entry.vsize, vsize);
  assert.equal(BigInt(Math.round(entry.fees.base * 1e8)), feeSats);
}

function cosigned(request: SpendRequest): Built {
  const { terms, lockOutpoint, destination } = request;
  const built = buildCooperativeClaim(request);
  const agreed = { terms, lockOutpoint, raw: built.raw, allowedScripts: [scriptOf(destination)] };
  const nonced = (role: CosignerRole, seed: number) =>
    createSession({ ...agreed, role, secret: secrets[role] }).nonce(new Uint8Array(32).fill(seed));
  const [buyer, seller] = [nonced('claim', 1), nonced('refund', 2)];
  const { partial } = seller.aggregate(buyer.publicNonce).sign();
  return { ...built, ...buyer.aggregate(seller.publicNonce).sign().verify(partial).complete() };
}

async function coinsOf(regtest: Regtest, wallet: string): Promise<Prevout[]> {
  type Listed = { txid: string; vout: number; amount: number; scriptPubKey: string };
  const listed = await regtest.rpc<Listed[]>('listunspent', [0], wallet);
  return listed.map(({ txid, vout, amount, scriptPubKey }) => ({
    outpoint: `${txid}:${vout}`,
    valueSats: BigInt(Math.round(amount * 1e8)),
    script: scriptPubKey,
  }));
}
