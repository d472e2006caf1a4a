import assert from 'node:assert/strict';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import type { PreparedWire, ProofWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { authDigest, offerDigest } from 'sparkle-protocol/market/coordinator-signing';
import type { OfferWire } from 'sparkle-protocol/market/coordinator-wire';
import { identityKey, type KeyPair } from 'sparkle-protocol/protocol/keys';
import { keyPath } from 'sparkle-protocol/protocol/listing.suite';
import type { ApiDocument, Exchange } from '../../packages/coordinator/src/http/openapi-document.ts';
import { type Asking, Booth } from './booth.ts';
import { buyerWith, checkoutBody, claimOf, termsIn } from './buyer-http.ts';

/** In the place of every token, preimage and key of a signature: nobody takes it for one. */
const FAKE_SECRET = '0123456789abcdef'.repeat(4);
const NOBODY = '00000000-0000-0000-0000-000000000000';
/** Above the field's prime: the x of no point. */
const NO_POINT = 'ff'.repeat(32);

const person = (fill: number): KeyPair => identityKey({ seed: new Uint8Array(64).fill(fill), network: 'regtest' });
const seller = person(51);
const buyer = person(52);

type Asked = Omit<Asking, 'token'> & { parameters?: Record<string, string>; token?: string };
type Listed = { trade_id: string; token: string };
type Route = { path: string; method: 'GET' | 'POST' | 'DELETE'; tag: string };

/** Asks by the ids of operations, and keeps what was said both ways. */
class Recorder {
  readonly #booth: Booth;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #secrets = new Set<string>();
  readonly #kept = new Map<string, Partial<Exchange>>();

  constructor(booth: Booth, { paths = {} }: ApiDocument) {
    this.#booth = booth;
    this.#routes = new Map(
      Object.entries(paths).flatMap(([path, item]) =>
        Object.entries(item).map(([method, { operationId = '', tags: [tag = ''] = [] }]) => {
          return [operationId, { path, method: method.toUpperCase() as Route['method'], tag }] as const;
        }),
      ),
    );
  }

  /** What is never to be shown. */
  hide(secret: string): string {
    this.#secrets.add(secret);
    return secret;
  }

  async had<Answer>(operationId: string, asked: Asked = {}): Promise<Answer> {
    const { status, answer } = await this.#ask(operationId, asked);
    assert.ok(status < 300, `${operationId} answered ${status}: ${JSON.stringify(answer)}`);
    const { parameters, body } = asked;
    const sent = { ...(parameters && { parameters }), ...(body !== undefined && { request: body }) };
    this.#kept.set(operationId, { ...sent, status, answer, ...this.#kept.get(operationId) });
    return answer as Answer;
  }

  async refused(operationId: string, asked: Asked = {}): Promise<void> {
    const { status, answer } = await this.#ask(operationId, asked);
    assert.ok(status >= 400, `${operationId} answered ${status}: ${JSON.stringify(answer)}`);
    this.#kept.set(operationId, { ...this.#kept.get(operationId), refusal: { status, answer } });
  }

  /** By the first tag of each operation, and by its id. */
  byTag(): Record<string, Record<string, Exchange>> {
    const all: Record<string, Record<string, Exchange>> = {};
    for (const [operationId, { tag }] of this.#routes) {
      const kept = this.#kept.get(operationId);
      assert.ok(kept?.status !== undefined, `an exchange of ${operationId} must have been had`);
      all[tag] = { ...all[tag], [operationId]: this.#shown(kept as Exchange) };
    }
    return all;
  }

  #shown(exchange: Exchange): Exchange {
    const hidden = [...this.#secrets].reduce(
      (text, secret) => text.replaceAll(secret, FAKE_SECRET),
      JSON.stringify(exchange),
    );
    return JSON.parse(hidden) as Exchange;
  }

  #ask(operationId: string, { parameters = {}, body, token }: Asked) {
    const route = this.#routes.get(operationId);
    assert.ok(route !== undefined, `there must be an operation ${operationId}`);
    const { path, method } = route;
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => parameters[name] ?? '');
    const asks = Object.entries(parameters).filter(([name]) => !path.includes(`{${name}}`));
    const query = asks.length === 0 ? '' : `?${new URLSearchParams(asks).toString()}`;
    return this.#booth.ask<unknown>(method, `${filled}${query}`, {
      ...(body === undefined ? {} : { body }),
      ...(token === undefined ? {} : { token }),
    });
  }
}

/** A whole sale and all that can be asked beside it, each operation once as it should be and once as it is refused. */
export async function recordExchanges(): Promise<Record<string, Record<string, Exchange>>> {
  const booth = await Booth.open({ listers: [seller.public] });
  try {
    const recorder = new Recorder(booth, (await booth.ask<ApiDocument>('GET', '/openapi.json')).answer);
    for (const operationId of ['health', 'live', 'ready']) await recorder.had(operationId);
    const sessions = { seller: await login(recorder, booth, seller), buyer: await login(recorder, booth, buyer) };
    const sold = await list(recorder, booth, sessions);
    await sell(recorder, booth, { ...sold, session: sessions.seller });
    await talk(recorder, sessions);
    await offer(recorder, booth, sessions.seller);
    await hook(recorder, sessions.seller);
    return recorder.byTag();
  } finally {
    await booth.close();
  }
}

type Sessions = { seller: string; buyer: string };

async function login(recorder: Recorder, booth: Booth, key: KeyPair): Promise<string> {
  const body = { public_key: key.public };
  await recorder.refused('askChallenge', { body: { public_key: NO_POINT } });
  const { challenge } = await recorder.had<{ challenge: string }>('askChallenge', { body });
  await recorder.refused('openSession', { body: { ...body, challenge, signature: '00'.repeat(64) } });
  const digest = authDigest({ challenge, host: new URL(booth.url).host });
  const signature = hex.encode(schnorr.sign(digest, key.secret, new Uint8Array(32)));
  const answer = await recorder.had<{ token: string }>('openSession', { body: { ...body, challenge, signature } });
  return recorder.hide(answer.token);
}

async function list(recorder: Recorder, booth: Booth, { seller: token }: Sessions) {
  const inscribed = await booth.inscribed('for sale');
  const body = booth.listing(inscribed);
  await recorder.refused('createTrade', { body });
  const listed = await recorder.had<Listed>('createTrade', { body, token });
  recorder.hide(listed.token);
  const other = await booth.inscribed('not for sale for long');
  const { trade_id: id } = await recorder.had<Listed>('createTrade', { body: booth.listing(other), token });
  await recorder.had('withdrawTrade', { parameters: { id }, token });
  return { inscriptionId: inscribed.inscriptionId, listingId: listed.trade_id };
}

type Sold = { inscriptionId: string; listingId: string; session: string };

/** Prepared without keys, which are named later: so the wallet and the shop may be two programs. */
async function sell(recorder: Recorder, booth: Booth, { inscriptionId, listingId, session }: Sold): Promise<void> {
  await recorder.refused('quote', { body: { inscription_id: `${'ab'.repeat(32)}i0` } });
  const quote = await recorder.had<QuoteWire>('quote', { body: { inscription_id: inscriptionId } });
  const keys = booth.keys();
  recorder.hide(keys.preimage);
  const body = checkoutBody(quote, buyerWith(keys, keyPath.address));
  const { payment_hash, claim_key, ...address } = body.buyer;
  await recorder.refused('prepareCheckout', { body: { ...body, max_total_sats: quote.max_total_sats + 1 } });
  const made = { ...body, buyer: address };
  const prepared = await recorder.had<PreparedWire>('prepareCheckout', { body: made });
  const { trade_id: id, checkout_id, token } = prepared;
  const own = { parameters: { id }, token: recorder.hide(token) };
  await recorder.refused('nameKeys', { ...own, body: { payment_hash } });
  const named = { ...own, body: { payment_hash, claim_key } };
  const { payment_request: invoice } = await recorder.had<{ payment_request: string }>('nameKeys', named);
  await recorder.had('readInvoice', own);
  const strange = { parameters: { id: NOBODY }, token };
  for (const operationId of ['readInvoice', 'readTrade', 'proveTrade', 'rescueTrade'])
    await recorder.refused(operationId, strange);
  const bought = { quote, keys, prepared: { ...prepared, invoice } };
  await booth.pay(bought);
  await booth.reaches(bought, 'broadcast');
  await booth.mine(1);
  await recorder.refused('withdrawTrade', { parameters: { id: listingId }, token: session });
  await take(recorder, booth, { own, keys, checkoutId: checkout_id });
}

type Taken = { own: Asked; keys: Parameters<typeof claimOf>[0]['keys']; checkoutId: string };

async function take(recorder: Recorder, booth: Booth, { own, keys, checkoutId }: Taken): Promise<void> {
  const proof = await recorder.had<ProofWire>('proveTrade', own);
  await recorder.had('rescueTrade', own);
  const terms = termsIn(proof, keys);
  assert.ok(terms !== undefined && proof.lock !== undefined);
  const claim = claimOf({ keys, address: keyPath.address }, { terms, lockOutpoint: proof.lock.outpoint });
  await recorder.refused('finalizeTrade', { ...own, body: { payment_preimage: '00'.repeat(32), claim } });
  await recorder.had('finalizeTrade', { ...own, body: { payment_preimage: keys.preimage, claim } });
  await booth.mine(1);
  await recorder.had('readTrade', own);
  await recorder.refused('checkoutStatus', { body: { checkout_id: `chk_${'00'.repeat(16)}` } });
  await recorder.had('checkoutStatus', { body: { checkout_id: checkoutId } });
}

async function talk(recorder: Recorder, sessions: Sessions): Promise<void> {
  const body = { to: buyer.public, text: 'a signed message of the protocol' };
  await recorder.refused('sendMessage', { body: { ...body, to: 'buyer' }, token: sessions.seller });
  const { seq } = await recorder.had<{ seq: number }>('sendMessage', { body, token: sessions.seller });
  await recorder.refused('readMessages', {});
  await recorder.had('readMessages', { parameters: { since: '0', limit: '10' }, token: sessions.buyer });
  await recorder.refused('ackMessages', { body: { seq: -1 }, token: sessions.buyer });
  await recorder.had('ackMessages', { body: { seq }, token: sessions.buyer });
}

async function offer(recorder: Recorder, booth: Booth, token: string): Promise<void> {
  const { inscriptionId } = await booth.inscribed('offered by a trader');
  const unsigned: Omit<OfferWire, 'sig'> = {
    ...({ id: 'drawing-7', seller: seller.public, network: 'regtest', inscription_id: inscriptionId } as const),
    ...{ price_sats: 60_000, modes: ['hold-first'], expires_at: booth.nowSeconds() + 86_400, forward: true },
  };
  const body = { ...unsigned, sig: hex.encode(schnorr.sign(offerDigest(unsigned), seller.secret, new Uint8Array(32))) };
  await recorder.refused('publishOffer', { body: { ...body, seller: buyer.public }, token });
  await recorder.had('publishOffer', { body, token });
  await recorder.refused('listOffers', { parameters: { limit: '1000' } });
  await recorder.had('listOffers', { parameters: { limit: '10', mode: 'hold-first', max_price_sats: '100000' } });
  await recorder.refused('withdrawOffer', { parameters: { id: 'drawing-7' } });
  await recorder.had('withdrawOffer', { parameters: { id: 'drawing-7' }, token });
}

async function hook(recorder: Recorder, token: string): Promise<void> {
  const body = { url: 'https://market.example/told', events: ['trade'] };
  await recorder.refused('makeWebhook', { body: { ...body, url: 'http://market.example/told' }, token });
  type Made = { webhook_id: string; secret: string };
  const { webhook_id: id, secret } = await recorder.had<Made>('makeWebhook', { body, token });
  recorder.hide(secret);
  await recorder.refused('listWebhooks', {});
  await recorder.had('listWebhooks', { token });
  await recorder.refused('removeWebhook', { parameters: { id: NOBODY }, token });
  await recorder.had('removeWebhook', { parameters: { id }, token });
}
