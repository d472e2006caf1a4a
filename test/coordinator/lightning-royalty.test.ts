import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import { keyPath } from 'sparkle-protocol/protocol/listing.suite';
import { certificates, Creator } from '../../packages/coordinator/src/royalties/creator.suite.ts';
import { invoiceBy, preimageOf } from '../../packages/coordinator/src/royalties/payouts.suite.ts';
import { Booth, BOOTH_SEED, type Bought } from './booth.ts';
import { beforeShowing } from './dishonest.ts';

const ROYALTY_BPS = 500;
const ROYALTY_SATS = 3_000;
const ROYALTY_MSAT = 3_000_000n;

describe('a royalty to a creator who has a Lightning address alone', () => {
  let booth: Booth;
  let creator: Creator;
  let collectionId: string;
  let items = 0;
  /** Msat in the coordinator's channels and in the creator's, before the first sale. */
  let opening: { ours: bigint; creators: bigint };

  async function open({ overLightning = true } = {}): Promise<void> {
    let invoices = 0;
    creator = await Creator.open((wanted) => {
      const preimage = preimageOf((invoices += 1));
      const of = { ...wanted, preimage, nowSeconds: booth.nowSeconds() };
      return invoiceBy(booth.nodes.creator, of, { seed: BOOTH_SEED });
    });
    booth = await Booth.open({
      royalties: { overLightning, routeFeeBps: 100, privateOrigins: [creator.origin] },
      lnurlReach: { ca: certificates.ca, resolve: async () => ['127.0.0.1'], timeoutMilliseconds: 5_000 },
    });
    const royalties = { bps: ROYALTY_BPS, recipients: [{ label: 'artist', lightning_address: creator.address }] };
    const genesis = { p: 'sparkle', op: 'genesis', version: 1, collection: { name: 'Stars' }, royalties };
    collectionId = (await booth.inscribed(JSON.stringify(genesis))).inscriptionId;
    opening = balances();
  }
  beforeEach(() => open());
  afterEach(async () => {
    await booth.close();
    await creator.close();
  });

  const balances = () => ({
    ours: booth.nodes.coordinator.balanceMsat(),
    creators: booth.nodes.creator.balanceMsat(),
  });
  const cameMsat = (): bigint => balances().creators - opening.creators;
  const inBooks = async (name: string): Promise<bigint> =>
    (await booth.ledger.balances()).find(({ account }) => account === name)?.balanceMsat ?? 0n;

  async function listed(): Promise<string> {
    const token = { id: (items += 1) };
    const child = { p: 'sparkle', op: 'child', version: 1, collection_ref: collectionId, token };
    return (await booth.listed(JSON.stringify(child))).inscriptionId;
  }

  async function locked(inscriptionId: string): Promise<Bought> {
    const bought = await booth.prepared(inscriptionId);
    await booth.pay(bought);
    await booth.reaches(bought, 'broadcast');
    await booth.mine(1);
    return bought;
  }

  async function claimed(bought: Bought): Promise<void> {
    const { lock } = await beforeShowing(booth, { bought, answer: (await booth.proof(bought)).answer });
    assert.ok(lock !== undefined);
    const { claim, preimage } = bought.keys;
    const { raw } = buildClaim({
      ...{ terms: lock.terms, lockOutpoint: lock.outpoint, destination: keyPath.address, preimage },
      ...{ claimSecret: claim.secret, auxRand: new Uint8Array(32), feerateSatVb: 1, maxFeeSats: 10_000n },
    });
    await booth.chain.broadcast([raw]);
    await booth.reaches(bought, 'confirmed');
  }

  test('is part of the price, and is paid when the sale is, not before and once', async () => {
    const bought = await locked(await listed());
    const { pricing, max_total_sats: total } = bought.quote;
    assert.equal(pricing.creator_royalty_sats, ROYALTY_SATS);
    assert.equal(
      total,
      Object.values(pricing).reduce((sum, part) => sum + part, 0),
    );
    assert.deepEqual([creator.asked, await inBooks('owed_royalties')], [[], 0n]);
    await claimed(bought);
    await booth.mineUntil(() => cameMsat() === ROYALTY_MSAT);
    await booth.mine(20);
    assert.deepEqual([cameMsat(), creator.asked.length], [ROYALTY_MSAT, 2]);
    assert.deepEqual([await inBooks('royalties'), await inBooks('owed_royalties')], [ROYALTY_MSAT, 0n]);
    assert.equal(await inBooks('lightning'), balances().ours - opening.ours);
    assert.equal(balances().ours - opening.ours, BigInt(total) * 1000n - ROYALTY_MSAT);
    assert.deepEqual(await booth.ledger.unbalanced(), []);
  });

  test('is not owed for a sale that its buyer left, and is charged to the next, who brings it to the creator', async () => {
    const inscriptionId = await listed();
    const left = await locked(inscriptionId);
    await booth.mineUntil(async () => (await booth.statusOf(left)) === 'failed');
    const quoted = async () =>
      (await booth.ask('POST', '/v1/quote', { body: { inscription_id: inscriptionId } })).status;
    await booth.mineUntil(async () => (await quoted()) === 200);
    assert.deepEqual([cameMsat(), await inBooks('royalties')], [0n, 0n]);
    const bought = await locked(inscriptionId);
    const { seller_sats: cost, creator_royalty_sats: royalty } = bought.quote.pricing;
    assert.deepEqual([cost, royalty], [60_000, ROYALTY_SATS]);
    await claimed(bought);
    await booth.mineUntil(() => cameMsat() === ROYALTY_MSAT);
  });

  test('stays owed when nobody answers for the creator, and the sale ends as any other', async () => {
    creator.instead = () => ({ status: 500, body: 'closed' });
    const bought = await locked(await listed());
    await claimed(bought);
    await booth.mineUntil(async () => (await inBooks('owed_royalties')) === -ROYALTY_MSAT);
    assert.deepEqual([await booth.statusOf(bought), cameMsat()], ['confirmed', 0n]);
  });

  test('is neither charged nor paid where the operator does not pay over Lightning', async () => {
    await booth.close();
    await creator.close();
    await open({ overLightning: false });
    const bought = await locked(await listed());
    assert.equal(bought.quote.pricing.creator_royalty_sats, 0);
    await claimed(bought);
    await booth.mine(10);
    assert.deepEqual([creator.asked, cameMsat(), await inBooks('royalties')], [[], 0n, 0n]);
  });
});
