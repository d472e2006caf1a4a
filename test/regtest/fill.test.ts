import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hex } from '@scure/base';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import { decodeTransaction, type Prevout } from 'sparkle-protocol/protocol/draft';
import { buildFillAbort, buildFillTransaction } from 'sparkle-protocol/protocol/fill';
import { buildListing, readListing, type Listing } from 'sparkle-protocol/protocol/listing';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import { buildBumpTransaction, replacedOf } from 'sparkle-protocol/protocol/lock-tx';
import { followReveal, followSat } from 'sparkle-protocol/protocol/satflow';
import { scriptOf, startRegtest, withoutBitcoind, type Regtest } from './bitcoind.ts';
import { locksmith, termsOf, type Locksmith } from './locks.ts';

const PRICE_SATS = 150_000n;
const OFFSET_SATS = 546n;
const POSTAGE_SATS = 10_000n;

type Sale = { inscriptionId: string; revealTxid: string; listing: Listing; seller: string };

describe('what a node makes of the listing of a seller who is offline', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  let smith: Locksmith;
  before(async () => {
    regtest = await startRegtest();
    smith = await locksmith(regtest);
  });
  after(() => regtest.stop());

  /** A seller's wallet with an inscription in the middle of an output, which it signs away and is closed after. */
  async function sale(name: string, type: 'bech32m' | 'bech32'): Promise<Sale> {
    const seller = await regtest.wallet(name);
    const address = await regtest.rpc<string>('getnewaddress', ['', type], seller);
    const envelope = { body: new TextEncoder().encode(name), contentType: 'text/plain', pointer: OFFSET_SATS };
    const outputs = [{ address, valueSats: POSTAGE_SATS }];
    const revealTxid = await regtest.inscribeMany({ envelopes: [envelope], outputs });
    const inscriptionId = `${revealTxid}i0`;
    const source: Prevout = { outpoint: `${revealTxid}:0`, valueSats: POSTAGE_SATS, script: scriptOf(address) };
    const payoutAddress = await regtest.address(seller);
    const wanted = { source, inscriptionId, offsetSats: OFFSET_SATS, priceSats: PRICE_SATS, payoutAddress };
    const psbt = buildListing({ ...wanted, network: 'regtest' });
    const how = [psbt, true, 'SINGLE|ANYONECANPAY'];
    const signed = await regtest.rpc<{ psbt: string }>('walletprocesspsbt', how, seller);
    await regtest.rpc('unloadwallet', [seller]);
    return { inscriptionId, revealTxid, listing: readListing({ psbt: signed.psbt, network: 'regtest' }), seller };
  }

  /** A wallet with two dummies and a coin, and its fill of the sale, signed. */
  async function filled(name: string, { listing }: Pick<Sale, 'listing'>) {
    const wallet = await regtest.wallet(name);
    for (const sats of [600n, 700n, 400_000n]) await regtest.pay({ to: await regtest.address(wallet), sats });
    await regtest.mine(1);
    const coins = (await smith.coinsOf(wallet)).sort((one, other) => Number(one.valueSats - other.valueSats));
    const [first, second, ...rest] = coins;
    assert.ok(first !== undefined && second !== undefined);
    const terms = termsOf('v1', { offsetSats: OFFSET_SATS });
    const changeAddress = await regtest.address(wallet);
    const payouts = [
      { script: scriptOf(await regtest.address()), valueSats: 7_500n },
      { script: scriptOf(await regtest.rpc<string>('getnewaddress', ['', 'bech32'], 'miner')), valueSats: 3_000n },
    ];
    const paying = { terms, changeAddress, feerateSatVb: 2, maxFeeSats: 50_000n };
    const request = { ...paying, listing, dummies: [first, second] as const, coins: rest, payouts };
    const built = buildFillTransaction(request);
    const fill = { ...built, raw: await smith.signedBy(wallet, built) };
    return { terms, wallet, paying: { ...paying, coins: [] }, payouts, fill };
  }

  type Spending = { vin: { prevout: { value: number } }[] };

  /** What the inputs of a transaction spend, in sats. */
  async function spentSats(txid: string): Promise<bigint[]> {
    const { vin } = await regtest.rpc<Spending>('getrawtransaction', [txid, 2]);
    return vin.map(({ prevout }) => BigInt(Math.round(prevout.value * 1e8)));
  }

  const rawOf = (txid: string): Promise<string> => regtest.rpc<string>('getrawtransaction', [txid]);

  for (const type of ['bech32m', 'bech32'] as const)
    test(`${type}: another wallet fills it, the node mines it, and the buyer claims what the seller was paid for`, async () => {
      const { listing, revealTxid } = await sale(`seller-${type}`, type);
      const { fill, terms, payouts } = await filled(`filler-${type}`, { listing });
      const witness = decodeTransaction(fill.raw).inputs[2]?.witness.map((item) => hex.encode(item));
      assert.deepEqual(witness, listing.witness);
      await smith.accepted(fill);
      await regtest.mine(1);

      const born = followReveal({ raw: await rawOf(revealTxid), inputValues: await spentSats(revealTxid), index: 0 });
      assert.deepEqual(born, { to: 'output', vout: 0, offsetSats: OFFSET_SATS });
      const moved = { inputIndex: 2, offsetSats: OFFSET_SATS };
      const locked = { raw: await rawOf(fill.txid), inputValues: await spentSats(fill.txid), ...moved };
      assert.deepEqual(followSat(locked), { to: 'output', vout: 1, offsetSats: OFFSET_SATS });
      const { outputs } = decodeTransaction(fill.raw);
      assert.deepEqual(outputs[1], { script: buildLock(terms).script, valueSats: 30_000n });
      assert.deepEqual(outputs.slice(2, 5), [listing.payout, ...payouts]);

      const claim = buildClaim(smith.request(terms, `${fill.txid}:${fill.vout}`));
      await smith.accepted(claim);
      await regtest.mine(1);
      const claimed = { ...moved, raw: await rawOf(claim.txid), inputValues: [30_000n], inputIndex: 0 };
      assert.deepEqual(followSat(claimed), { to: 'output', vout: 0, offsetSats: OFFSET_SATS });
      assert.equal(decodeTransaction(claim.raw).outputs[0]?.script, scriptOf(smith.destination));
    });

  test('the seller finds his money when he comes back', async () => {
    const { listing, seller } = await sale('seller-home', 'bech32m');
    const { fill } = await filled('filler-home', { listing });
    await smith.accepted(fill);
    await regtest.mine(1);
    await regtest.rpc('loadwallet', [seller]);
    const coins = await smith.coinsOf(seller);
    assert.deepEqual(coins, [{ ...listing.payout, outpoint: `${fill.txid}:2` }]);
  });

  test('a child on the change lifts both to the wanted feerate, and the claim still fits', async () => {
    const { listing } = await sale('seller-bump', 'bech32m');
    const { fill, wallet, paying, terms } = await filled('filler-bump', { listing });
    await smith.accepted(fill);
    const child = buildBumpTransaction({ ...paying, lock: fill, replaces: [], feerateSatVb: 10 });
    await smith.accepted({ ...child, raw: await smith.signedBy(wallet, child) });
    type Entry = { descendantsize: number; fees: { descendant: number } };
    const entry = await regtest.rpc<Entry>('getmempoolentry', [fill.txid]);
    assert.equal(Math.round(entry.fees.descendant * 1e8), 10 * entry.descendantsize);
    await regtest.mine(1);
    await smith.accepted(buildClaim(smith.request(terms, `${fill.txid}:1`)));
  });

  test('the abort replaces the fill and its child, and the listing is as good as before', async () => {
    const { listing } = await sale('seller-abort', 'bech32');
    const { fill, wallet, paying, terms } = await filled('filler-abort', { listing });
    await smith.accepted(fill);
    const child = buildBumpTransaction({ ...paying, lock: fill, replaces: [], feerateSatVb: 10 });
    const signedChild = { ...child, raw: await smith.signedBy(wallet, child) };
    await smith.accepted(signedChild);
    const replaces = [replacedOf(fill), replacedOf(signedChild)];
    const abort = buildFillAbort({ ...paying, terms, fill, replaces, lost: [] });
    await smith.accepted({ ...abort, raw: await smith.signedBy(wallet, abort) });
    for (const txid of [fill.txid, child.txid]) await assert.rejects(regtest.rpc('getmempoolentry', [txid]));
    await regtest.mine(1);
    await smith.refused(fill.raw, /bad-txns-inputs-missingorspent|missing-inputs/);
    const again = await filled('filler-again', { listing });
    await smith.accepted(again.fill);
  });

  test('a seller who withdraws by spending his output leaves nothing to be filled', async () => {
    const { listing, seller } = await sale('seller-gone', 'bech32m');
    const { fill } = await filled('filler-gone', { listing });
    await regtest.rpc('loadwallet', [seller]);
    await regtest.rpc('sendall', [[await regtest.address()]], seller);
    await regtest.mine(1);
    await smith.refused(fill.raw, /bad-txns-inputs-missingorspent|missing-inputs/);
  });
});
