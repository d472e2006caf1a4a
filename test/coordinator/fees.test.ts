import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { decodeTransaction, type Decoded } from 'sparkle-protocol/protocol/draft';
import { scriptOf, withoutBitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { ASKED_SATS, type Bought, PATIENCE, Shop } from './shop.ts';

const ROYALTY_BPS = 500;

describe('the money of a sale', { skip: withoutBitcoind }, () => {
  let shop: Shop;
  /** Where the artist of the collection is paid. */
  let artist: string;
  let collectionId: string;

  before(async () => {
    shop = await Shop.open();
    artist = await shop.owner.address();
    const recipients = [{ label: 'artist', address: artist }];
    const royalties = { bps: ROYALTY_BPS, recipients };
    const genesis = { p: 'sparkle', op: 'genesis', version: 1, collection: { name: 'Stars' }, royalties };
    ({ inscriptionId: collectionId } = await shop.owner.inscribe(JSON.stringify(genesis)));
  });
  after(() => shop?.close());

  const child = (id: number) =>
    JSON.stringify({ p: 'sparkle', op: 'child', version: 1, collection_ref: collectionId, token: { id } });
  const sumOf = (parts: readonly bigint[]) => parts.reduce((sum, sats) => sum + sats, 0n);

  /** What a transaction spends, as the chain has it. */
  async function spentBy({ inputs }: Decoded): Promise<bigint[]> {
    const values = inputs.map(async ({ outpoint }) => {
      const [txid = '', vout] = outpoint.split(':');
      const parent = await shop.world.buyer.chain.transaction(txid);
      return decodeTransaction(parent?.raw ?? '').outputs[Number(vout)]?.valueSats ?? 0n;
    });
    return Promise.all(values);
  }

  async function isForSale(inscriptionId: string): Promise<QuoteWire | undefined> {
    const body = { inscription_id: inscriptionId };
    const { status, answer } = await shop.house.ask<QuoteWire>('POST', '/v1/quote', { body });
    return status === 200 ? answer : undefined;
  }

  async function paidAndLocked(bought: Bought): Promise<Decoded> {
    await shop.pay(bought);
    await shop.reaches(bought.checkout, 'broadcast');
    await shop.mine(1);
    return decodeTransaction((await shop.proof(bought.checkout)).lock?.raw ?? '');
  }

  test('adds up in the transaction that fills the listing: seller, creator, lock, fee, and what remains is ours', async () => {
    const { inscribed, payoutAddress } = await shop.listed(child(1));
    const bought = await shop.prepared(inscribed.inscriptionId);
    const { pricing, max_total_sats: total } = bought.quote;
    assert.equal(pricing.creator_royalty_sats, 3_000);
    assert.equal(
      total,
      Object.values(pricing).reduce((sum, part) => sum + part, 0),
    );
    const before = await shop.world.buyer.lightning.balance();
    const fill = await paidAndLocked(bought);
    const paidTo = (address: string) =>
      sumOf(fill.outputs.filter(({ script }) => script === scriptOf(address)).map(({ valueSats }) => valueSats));
    assert.equal(paidTo(payoutAddress), BigInt(pricing.seller_sats));
    assert.equal(paidTo(artist), BigInt(pricing.creator_royalty_sats));
    assert.equal(await shop.owner.receivedSats(artist), 3_000n);
    const [roomA = 0n, roomB = 0n, postage = 0n, ...coins] = await spentBy(fill);
    const [room, lock, seller, royalty, change = { valueSats: 0n }] = fill.outputs;
    const feeSats = sumOf([roomA, roomB, postage, ...coins]) - sumOf(fill.outputs.map(({ valueSats }) => valueSats));
    assert.deepEqual([room?.valueSats, postage, fill.outputs.length], [roomA + roomB, inscribed.valueSats, 5]);
    assert.deepEqual([seller?.valueSats, royalty?.valueSats], [ASKED_SATS, 3_000n]);
    const reserve = (lock?.valueSats ?? 0n) - postage;
    const ours = sumOf(coins) - change.valueSats;
    assert.equal(ours, ASKED_SATS + 3_000n + reserve + feeSats);
    // What was named for the chain paid for the chain.
    assert.ok(reserve + feeSats <= BigInt(pricing.estimated_l1_fee_sats), `${reserve} + ${feeSats}`);
    const held = BigInt(total) * 1000n;
    const hasLeft = async () => before.ownedMsat - (await shop.world.buyer.lightning.balance()).ownedMsat === held;
    await until('exactly what was quoted has left the buyer', hasLeft, PATIENCE);
  });

  test('has no royalty that the genesis does not declare, and no other collection than the item names', async () => {
    const { inscribed } = await shop.listed(child(2));
    const { body } = await shop.asked(inscribed.inscriptionId);
    const prepare = (changed: unknown) => shop.refusal('POST', '/api/checkout/prepare', { body: changed });
    const { pricing } = body;
    const less = { ...pricing, creator_royalty_sats: 0, market_fee_sats: pricing.market_fee_sats + 3_000 };
    assert.deepEqual(await prepare({ ...body, pricing: less }), [400, 'bad_amount pricing.creator_royalty_sats']);
    const other = { ...body, collection_ref: inscribed.inscriptionId };
    assert.deepEqual(await prepare(other), [400, 'bad_message collection_ref']);
    const named = { ...body, collection_ref: collectionId };
    assert.equal((await shop.house.ask('POST', '/api/checkout/prepare', { body: named })).status, 200);
  });

  test('is, for an item that a buyer left behind, what it has cost: the creator is not paid twice', async () => {
    const { inscriptionId } = (await shop.listed(child(3))).inscribed;
    const before = await shop.owner.receivedSats(artist);
    const bought = await shop.prepared(inscriptionId);
    await paidAndLocked(bought);
    const isOver = async () => {
      if ((await shop.state(bought.checkout)).status === 'failed') return true;
      await shop.mine(5);
      return false;
    };
    await until('the lock was taken back', isOver, PATIENCE);
    await until('it is for sale again', async () => (await isForSale(inscriptionId)) !== undefined, PATIENCE);
    const { pricing } = await shop.quoted(inscriptionId);
    assert.deepEqual([pricing.seller_sats, pricing.creator_royalty_sats], [63_000, 0]);
    assert.equal(await shop.owner.receivedSats(artist), before + 3_000n);
  });
});
