import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hex } from '@scure/base';
import { type MemoryChain, memoryChain } from 'sparkle-protocol/chain/memory';
import { memoryWallet } from 'sparkle-protocol/chain/memory-wallet';
import { type MemoryNetwork, memoryNetwork, type MemoryNode } from 'sparkle-protocol/lightning/memory';
import type { PreparedWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { memoryOrdinals } from 'sparkle-protocol/ordinals/memory';
import { addressScript } from 'sparkle-protocol/protocol/draft';
import { identityKey, type TradeKeys, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { buildListing } from 'sparkle-protocol/protocol/listing';
import { keyPath, payoutAddress, signed } from 'sparkle-protocol/protocol/listing.suite';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Trader } from 'sparkle-protocol/trader/trader';
import { type Database, openDatabase } from '../../packages/coordinator/src/database/database.ts';
import { noPressureLimits } from '../../packages/coordinator/src/http/limits.ts';
import { createLog } from '../../packages/coordinator/src/http/log.ts';
import { Ledger } from '../../packages/coordinator/src/books/ledger.ts';
import { Webhooks } from '../../packages/coordinator/src/news/webhooks.ts';
import { Service, type ServiceParts } from '../../packages/coordinator/src/operate/service.ts';
import { config } from '../../world/house.ts';
import { until } from '../regtest/kept-process.ts';
import { commitOutput, commitSats, revealTransaction } from '../regtest/inscribe.ts';
import { buyerWith, checkoutBody, listingBody } from './buyer-http.ts';

/** From which the keys of its Lightning nodes follow. */
export const BOOTH_SEED = 'booth';
export const ASKED_SATS = 60_000n;
const NOW = 1_800_000_000;
export const POSTAGE_SATS = 10_000n;
const COIN_SATS = 300_000n;
const COINS = 8;
/** Fast blocks, so that an invoice lives long enough in blocks. */
const BLOCK_SECONDS = 30;
const MOST_ROUNDS = 40;
const MOST_BLOCKS = 200;

export const seeds = {
  coordinator: new Uint8Array(64).fill(1),
  buyer: new Uint8Array(64).fill(2),
  stranger: new Uint8Array(64).fill(3),
};

export type Inscribed = { inscriptionId: string; outpoint: string };
export type Answer<Body> = { status: number; answer: Body };
export type Asking = { body?: unknown; token?: string };
/** Between the coordinator and whoever asks: what comes out of `answer` is what he gets. */
export type Tamper = {
  ask?: (path: string, asking: Asking) => Asking;
  answer?: (path: string, body: unknown) => unknown;
};
export type Bought = { quote: QuoteWire; keys: TradeKeys; prepared: PreparedWire };

/** What its operator has decided otherwise, and how services of Lightning addresses are reached. */
type Decided = Partial<
  Pick<ServiceParts['config'], 'fees' | 'limits' | 'royalties' | 'listers'> & Pick<ServiceParts, 'lnurlReach'>
>;

/** Webhooks are taken here, and nobody is told anything. */
const guard = {
  ...{ privateOrigins: [], ca: undefined, timeoutMilliseconds: 1_000 },
  resolve: async () => ['8.8.8.8'],
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * The whole coordinator with nothing outside this process but its SQLite file: chain, Lightning and index are in memory. Time
 * passes with the blocks alone.
 */
export class Booth {
  readonly chain: MemoryChain;
  readonly network: MemoryNetwork;
  readonly nodes: { coordinator: MemoryNode; buyer: MemoryNode; stranger: MemoryNode; creator: MemoryNode };
  readonly clock: Clock;
  readonly url = 'http://127.0.0.1:8080';
  readonly #folder = mkdtempSync(join(tmpdir(), 'sparkle-booth-'));
  service!: Service;
  #database!: Database;
  #startHeight = 0;
  #index = 0;
  #randomBytes = 0;

  private constructor() {
    this.clock = {
      nowSeconds: () => this.nowSeconds(),
      randomBytes: (length) => this.#bytes(length),
      every: () => () => {},
    };
    this.chain = memoryChain({ network: 'regtest', seed: 7, nowSeconds: () => this.nowSeconds() });
    this.network = memoryNetwork({ network: 'regtest', seed: BOOTH_SEED, height: 200, nowSeconds: NOW });
    const node = (name: string) => this.network.addNode({ name, balanceMsat: 2_000_000_000n });
    const strangers = { stranger: node('stranger'), creator: node('creator') };
    this.nodes = { coordinator: node('coordinator'), buyer: node('buyer'), ...strangers };
  }

  static async open({ fees, limits, royalties, listers = 'anyone', ...change }: Decided = {}): Promise<Booth> {
    const decided = {
      fees: fees ?? config.fees,
      limits: limits ?? config.limits,
      royalties: royalties ?? config.royalties,
    };
    const booth = new Booth();
    booth.#startHeight = (await booth.chain.tip()).height;
    booth.network.setHeight(booth.#startHeight);
    const wallet = memoryWallet({ chain: booth.chain, network: 'regtest', secret: new Uint8Array(32).fill(1) });
    for (let coins = 0; coins < COINS; coins += 1)
      booth.chain.control.pay({ script: addressScript(await wallet.address(), 'regtest'), sats: COIN_SATS });
    booth.#advance(1);
    booth.#database = await openDatabase({ url: `sqlite:${join(booth.#folder, 'db')}`, network: 'regtest' });
    const { chain, clock } = booth;
    const log = createLog({ level: 'silent' });
    booth.service = await Service.open({
      ...{ chain: chain.control.peer(), wallet, clock, database: booth.#database, seed: seeds.coordinator },
      ...{ lightning: booth.nodes.coordinator.lightning, ordinals: memoryOrdinals({ chain }) },
      config: { ...config, ...decided, api: { ...config.api, publicUrl: booth.url }, listers },
      ...{ log, version: '2.0.0', webhooks: new Webhooks({ tables: booth.#database.tables, clock, log, guard }) },
      ...{ tickMilliseconds: 60_000, pressure: noPressureLimits, ...change },
    });
    return booth;
  }

  async close(): Promise<void> {
    await this.service.close();
    await this.#database.close();
    rmSync(this.#folder, { recursive: true });
  }

  get ledger(): Ledger {
    return new Ledger(this.#database);
  }

  get coordinatorKey(): { public: string; secret: Uint8Array } {
    return identityKey({ seed: seeds.coordinator, network: 'regtest' });
  }

  nowSeconds(): number {
    return NOW + BLOCK_SECONDS * (this.network === undefined ? 0 : this.network.height() - this.#startHeight);
  }

  /** Bytes that differ each time and are the same in each run. */
  #bytes(length: number): Uint8Array {
    this.#randomBytes += 1;
    const count = this.#randomBytes;
    return new Uint8Array(length).map((_byte, index) => ((count >> (8 * (index % 3))) + index * 13) % 256);
  }

  #advance(blocks: number): void {
    this.chain.control.mine(blocks);
    this.network.setHeight(this.network.height() + blocks);
    this.network.setTime(this.nowSeconds());
  }

  async mine(blocks: number): Promise<void> {
    this.#advance(blocks);
    await this.settle();
  }

  /** Until the coordinator has done what it can do without another block. */
  async settle(): Promise<void> {
    for (let round = 0; round < 6; round += 1) {
      await turn();
      await this.service.trader.look();
      await this.service.trader.idle();
    }
  }

  /** Until the coordinator and these have taken all letters to them, and done what follows without another block. */
  async exchanged(traders: readonly Trader[]): Promise<void> {
    const recipients = [this.service.trader.id, ...traders.map(({ id }) => id)];
    await until('all letters to be taken', async () => {
      await Promise.all([this.settle(), ...traders.map((trader) => trader.look())]);
      await Promise.all(traders.map((trader) => trader.idle()));
      return this.#areTaken(recipients);
    });
  }

  async #areTaken(recipients: readonly string[]): Promise<boolean> {
    const waiting = await this.#database.tables
      .selectFrom('mailbox')
      .leftJoin('mailbox_mark', 'mailbox_mark.recipient', 'mailbox.recipient')
      .select('mailbox.seq')
      .where('mailbox.recipient', 'in', recipients)
      .where(({ eb, fn, val }) => eb('mailbox.seq', '>', fn.coalesce('mailbox_mark.acked', val(0))))
      .limit(1)
      .execute();
    return waiting.length === 0;
  }

  async ask<Body>(method: 'GET' | 'POST' | 'DELETE', path: string, asking: Asking = {}, tamper: Tamper = {}) {
    const { body, token } = tamper.ask?.(path, asking) ?? asking;
    const response = await this.service.app.inject({
      ...{ method, url: path, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    const given: unknown = response.json();
    const answer = (tamper.answer === undefined ? given : tamper.answer(path, given)) as Body;
    return { status: response.statusCode, answer };
  }

  /** An inscription of somebody who has nothing but a wallet, in a block. */
  async inscribed(text: string, address = keyPath.address): Promise<Inscribed> {
    const envelope = { body: new TextEncoder().encode(text), contentType: 'text/plain' };
    const commit = commitOutput([envelope]);
    const valueSats = commitSats(POSTAGE_SATS, [envelope]);
    const outpoint = this.chain.control.pay({ script: hex.encode(commit.payment.script), sats: valueSats });
    this.#advance(1);
    const outputs = [{ address, valueSats: POSTAGE_SATS }];
    const { raw, txid } = revealTransaction({ commit, outpoint, valueSats, outputs });
    this.chain.control.mineExactly([raw]);
    this.network.setHeight(this.network.height() + 1);
    return { inscriptionId: `${txid}i0`, outpoint: `${txid}:0` };
  }

  listing({ inscriptionId, outpoint }: Inscribed, priceSats = ASKED_SATS): Record<string, unknown> {
    const unsigned = buildListing({
      ...{ network: 'regtest', inscriptionId, offsetSats: 0n, priceSats, payoutAddress },
      source: { outpoint, valueSats: POSTAGE_SATS, script: addressScript(keyPath.address, 'regtest') },
    });
    return listingBody({ inscriptionId, priceSats, payoutAddress, psbt: signed(unsigned, keyPath) });
  }

  async listed(text: string, priceSats = ASKED_SATS): Promise<Inscribed & { tradeId: string; token: string }> {
    const inscribed = await this.inscribed(text);
    const body = this.listing(inscribed, priceSats);
    const { status, answer } = await this.ask<{ trade_id: string; token: string }>('POST', '/v1/trade', { body });
    assert.equal(status, 201, JSON.stringify(answer));
    return { ...inscribed, tradeId: answer.trade_id, token: answer.token };
  }

  keys(): TradeKeys {
    return tradeKeys({ seed: seeds.buyer, network: 'regtest', index: (this.#index += 1) });
  }

  async prepared(inscriptionId: string, tamper: Tamper = {}): Promise<Bought> {
    const asked = { body: { inscription_id: inscriptionId } };
    const { status, answer: quote } = await this.ask<QuoteWire>('POST', '/v1/quote', asked, tamper);
    assert.equal(status, 200, JSON.stringify(quote));
    const keys = this.keys();
    const body = checkoutBody(quote, buyerWith(keys, keyPath.address));
    const made = await this.ask<PreparedWire>('POST', '/api/checkout/prepare', { body }, tamper);
    assert.equal(made.status, 200, JSON.stringify(made.answer));
    return { quote, keys, prepared: made.answer };
  }

  async pay({ prepared }: Bought): Promise<void> {
    const pay = { maxFeeMsat: 100_000n, maxCltvBlocks: 432, timeoutSeconds: 60 };
    await this.nodes.buyer.lightning.pay({ bolt11: prepared.invoice ?? '', ...pay });
    await this.settle();
  }

  async statusOf({ prepared: { checkout_id } }: Bought, tamper: Tamper = {}): Promise<string> {
    const asked = { body: { checkout_id } };
    return (await this.ask<{ status: string }>('POST', '/api/checkout/status', asked, tamper)).answer.status;
  }

  /** Mines until it holds. */
  async mineUntil(holds: () => Promise<boolean> | boolean): Promise<void> {
    for (let block = 0; block < MOST_BLOCKS; block += 1) {
      if (await holds()) return;
      await this.mine(1);
    }
    assert.fail(`it does not hold after ${MOST_BLOCKS} blocks`);
  }

  /** Mines until a checkout has a status. */
  async reaches(bought: Bought, status: string): Promise<void> {
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const is = await this.statusOf(bought);
      if (is === status) return;
      await this.mine(1);
    }
    assert.fail(`it is ${await this.statusOf(bought)} and not ${status}`);
  }

  proof({ prepared: { trade_id: id, token } }: Bought, tamper: Tamper = {}): Promise<Answer<unknown>> {
    return this.ask('GET', `/v1/trade/${id}/proof`, { token }, tamper);
  }
}
