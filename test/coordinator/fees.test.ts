import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import { decodeTransaction, type Decoded } from 'sparkle-protocol/protocol/draft';
import { readMessage, type TradeQuote } from 'sparkle-protocol/protocol/messages';
import { scriptOf, withoutBitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { ASKED_SATS, type Bought, PATIENCE, Shop } from './shop.ts';

const ROYALTY_BPS = 500;

describe('the money of a sale', { skip: withoutBitcoind }, () => {
  let shop: Shop;
  /** Where the artist of the collection is paid. */
  let artist: string;
  let collectionId: string;
  /** Sats in the coordinator's wallet, and msat in its channels, before the first sale. */
  let opening: { walletSats: bigint; lightningMsat: bigint };

  before(async () => {
    shop = await Shop.open();
    artist = await shop.owner.address();
    const recipients = [{ label: 'artist', address: artist }];
    const royalties = { bps: ROYALTY_BPS, recipients };
    const genesis = { p: 'sparkle', op: 'genesis', version: 1, collection: { name: 'Stars' }, royalties };
    ({ inscriptionId: collectionId } = await shop.owner.inscribe(JSON.stringify(genesis)));
    opening = await holdings();
  });
  after(() => shop?.close());

  async function holdings(): Promise<typeof opening> {
    const { wallet, lightning } = shop.world.seller;
    const walletSats = sumOf((await wallet.coins()).map(({ valueSats }) => valueSats));
    return { walletSats, lightningMsat: (await lightning.balance()).ownedMsat };
  }

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

  test('of a sale whose owner moved his inscription while the fill waited is what taking the fill back has cost', async () => {
    const { inscribed, payoutAddress } = await shop.listed(child(5));
    const bought = await shop.prepared(inscribed.inscriptionId);
    const moved = await shop.owner.movingAway(inscribed);
    const before = await holdings();
    await shop.pay(bought);
    await shop.reaches(bought.checkout, 'broadcast');
    // No node relays it beside the fill, but a miner may have it.
    await shop.world.regtest.generateBlock([moved]);
    const isOver = async () => {
      if ((await shop.state(bought.checkout)).status === 'failed') return true;
      await shop.mine(1);
      return false;
    };
    await until('the fill was taken back', isOver, PATIENCE);
    assert.equal(await shop.owner.receivedSats(payoutAddress), 0n);
    const { walletSats, lightningMsat } = await holdings();
    assert.equal(lightningMsat, before.lightningMsat);
    const lostSats = before.walletSats - walletSats;
    const tradeId = (bought.checkout.trade_id ?? '').replaceAll('-', '');
    const booked = async () => shop.house.ledger.ofTrade(tradeId);
    const isBooked = async () => {
      await shop.mine(1);
      return (await booked()).length > 0;
    };
    await until('it is in the books', isBooked, PATIENCE);
    const lines = (await booked()).map(({ account, msat, why }) => [why, account, msat / 1000n]);
    assert.ok(lostSats > 0n);
    assert.deepEqual(lines, [
      ['aborted', 'coins', -lostSats],
      ['aborted', 'chain_fees', lostSats],
    ]);
  });

  /** The buyer claims by himself, and needs nobody to send it. */
  async function claimed({ keys, checkout }: Bought): Promise<void> {
    const { messages, lock } = await shop.proof(checkout);
    const offered = readMessage(messages[0] ?? '', { nowSeconds: 0 }).message as TradeQuote;
    const { paymentHash, claim, preimage } = keys;
    const terms = { ...offered.signed, refundHeight: offered.refundHeight, paymentHash, claimKey: claim.public };
    const { raw } = buildClaim({
      ...{ terms, lockOutpoint: lock?.outpoint ?? '', preimage },
      ...{ destination: await shop.world.buyer.wallet.address(), claimSecret: claim.secret },
      ...{ auxRand: new Uint8Array(32), feerateSatVb: 2, maxFeeSats: 10_000n },
    });
    await shop.world.buyer.chain.broadcast([raw]);
    await shop.reaches(checkout, 'confirmed');
  }

  test('is in the books to the sat, as the wallet and the node have it', async () => {
    const bought = await shop.prepared((await shop.listed(child(4))).inscribed.inscriptionId);
    await paidAndLocked(bought);
    await claimed(bought);
    const inBooks = async (name: string) =>
      (await shop.house.ledger.balances()).find(({ account }) => account === name)?.balanceMsat ?? 0n;
    const paidMsat = BigInt(bought.quote.max_total_sats) * 1000n;
    const isBooked = async () => {
      await shop.mine(1);
      return (await inBooks('delivered')) !== 0n && (await inBooks('sales')) !== 0n;
    };
    await until('the sale is in the books', isBooked, PATIENCE);
    const { walletSats, lightningMsat } = await holdings();
    assert.equal(((await inBooks('coins')) + (await inBooks('items'))) / 1000n, walletSats - opening.walletSats);
    assert.equal(await inBooks('lightning'), lightningMsat - opening.lightningMsat);
    assert.deepEqual([await inBooks('sales'), await inBooks('locks')], [-paidMsat, 0n]);
    assert.deepEqual(await shop.house.ledger.unbalanced(), []);
    const all = await shop.house.ledger.balances();
    assert.equal(sumOf(all.map(({ balanceMsat }) => balanceMsat)), 0n);
  });
});
