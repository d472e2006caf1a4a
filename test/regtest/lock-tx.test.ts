import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WIF } from '@scure/btc-signer';
import { decodeTransaction, vsizeOf } from 'sparkle-protocol/protocol/draft';
import { buildLock, type LockTerms } from 'sparkle-protocol/protocol/lock';
import vectors from '../../packages/sparkle/src/protocol/lock.vectors.json' with { type: 'json' };
import {
  buildAbortTransaction,
  buildBumpTransaction,
  buildLockTransaction,
  replacedOf,
} from 'sparkle-protocol/protocol/lock-tx';
import { networks } from 'sparkle-protocol/protocol/network';
import { followSat } from 'sparkle-protocol/protocol/satflow';
import { btc, scriptOf, startRegtest, withoutBitcoind, type Regtest } from './bitcoind.ts';
import { locksmith, secrets, termsOf, type Locksmith } from './locks.ts';

describe('what a node and its wallets make of a lock', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  let smith: Locksmith;
  before(async () => {
    regtest = await startRegtest();
    smith = await locksmith(regtest);
  });
  after(() => regtest.stop());

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
      const coins = await smith.coinsOf(wallet);
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
      const lock = { ...built, raw: await smith.signedBy(wallet, built) };
      return { terms, wallet, paying: { ...paying, coins: [] }, lock };
    }

    test('the wallet signs it, the txid stays, and the inscription is on the first sat of the lock', async () => {
      const { lock } = await sellerLock('seller-lock');
      await smith.accepted(lock);
      const inputValues = lock.spent.map(({ valueSats }) => valueSats);
      const place = followSat({ raw: lock.raw, inputValues, inputIndex: 0, offsetSats: 0n });
      assert.deepEqual(place, { to: 'output', vout: 0, offsetSats: 0n });
    });

    test('a child on its change lifts both to the wanted feerate, and a second child replaces the first', async () => {
      const { lock, paying, wallet } = await sellerLock('seller-bump');
      await smith.accepted(lock);
      const first = buildBumpTransaction({ ...paying, lock, replaces: [], feerateSatVb: 10 });
      await smith.accepted({ ...first, raw: await smith.signedBy(wallet, first) });
      const entry = await regtest.rpc<{ descendantsize: number; fees: { descendant: number } }>('getmempoolentry', [
        lock.txid,
      ]);
      assert.equal(Math.round(entry.fees.descendant * 1e8), 10 * entry.descendantsize);
      const second = buildBumpTransaction({ ...paying, lock, replaces: [first], feerateSatVb: 10.1 });
      await smith.accepted({ ...second, raw: await smith.signedBy(wallet, second) });
    });

    test('an abort replaces the lock and its child, and brings the inscription home', async () => {
      const { lock, paying, wallet } = await sellerLock('seller-abort');
      await smith.accepted(lock);
      const child = buildBumpTransaction({ ...paying, lock, replaces: [], feerateSatVb: 10 });
      const signedChild = { ...child, raw: await smith.signedBy(wallet, child) };
      await smith.accepted(signedChild);
      const returnAddress = await regtest.address(wallet);
      const replaces = [replacedOf(lock), replacedOf(signedChild)];
      const abort = buildAbortTransaction({ ...paying, lock, returnAddress, replaces, lost: [] });
      await smith.accepted({ ...abort, raw: await smith.signedBy(wallet, abort) });
      await assert.rejects(regtest.rpc('getmempoolentry', [lock.txid]));
      const { outputs } = decodeTransaction(abort.raw);
      assert.deepEqual(outputs[0], { valueSats: 10_000n, script: scriptOf(returnAddress) });
      await regtest.mine(1);
      await smith.refused(lock.raw, /bad-txns-inputs-missingorspent|missing-inputs/);
    });

    test('P2WPKH coins are estimated within one vB a coin, never too low', async () => {
      const wallet = await regtest.wallet('seller-wpkh');
      const address = await regtest.rpc<string>('getnewaddress', ['', 'bech32'], wallet);
      for (const sats of [12_000n, 15_000n, 90_000n]) await regtest.pay({ to: address, sats });
      await regtest.mine(1);
      const [source, ...coins] = (await smith.coinsOf(wallet)).sort((one, other) =>
        Number(one.valueSats - other.valueSats),
      );
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
      const raw = await smith.signedBy(wallet, lock);
      const vsize = vsizeOf(raw);
      assert.ok(vsize <= lock.vsize && lock.vsize - vsize <= lock.spent.length, `${vsize} of ${lock.vsize} vB`);
      assert.equal(await regtest.rpc('sendrawtransaction', [raw]), lock.txid);
    });
  });

  test("a wallet of the node's own recovers a refund from the descriptor and the refund key alone", async () => {
    const refundHeight = (await regtest.height()) + 3;
    const terms = termsOf('v1', { refundHeight });
    await smith.locked(terms);
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
      [[], [{ [smith.destination]: btc(30_000n) }], refundHeight, options],
      'rescue',
    );
    const signed = await regtest.rpc<{ psbt: string; complete: boolean }>('walletprocesspsbt', [psbt], 'rescue');
    assert.equal(signed.complete, true);
    const { hex: raw } = await regtest.rpc<{ hex: string }>('finalizepsbt', [signed.psbt]);
    assert.match(await regtest.rpc<string>('sendrawtransaction', [raw]), /^[0-9a-f]{64}$/);
    assert.equal(decodeTransaction(raw).lockHeight, refundHeight);
  });
});
