import assert from 'node:assert/strict';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { authDigest } from 'sparkle-protocol/market/coordinator-signing';
import type {
  CheckoutStateWire,
  PreparedWire,
  PrepareWire,
  ProofWire,
  QuoteWire,
} from 'sparkle-protocol/market/checkout-wire';
import { identityKey, rescueSeed, type TradeKeys, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { House, type HouseLimits } from '../../world/house.ts';
import { ldkNodes } from '../../world/nodes.ts';
import { Owner } from '../../world/owner.ts';
import { createWorld, type World } from '../../world/world.ts';
import type { Inscribed } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { buyerWith, checkoutBody, claimOf, listingBody, termsIn } from './buyer-http.ts';

export const ASKED_SATS = 60_000n;
export const PATIENCE = { patienceMilliseconds: 60_000 };
const BUYER_SEED = rescueSeed('letter advice cage absurd amount doctor acoustic avoid letter advice cage above');
const COINS = 8;

type HouseOpening = { databaseUrl?: string; limits?: HouseLimits; listers?: readonly string[] };

/** The answer to a request that is refused. */
export type Refused = { error: string; message: string; field?: string };
export type Bought = { quote: QuoteWire; keys: TradeKeys; checkout: PreparedWire };

/** A coordinator with coins on the world's chain, an owner who lists, and a buyer who knows HTTP and nothing of ours. */
export class Shop {
  readonly world: World;
  readonly house: House;
  readonly owner: Owner;
  /** Of all coordinators of a world: the node that they have knows each payment hash that was ever used. */
  readonly #lastKey: { index: number };

  private constructor(of: Pick<Shop, 'world' | 'house' | 'owner'>, lastKey = { index: 0 }) {
    this.world = of.world;
    this.house = of.house;
    this.owner = of.owner;
    this.#lastKey = lastKey;
  }

  static async open(opening: HouseOpening = {}): Promise<Shop> {
    const world = await createWorld({ log: () => {}, openNodes: ldkNodes });
    const owner = await Owner.open(world, 'owner');
    for (let coins = 0; coins < COINS; coins += 1)
      await world.regtest.pay({ to: await world.seller.wallet.address(), sats: 300_000n });
    await world.mine(1);
    return new Shop({ world, owner, house: await House.open(world.seller, opening) });
  }

  /** A second coordinator in the same world, whose operator has decided otherwise. */
  static async beside(first: Shop, opening: HouseOpening): Promise<Shop> {
    const { world, owner } = first;
    return new Shop({ world, owner, house: await House.open(world.seller, opening) }, first.#lastKey);
  }

  /** The bearer token of somebody who has proven a key. */
  async session(): Promise<string> {
    const { house } = this;
    const me = identityKey({ seed: BUYER_SEED, network: 'regtest' });
    const public_key = me.public;
    const { answer } = await house.ask<{ challenge: string }>('POST', '/v1/auth/challenge', { body: { public_key } });
    const { challenge } = answer;
    const digest = authDigest({ challenge, host: new URL(house.url).host });
    const signature = hex.encode(schnorr.sign(digest, me.secret));
    const body = { public_key, challenge, signature };
    return (await house.ask<{ token: string }>('POST', '/v1/auth/session', { body })).answer.token;
  }

  async close(): Promise<void> {
    await this.house.close();
    await this.world.stop();
  }

  async mine(blocks: number): Promise<void> {
    await this.world.mine(blocks);
    await this.house.service.trader.look();
  }

  async listed(text: string): Promise<{ inscribed: Inscribed; payoutAddress: string; tradeId: string; token: string }> {
    const inscribed = await this.owner.inscribe(text);
    const { psbt, payoutAddress } = await this.owner.list(inscribed, ASKED_SATS);
    const { inscriptionId } = inscribed;
    const body = listingBody({ inscriptionId, priceSats: ASKED_SATS, payoutAddress, psbt });
    const { status, answer } = await this.house.ask<{ trade_id: string; token: string }>('POST', '/v1/trade', { body });
    assert.equal(status, 201, JSON.stringify(answer));
    return { inscribed, payoutAddress, tradeId: answer.trade_id, token: answer.token };
  }

  async quoted(inscriptionId: string): Promise<QuoteWire> {
    const body = { inscription_id: inscriptionId };
    const { status, answer } = await this.house.ask<QuoteWire>('POST', '/v1/quote', { body });
    assert.equal(status, 200, JSON.stringify(answer));
    return answer;
  }

  /** A checkout as the published document has it, with the buyer's payment hash and claim key. */
  async asked(inscriptionId: string): Promise<{ quote: QuoteWire; keys: TradeKeys; body: PrepareWire }> {
    const quote = await this.quoted(inscriptionId);
    const keys = tradeKeys({ seed: BUYER_SEED, network: 'regtest', index: (this.#lastKey.index += 1) });
    const buyer = buyerWith(keys, await this.world.buyer.wallet.address());
    return { quote, keys, body: checkoutBody(quote, buyer) };
  }

  async prepared(inscriptionId: string): Promise<Bought> {
    const { quote, keys, body } = await this.asked(inscriptionId);
    const { status, answer } = await this.house.ask<PreparedWire>('POST', '/api/checkout/prepare', { body });
    assert.equal(status, 200, JSON.stringify(answer));
    return { quote, keys, checkout: answer };
  }

  async pay({ checkout }: Bought): Promise<void> {
    const pay = { maxFeeMsat: 100_000n, maxCltvBlocks: 432, timeoutSeconds: 60 };
    await this.world.buyer.lightning.pay({ bolt11: checkout.invoice ?? '', ...pay });
  }

  async state({ checkout_id }: PreparedWire): Promise<CheckoutStateWire> {
    const body = { checkout_id };
    return (await this.house.ask<CheckoutStateWire>('POST', '/api/checkout/status', { body })).answer;
  }

  async proof({ trade_id: id, token }: PreparedWire): Promise<ProofWire> {
    return (await this.house.ask<ProofWire>('GET', `/v1/trade/${id}/proof`, { token })).answer;
  }

  /** Waits for a status; blocks come as long as the mempool has something for them. */
  async reaches(checkout: PreparedWire, status: string): Promise<void> {
    const isThere = async (): Promise<boolean> => {
      if ((await this.state(checkout)).status === status) return true;
      if ((await this.world.regtest.rpc<string[]>('getrawmempool')).length > 0) await this.mine(1);
      else await this.house.service.trader.look();
      return false;
    };
    await until(`the checkout is ${status}`, isThere, PATIENCE).catch(async (error: unknown) => {
      throw new Error(`it is ${JSON.stringify(await this.state(checkout))}`, { cause: error });
    });
  }

  /** What a request is refused with. */
  async refusal(
    method: string,
    path: string,
    given: { body?: unknown; token?: string } = {},
  ): Promise<[number, string]> {
    const { status, answer } = await this.house.ask<Refused>(method, path, given);
    return [status, answer.field === undefined ? answer.error : `${answer.error} ${answer.field}`];
  }

  /** A claim of the right form for the lock of this trade, whose signature is somebody else's. */
  async forgedClaim({ keys, checkout }: Bought): Promise<string> {
    const proof = await this.proof(checkout);
    const { claim } = tradeKeys({ seed: BUYER_SEED, network: 'regtest', index: 1_000 });
    const forger = { ...keys, claim };
    const terms = termsIn(proof, forger);
    assert.ok(terms !== undefined && proof.lock !== undefined);
    const address = await this.world.buyer.wallet.address();
    return claimOf({ keys: forger, address }, { terms, lockOutpoint: proof.lock.outpoint });
  }
}
