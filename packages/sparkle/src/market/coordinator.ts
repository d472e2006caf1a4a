import { hex } from '@scure/base';
import * as z from 'zod/mini';
import { SparkleError } from '../protocol/errors.ts';
import { readHex32 } from '../protocol/json.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { CoordinatorClock } from './coordinator-clock.ts';
import { CoordinatorHttp, type CoordinatorSigner } from './coordinator-http.ts';
import { Inbox, type InboxTiming } from './coordinator-inbox.ts';
import { letterTo } from './coordinator-letter.ts';
import { listingOf, offerOf } from './coordinator-offer.ts';
import { isSignedBySeller, offerDigest } from './coordinator-signing.ts';
import type { SocketClass } from './coordinator-socket.ts';
import { acceptedSchema, offerPageSchema, offerSchema, type OfferWire } from './coordinator-wire.ts';
import { assertSendable } from './envelope.ts';
import type { Listing, Market } from './market.ts';

export type CoordinatorTiming = InboxTiming & {
  /** For the answer to one request. */
  answerMilliseconds: number;
};

export type CoordinatorMarketOptions = {
  /** Where the coordinator's paths begin: https, or http on this machine. */
  url: string;
  network: NetworkName;
  /** The trader's message key (`keys.identityKey`): all he publishes and sends is by it, and only its inbox opens. */
  signer: CoordinatorSigner;
  clock: CoordinatorClock;
  timing: CoordinatorTiming;
  /** The platform's own when absent. */
  fetch?: typeof globalThis.fetch;
  /** The platform's own when absent; Node 20 has none, pass that of `ws`. Without any, messages are polled for. */
  WebSocket?: SocketClass;
};

/** What suits a coordinator on the Internet. */
export const coordinatorTiming: CoordinatorTiming = {
  answerMilliseconds: 10_000,
  readyMilliseconds: 10_000,
  pingMilliseconds: 20_000,
  firstRetryMilliseconds: 200,
  lastRetryMilliseconds: 30_000,
  ackMilliseconds: 1_000,
  pollSeconds: 20,
};

/** A coordinator that goes on and on must end somewhere: 200 offers each. */
const MOST_PAGES = 500;
const PAGE = 200;

/**
 * A market kept by a coordinator, over HTTP and WebSocket. Offers are signed by their sellers and checked here, so the
 * coordinator can hide them but not make them up; of messages it can hide, delay and read all, and forge the sender:
 * whoever reads checks the signature inside. Throws `bad_config` for a URL that is not safe to use.
 */
export function coordinatorMarket(options: CoordinatorMarketOptions): Market {
  const { clock, timing, signer, fetch = (...call) => globalThis.fetch(...call) } = options;
  readHex32(signer.publicKey, 'signer.publicKey');
  const http = new CoordinatorHttp({
    ...{ url: options.url, signer, fetch, clock, answerMilliseconds: timing.answerMilliseconds },
  });
  const WebSocket = options.WebSocket ?? (globalThis as { WebSocket?: SocketClass }).WebSocket;
  const inboxes = new Set<Inbox>();
  return {
    ...offers(http, options),
    async send(to, envelope) {
      assertSendable(to, envelope);
      assertOwn(envelope.from, { signer, field: 'from' });
      const body = letterTo(to, envelope.text);
      await http.ask({ method: 'POST', path: '/v1/messages', body, as: 'party', shape: acceptedSchema });
    },
    inbox(me, receive) {
      assertOwn(me, { signer, field: 'me' });
      const inbox = new Inbox({ http, WebSocket, clock, timing, receive });
      inboxes.add(inbox);
      return () => {
        inboxes.delete(inbox);
        inbox.close();
      };
    },
    async close() {
      for (const inbox of inboxes) inbox.close();
      inboxes.clear();
      http.close();
    },
  };
}

function offers(
  http: CoordinatorHttp,
  { network, signer }: Pick<CoordinatorMarketOptions, 'network' | 'signer'>,
): Pick<Market, 'publish' | 'withdraw' | 'browse'> {
  return {
    async publish(listing) {
      assertOwn(listing.sellerId, { signer, field: 'sellerId' });
      const unsigned = offerOf(listing, network);
      const body: OfferWire = { ...unsigned, sig: hex.encode(await signer.sign(offerDigest(unsigned))) };
      await http.ask({ method: 'POST', path: '/v1/offers', body, as: 'party', shape: offerSchema });
    },
    async withdraw(id) {
      const path = `/v1/offers/${encodeURIComponent(id)}`;
      await http.ask({ method: 'DELETE', path, as: 'party', shape: z.strictObject({ id: z.literal(id) }) });
    },
    async browse() {
      const found: Listing[] = [];
      let cursor: string | undefined;
      for (let page = 0; page < MOST_PAGES; page += 1) {
        const path = `/v1/offers?limit=${PAGE}${cursor === undefined ? '' : `&cursor=${cursor}`}`;
        const answer = await http.ask({ method: 'GET', path, as: 'anybody', shape: offerPageSchema });
        for (const offer of answer.offers) assertHonest(offer, { http, network });
        found.push(...answer.offers.map(listingOf));
        cursor = answer.next_cursor;
        if (cursor === undefined) return found;
      }
      throw http.unavailable('garbage', `its offers have more than ${MOST_PAGES} pages`);
    },
  };
}

function assertHonest(offer: OfferWire, { http, network }: { http: CoordinatorHttp; network: NetworkName }): void {
  if (offer.network !== network)
    throw http.unavailable('garbage', `its offers are on ${offer.network}, not ${network}`);
  if (!isSignedBySeller(offer)) throw http.unavailable('garbage', 'one of its offers is not signed by its seller');
}

function assertOwn(key: string, { signer, field }: { signer: CoordinatorSigner; field: string }): void {
  if (key === signer.publicKey) return;
  throw new SparkleError(
    'bad_key',
    `${field} must be the key this market signs with, ${signer.publicKey}; it is ${key}`,
    {
      field,
    },
  );
}
