import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { addressScript } from 'sparkle-protocol/protocol/draft';
import type { PreparedWire, QuoteWire, TradeInvoiceWire } from 'sparkle-protocol/market/checkout-wire';
import { shownBy } from 'sparkle-protocol/market/coordinator-proof';
import { decodeInvoice } from 'sparkle-protocol/protocol/bolt11';
import { readDelivery } from 'sparkle-protocol/protocol/checks-delivery';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import type { TradeKeys } from 'sparkle-protocol/protocol/keys';
import { keyPath } from 'sparkle-protocol/protocol/listing.suite';
import { Booth, type Bought } from './booth.ts';
import { beforePaying, beforeShowing, wanted } from './dishonest.ts';

/** Part 4 of the published coordinator API, "Example Integration", as it stands there. */
const EXAMPLE = readFileSync(new URL('./published-example.txt', import.meta.url), 'utf8');
/** What it sells: its prices, and the royalty and market fee that lead to them. */
const SELLER_SATS = 1_400_000n;
const ROYALTY_BPS = 500;
const MARKET_FEE_SATS = 20_000n;
const MOST_POLLS = 40;

type Poll = () => Promise<void>;
type Answered = { path: string; status: number; answer: unknown };

/** Nothing of the example is changed but the three names that it leaves open. */
function filledIn({ inscriptionId, collectionId }: { inscriptionId: string; collectionId: string }): string {
  const names = { 'abc123...i0': inscriptionId, 'def456...i0': collectionId, 'bc1p...buyer...': keyPath.address };
  return Object.entries(names).reduce((text, [open, name]) => {
    assert.equal(text.split(open).length, 2, open);
    return text.replace(open, name);
  }, EXAMPLE);
}

/** The page in which the example runs: a fetch that knows where it is, a clock that waits for us, and a console. */
class Page {
  readonly answered: Answered[] = [];
  readonly lines: string[] = [];
  readonly polls: Poll[] = [];
  readonly #booth: Booth;

  constructor(booth: Booth) {
    this.#booth = booth;
  }

  readonly #fetch = async (path: string, init: { method: 'POST'; headers: object; body: string }) => {
    const body = JSON.parse(init.body) as unknown;
    const { status, answer } = await this.#booth.ask<unknown>(init.method, path, { body });
    this.answered.push({ path, status, answer });
    return { json: async () => answer };
  };

  async run(example: string): Promise<void> {
    const names = ['fetch', 'setTimeout', 'console'];
    const later = (poll: Poll, milliseconds: number): void => {
      assert.equal(milliseconds, 5_000);
      this.polls.push(poll);
    };
    const log = (...words: string[]): void => void this.lines.push(words.join(' '));
    // A page runs what stands in it; here that is a file of this repository.
    const run = Reflect.construct(AsyncFunction, [...names, example]) as (...given: unknown[]) => Promise<void>;
    await run(this.#fetch, later, { log });
  }

  last(): Answered {
    const last = this.answered.at(-1);
    assert.ok(last !== undefined);
    return last;
  }
}

/** Has no name of its own. */
const AsyncFunction = (async () => undefined).constructor;

/** What only a wallet can do, for the checkout that the example began. */
class ExampleWallet {
  readonly #booth: Booth;
  readonly #keys: TradeKeys;

  constructor(booth: Booth) {
    this.#booth = booth;
    this.#keys = booth.keys();
  }

  async pay(prepared: PreparedWire, quote: QuoteWire): Promise<Bought> {
    const booth = this.#booth;
    const keys = this.#keys;
    assert.deepEqual(prepared.needed, {
      fields: ['payment_hash', 'claim_key'],
      post_to: `/v1/trade/${prepared.trade_id}/invoice`,
    });
    const body = { payment_hash: keys.paymentHash, claim_key: keys.claim.public };
    const { token } = prepared;
    const named = await booth.ask<TradeInvoiceWire>('POST', prepared.needed?.post_to ?? '', { body, token });
    const bought = { quote, keys, prepared: { ...prepared, invoice: named.answer.payment_request } };
    assert.deepEqual(await beforePaying(booth, bought, (await booth.proof(bought)).answer), []);
    await booth.pay(bought);
    return bought;
  }

  async claim(bought: Bought): Promise<string> {
    const booth = this.#booth;
    const { answer } = await booth.proof(bought);
    const { lock, failures } = await beforeShowing(booth, { bought, answer });
    assert.ok(lock !== undefined, JSON.stringify(failures.map(({ sentence }) => sentence)));
    const { claim, preimage } = bought.keys;
    const { raw, txid } = buildClaim({
      ...{ terms: lock.terms, lockOutpoint: lock.outpoint, destination: keyPath.address, preimage },
      ...{ claimSecret: claim.secret, auxRand: new Uint8Array(32), feerateSatVb: 1, maxFeeSats: 10_000n },
    });
    await booth.chain.broadcast([raw]);
    await booth.settle();
    return txid;
  }
}

test('the published JavaScript example runs as it is: it prepares, asks again and again, and says that the transfer is complete', async () => {
  const booth = await Booth.open({ fees: { fixedSats: MARKET_FEE_SATS, bps: 0 } });
  const artist = { label: 'artist', address: keyPath.address };
  const royalties = { bps: ROYALTY_BPS, recipients: [artist] };
  const genesis = { p: 'sparkle', op: 'genesis', collection: { name: 'Stars' }, royalties };
  const { inscriptionId: collectionId } = await booth.inscribed(JSON.stringify(genesis));
  const child = JSON.stringify({ p: 'sparkle', op: 'child', collection_ref: collectionId });
  const { inscriptionId } = await booth.listed(child, SELLER_SATS);
  const page = new Page(booth);
  await page.run(filledIn({ inscriptionId, collectionId }));
  const [{ status, answer } = page.last()] = page.answered;
  const prepared = answer as PreparedWire;
  assert.deepEqual([status, prepared.status, prepared.invoice], [200, 'pending_payment', null]);
  assert.equal(prepared.payment_request.amount_sats, 1_500_000);
  const wallet = new ExampleWallet(booth);
  const pricing = { seller_sats: 1_400_000, creator_royalty_sats: 70_000, market_fee_sats: 20_000 };
  const quote: QuoteWire = {
    ...{ inscription_id: inscriptionId, max_total_sats: 1_500_000, expires_at: prepared.expires_at },
    pricing: { ...pricing, estimated_l1_fee_sats: 10_000 },
  };
  const bought = await wallet.pay(prepared, quote);
  const statuses: string[] = [];
  let claimed = '';
  for (let poll = 0; poll < MOST_POLLS && page.lines.length === 0; poll += 1) {
    await booth.mine(1);
    if (claimed === '' && statuses.filter((each) => each === 'broadcast').length === 3)
      claimed = await wallet.claim(bought);
    await page.polls.at(-1)?.();
    statuses.push((page.last().answer as { status: string }).status);
  }
  assert.deepEqual(page.lines, [`Transfer complete: ${claimed}`]);
  assert.deepEqual([...new Set(statuses)], ['broadcast', 'confirmed']);
  assert.ok(page.answered.every(({ status: each }) => each === 200));
  const script = addressScript(keyPath.address, 'regtest');
  const paid = [...booth.chain.control.coinsOf(new Set([script]))].map(({ valueSats }) => valueSats);
  assert.ok(paid.includes(70_000n), 'the royalty of the example is paid to the artist');
  await booth.close();
});

test('the three calls of SIP-3 v0.1 have its fields: create, invoice, finalize', async () => {
  const booth = await Booth.open();
  const inscribed = await booth.inscribed('by three calls');
  const listing = booth.listing(inscribed);
  assert.deepEqual(Object.keys(listing).toSorted(), ['inscription_id', 'price_sats', 'psbt', 'seller_address']);
  const created = await booth.ask<{ trade_id: string; status: string }>('POST', '/v1/trade/create', { body: listing });
  assert.deepEqual([created.status, created.answer.status], [201, 'pending']);
  const keys = booth.keys();
  const body = { payment_hash: keys.paymentHash, claim_key: keys.claim.public };
  const path = `/v1/trade/${created.answer.trade_id}/invoice`;
  const begun = (await booth.ask<TradeInvoiceWire>('POST', path, { body })).answer;
  const { trade_id: tradeId = '', token = '' } = begun;
  const again = await booth.ask<TradeInvoiceWire>('GET', `/v1/trade/${tradeId}/invoice`, { token });
  const { payment_request, payment_hash, expires_at } = begun;
  assert.deepEqual([again.status, again.answer], [200, { payment_request, payment_hash, expires_at }]);
  assert.equal(payment_hash, keys.paymentHash);
  const pay = { maxFeeMsat: 100_000n, maxCltvBlocks: 432, timeoutSeconds: 60 };
  await booth.nodes.buyer.lightning.pay({ bolt11: payment_request, ...pay });
  await booth.settle();
  await booth.mine(1);
  const proof = (await booth.ask('GET', `/v1/trade/${tradeId}/proof`, { token })).answer;
  const max_total_sats = Number(decodeInvoice(payment_request).amountMsat ?? 0n) / 1_000;
  const quote = { inscription_id: inscribed.inscriptionId, max_total_sats };
  const want = wanted(booth, { quote, keys, prepared: { trade_id: tradeId, expires_at } });
  const { announced } = readDelivery({ want, invoice: payment_request, shown: shownBy(proof) });
  assert.ok(announced !== undefined);
  const { raw, txid } = buildClaim({
    ...{ terms: announced.terms, lockOutpoint: announced.outpoint, destination: keyPath.address },
    ...{ claimSecret: keys.claim.secret, preimage: keys.preimage, auxRand: new Uint8Array(32) },
    ...{ feerateSatVb: 1, maxFeeSats: 10_000n },
  });
  const finalize = { payment_preimage: keys.preimage, claim: raw };
  const done = await booth.ask('POST', `/v1/trade/${tradeId}/finalize`, { token, body: finalize });
  assert.deepEqual([done.status, done.answer], [200, { txid, confirmations: 0 }]);
  await booth.close();
});
