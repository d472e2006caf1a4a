import assert from 'node:assert/strict';
import type { CheckoutStateWire, PreparedWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import type { Market } from 'sparkle-protocol/market/market';
import { addressScript } from 'sparkle-protocol/protocol/draft';
import { keyPath } from 'sparkle-protocol/protocol/listing.suite';
import type { Trader } from 'sparkle-protocol/trader/trader';
import { type Say, traderAt } from './booth-trader.ts';
import { ASKED_SATS, Booth, type Bought, type Inscribed, POSTAGE_SATS } from './booth.ts';
import { buyerWith, checkoutBody } from './buyer-http.ts';

const MOST_ROUNDS = 600;
const COIN_SATS = 300_000n;

/** A coordinator in memory, and a seller with a node of his own who sells through it. */
export class Passing {
  readonly booth: Booth;
  readonly seller: Trader;
  /** What the seller's letters say instead, from now on. */
  says: Say = (message) => message;
  readonly #market: Market;
  readonly #address: () => Promise<string>;

  private constructor(booth: Booth) {
    this.booth = booth;
    const says: Say = (message) => this.says(message);
    const { trader, market, wallet } = traderAt(booth, { seed: new Uint8Array(64).fill(42), node: 'stranger', says });
    this.seller = trader;
    this.#market = market;
    this.#address = () => wallet.address();
  }

  static async open(): Promise<Passing> {
    const passing = new Passing(await Booth.open());
    await passing.seller.start();
    return passing;
  }

  async close(): Promise<void> {
    await this.seller.stop();
    await this.#market.close();
    await this.booth.close();
  }

  /** An inscription of the seller's, on offer through the coordinator. */
  async offered(text: string): Promise<Inscribed> {
    const { booth } = this;
    booth.chain.control.pay({ script: addressScript(await this.#address(), 'regtest'), sats: COIN_SATS });
    const inscribed = await booth.inscribed(text, await this.#address());
    await this.seller.sell(
      {
        ...{ inscriptionId: inscribed.inscriptionId, priceSats: ASKED_SATS, modes: ['hold-first'], offsetSats: 0n },
        ...{ sourceOutpoint: inscribed.outpoint, sourceValueSats: POSTAGE_SATS, postageSats: POSTAGE_SATS },
        ...{ reserveSats: 10_000n, confirmations: 1, routeCapBlocks: 144, finalCltv: 40, maxRefundFeeSats: 50_000n },
        expiresAt: booth.nowSeconds() + 86_400,
      },
      { forward: true },
    );
    return inscribed;
  }

  async quoted(inscriptionId: string): Promise<QuoteWire> {
    const { status, answer } = await this.booth.ask<QuoteWire>('POST', '/v1/quote', {
      body: { inscription_id: inscriptionId },
    });
    assert.equal(status, 200, JSON.stringify(answer));
    return answer;
  }

  async state({ prepared: { checkout_id } }: Bought): Promise<CheckoutStateWire> {
    const asked = { body: { checkout_id } };
    return (await this.booth.ask<CheckoutStateWire>('POST', '/api/checkout/status', asked)).answer;
  }

  /** A checkout of this quote, as the coordinator answers it: the seller has been asked and has not answered. */
  async asked(inscriptionId: string, seen: (quote: QuoteWire) => QuoteWire = (quote) => quote): Promise<Bought> {
    const quote = seen(await this.quoted(inscriptionId));
    const keys = this.booth.keys();
    const body = checkoutBody(quote, buyerWith(keys, keyPath.address));
    const made = await this.booth.ask<PreparedWire>('POST', '/api/checkout/prepare', { body });
    assert.equal(made.status, 200, JSON.stringify(made.answer));
    return { quote, keys, prepared: made.answer };
  }

  /** The same with the invoice, which `status` tells when the seller has answered. */
  async invoiced(bought: Bought): Promise<Bought> {
    let invoice: string | undefined;
    const isThere = async (): Promise<boolean> => (invoice = (await this.state(bought)).invoice) !== undefined;
    await this.plays('an invoice', isThere, { blocks: 0 });
    return { ...bought, prepared: { ...bought.prepared, invoice: invoice ?? null } };
  }

  /** Pays and plays until what the coordinator shows has a lock in it. */
  async locked(text: string, says?: Say): Promise<Bought> {
    const { inscriptionId } = await this.offered(text);
    const bought = await this.invoiced(await this.asked(inscriptionId));
    if (says !== undefined) this.says = says;
    await this.booth.pay(bought);
    const isAnnounced = async () => (await this.messages(bought)).length === 2;
    await this.plays('an announcement', isAnnounced);
    return bought;
  }

  async messages(bought: Bought): Promise<string[]> {
    return ((await this.booth.proof(bought)).answer as { messages: string[] }).messages;
  }

  async reaches(bought: Bought, status: string, how: { blocks?: number } = {}): Promise<void> {
    await this.plays(status, async () => (await this.state(bought)).status === status, how);
  }

  /** Until something is so: whenever all letters are taken there is a block. */
  async plays(what: string, isSo: () => Promise<boolean>, { blocks = 1 } = {}): Promise<void> {
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      await this.booth.exchanged([this.seller]);
      if (await isSo()) return;
      await this.booth.mine(blocks);
    }
    assert.fail(`${what} must come; it did not`);
  }
}
