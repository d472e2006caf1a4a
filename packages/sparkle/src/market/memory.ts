import { SparkleError } from '../protocol/errors.ts';
import { assertSendable } from './envelope.ts';
import type { Envelope, Listing, Market } from './market.ts';

type Receive = (envelope: Envelope) => Promise<void>;
type Inbox = { receive: Receive; open: boolean };
type Mailbox = { arrived: Envelope[]; inboxes: Set<Inbox> };

/** One message on its way; `number` counts all messages of the square from 0. */
export type Mail = { number: number; to: string; envelope: Envelope };

/**
 * What the world does to the market. `post` runs `deliver` after `delayMs` of whatever clock the caller has; `fate`
 * gives the delay of each copy of a message: `[0]` is an honest post, `[]` loses it, `[0, 500]` doubles it, and
 * messages with different delays overtake each other.
 */
export type Weather = {
  post: (delayMs: number, deliver: () => void) => void;
  fate: (mail: Mail) => readonly number[];
};

/** Wall clock, nothing lost: for one process that runs both traders. */
export const fairWeather: Weather = {
  post: (delayMs, deliver) => void setTimeout(deliver, delayMs),
  fate: () => [0],
};

const firstRetryMs = 100;
// A closed market may keep its process alive for this long.
const lastRetryMs = 1_000;

/** The place where several markets of one process meet. */
export class Square {
  readonly listings = new Map<string, Listing>();
  readonly #weather: Weather;
  readonly #mailboxes = new Map<string, Mailbox>();
  #sent = 0;

  constructor(weather: Weather) {
    this.#weather = weather;
  }

  send(to: string, envelope: Envelope): void {
    const mail: Mail = { number: this.#sent++, to, envelope };
    for (const delayMs of this.#weather.fate(mail)) this.#weather.post(delayMs, () => this.#arrive(mail));
  }

  /** Whoever opens an inbox is given everything that ever arrived for him, as relays do. */
  subscribe(me: string, receive: Receive): () => void {
    const inbox: Inbox = { receive, open: true };
    const { arrived, inboxes } = this.#mailbox(me);
    inboxes.add(inbox);
    for (const envelope of arrived) this.#weather.post(0, () => this.#hand(inbox, envelope, firstRetryMs));
    return () => {
      inbox.open = false;
      inboxes.delete(inbox);
    };
  }

  #mailbox(of: string): Mailbox {
    const known = this.#mailboxes.get(of);
    if (known !== undefined) return known;
    const fresh: Mailbox = { arrived: [], inboxes: new Set() };
    this.#mailboxes.set(of, fresh);
    return fresh;
  }

  #arrive({ to, envelope }: Mail): void {
    const { arrived, inboxes } = this.#mailbox(to);
    arrived.push(envelope);
    for (const inbox of inboxes) this.#hand(inbox, envelope, firstRetryMs);
  }

  #hand(inbox: Inbox, envelope: Envelope, retryMs: number): void {
    if (!inbox.open) return;
    const again = (): void => this.#hand(inbox, envelope, Math.min(retryMs * 2, lastRetryMs));
    inbox.receive({ ...envelope }).catch(() => this.#weather.post(retryMs, again));
  }
}

/** A market whose listings and messages never leave this process; all markets on one square see each other. */
export function memoryMarket(square: Square): Market {
  const subscriptions = new Set<() => void>();
  return {
    async publish(listing) {
      const { id, sellerId } = listing;
      const owner = square.listings.get(id)?.sellerId;
      if (owner !== undefined && owner !== sellerId)
        throw new SparkleError('refused', `listing ${id} must be the seller's own; it belongs to ${owner}`, {
          id,
          owner,
        });
      square.listings.set(id, structuredClone(listing));
    },
    async withdraw(id) {
      square.listings.delete(id);
    },
    browse: async () => [...square.listings.values()].map((listing) => structuredClone(listing)),
    async send(to, envelope) {
      assertSendable(to, envelope);
      square.send(to, { ...envelope });
    },
    inbox(me, receive) {
      const stop = square.subscribe(me, receive);
      subscriptions.add(stop);
      return () => {
        subscriptions.delete(stop);
        stop();
      };
    },
    async close() {
      for (const stop of subscriptions) stop();
      subscriptions.clear();
    },
  };
}
