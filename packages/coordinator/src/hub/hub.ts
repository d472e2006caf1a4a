import { hex } from '@scure/base';
import type { CoordinatorSigner } from 'sparkle-protocol/market/coordinator-http';
import { offerDigest } from 'sparkle-protocol/market/coordinator-signing';
import { offerOf, listingOf } from 'sparkle-protocol/market/coordinator-offer';
import { assertSendable } from 'sparkle-protocol/market/envelope';
import type { Envelope, Listing, Market } from 'sparkle-protocol/market/market';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';
import type { Database } from '../database/database.ts';
import { Inbox } from './hub-inbox.ts';
import { Mailboxes, type MailLimits } from './hub-mail.ts';
import { Offers } from './hub-offers.ts';

export type HubOptions = {
  database: Database;
  clock: Clock;
  log: Log;
  network: NetworkName;
  limits: MailLimits & { mostOffers: number };
};

const PRUNE_MILLISECONDS = 60_000;

/** Where traders meet: mailboxes and offers in the coordinator's database, for those in this process and those outside. */
export class Hub {
  readonly mail: Mailboxes;
  readonly offers: Offers;
  readonly #options: HubOptions;
  readonly #stopPruning: () => void;
  readonly #ends = new Set<() => void>();

  constructor(options: HubOptions) {
    const { database, clock, log, network, limits } = options;
    this.#options = options;
    this.mail = new Mailboxes({ database, clock, limits, log });
    this.offers = new Offers({ database, clock, network, mostOffers: limits.mostOffers });
    // A failure is no reason to end a process that holds trades: the next time is in a minute.
    this.#stopPruning = clock.every(PRUNE_MILLISECONDS, () => void this.#prune());
  }

  /** The market of a trader in this process. He is not counted as a stranger: no rate holds up what he has to say. */
  marketFor(signer: CoordinatorSigner): Market {
    const stops = new Set<() => void>();
    return {
      ...this.#listings(signer),
      send: async (to, envelope) => {
        assertSendable(to, envelope);
        assertOwn(envelope.from, { signer, field: 'from' });
        await this.mail.post({ to, ...envelope });
      },
      inbox: (me, receive) => {
        assertOwn(me, { signer, field: 'me' });
        const stop = this.#hand(me, receive);
        stops.add(stop);
        return () => {
          stops.delete(stop);
          stop();
        };
      },
      close: async () => {
        for (const stop of stops) stop();
        stops.clear();
      },
    };
  }

  close(): void {
    this.#stopPruning();
    for (const end of this.#ends) end();
    this.mail.close();
  }

  /** Never rejects. */
  async #prune(): Promise<void> {
    const failed = (what: string) => (error: unknown) =>
      this.#options.log.warn({ what, error: String(error) }, 'what is over could not be thrown away');
    await Promise.all([this.mail.prune().catch(failed('letters')), this.offers.prune().catch(failed('offers'))]);
  }

  #listings(signer: CoordinatorSigner): Pick<Market, 'publish' | 'withdraw' | 'browse'> {
    const { network } = this.#options;
    return {
      publish: async (listing) => {
        assertOwn(listing.sellerId, { signer, field: 'sellerId' });
        const offer = offerOf(listing, network);
        await this.offers.publish({ ...offer, sig: hex.encode(await signer.sign(offerDigest(offer))) });
      },
      withdraw: (id) => this.offers.withdraw({ seller: signer.publicKey, id }),
      browse: async () => {
        const found: Listing[] = [];
        let cursor: string | undefined;
        do {
          const page = await this.offers.page({ limit: '200', ...(cursor !== undefined && { cursor }) });
          found.push(...page.offers.map(listingOf));
          cursor = page.next_cursor;
        } while (cursor !== undefined);
        return found;
      },
    };
  }

  /** Hands over all letters, those that came before included, each until `receive` takes it. */
  #hand(me: string, receive: (envelope: Envelope) => Promise<void>): () => void {
    const { clock, log } = this.#options;
    const inbox = new Inbox({ mail: this.mail, clock, log, me, receive });
    const end = (): void => {
      this.#ends.delete(end);
      inbox.close();
    };
    this.#ends.add(end);
    return end;
  }
}

function assertOwn(key: string, { signer, field }: { signer: CoordinatorSigner; field: string }): void {
  const { publicKey } = signer;
  if (key === publicKey) return;
  throw new SparkleError('bad_key', `${field} must be the key of this market, ${publicKey}; it is ${key}`, { field });
}
