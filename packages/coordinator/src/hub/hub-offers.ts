import type { Transaction } from 'kysely';
import { isSignedBySeller } from 'sparkle-protocol/market/coordinator-signing';
import { type OfferQuery, type OfferWire, offerSchema } from 'sparkle-protocol/market/coordinator-wire';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { canonicalJson } from 'sparkle-protocol/protocol/json';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Database } from '../database/database.ts';
import type { CoordinatorTables } from '../database/migrations/all.ts';

export type OfferOptions = {
  database: Database;
  clock: Clock;
  network: NetworkName;
  /** Of one seller at a time. */
  mostOffers: number;
};

/** Prices of sellers, in sats, both bounds included; `notOf` is a seller who does not count. */
export type ForwardedQuery = {
  inscriptionId: string;
  minSats: bigint;
  maxSats: bigint;
  exactSats?: bigint;
  notOf: string;
};

export const offerLimits = { mostOffers: 1_000 } as const;

const PAGE = 50;
/** What the canonical words of an offer hold that may be passed on: within a string the quotes would have been escaped. */
const FORWARDED = ['%"forward":true%', '%"modes":[%"hold-first"%'];
const CURSOR = /^o([1-9][0-9]{0,15})$/;

/**
 * What sellers offer, each in his own words and under his signature. Two sellers may use one name, and offer one
 * inscription: nobody can take a name, or an inscription's id, away from its owner by being first.
 */
export class Offers {
  readonly #options: OfferOptions;

  constructor(options: OfferOptions) {
    this.#options = options;
  }

  /** Shows an offer, in place of the seller's own of the same id. Throws `bad_signature`, `bad_message`, `refused`. */
  async publish(offer: OfferWire): Promise<void> {
    const { clock, network, database } = this.#options;
    const now = clock.nowSeconds();
    if (offer.network !== network) throw bad('network', `must be ${network}; it is ${offer.network}`);
    if (offer.expires_at <= now) throw bad('expires_at', `must be after ${now}; it is ${offer.expires_at}`);
    if (!isSignedBySeller(offer))
      throw new SparkleError('bad_signature', 'sig must be by the seller over the other fields; it is not', {
        field: 'sig',
      });
    const { seller: seller_id, id: advert_id, inscription_id, price_sats, expires_at } = offer;
    const shown = { inscription_id, price_sats, body: canonicalJson(offer), expires_at };
    await database.tables.transaction().execute(async (session) => {
      await this.#assertRoom(session, offer);
      await session
        .insertInto('advert')
        .values({ seller_id, advert_id, ...shown })
        .onConflict((own) => own.columns(['seller_id', 'advert_id']).doUpdateSet(shown))
        .execute();
    });
  }

  /** Takes an offer of this seller away; one that is not there is as good as taken away. */
  async withdraw({ seller, id }: { seller: string; id: string }): Promise<void> {
    const { tables } = this.#options.database;
    await tables.deleteFrom('advert').where('seller_id', '=', seller).where('advert_id', '=', id).execute();
  }

  /**
   * Open offers, newest first. What is published while somebody turns pages comes before his first page: he sees no
   * offer twice and misses none that stood there. Throws `bad_message` for a cursor that was not written here.
   */
  async page(query: OfferQuery): Promise<{ offers: OfferWire[]; next_cursor?: string }> {
    const limit = query.limit === undefined ? PAGE : Number(query.limit);
    const rows = await this.#matching(query)
      .orderBy('created_seq', 'desc')
      .limit(limit + 1)
      .execute();
    const offers = rows.slice(0, limit).map(({ body }) => offerSchema.parse(JSON.parse(body)));
    const last = rows[limit - 1];
    return { offers, ...(rows.length > limit && last !== undefined && { next_cursor: `o${last.created_seq}` }) };
  }

  /**
   * The cheapest offer of an inscription that may be passed on, the oldest of equals, from `minSats` to `maxSats`; with
   * `exactSats` the one at that price. Of each seller the cheapest counts alone, so that one key asks one price. No page
   * ends here: what others offer, however often, hides nobody's.
   */
  async forwarded(of: ForwardedQuery): Promise<OfferWire | undefined> {
    const { inscriptionId, minSats, maxSats, exactSats, notOf } = of;
    const { database, clock } = this.#options;
    const now = clock.nowSeconds();
    const row = await database.tables
      .selectFrom('advert')
      .select('body')
      .where('inscription_id', '=', inscriptionId)
      .where('price_sats', '>=', Number(exactSats ?? minSats))
      .where('price_sats', '<=', Number(exactSats ?? maxSats))
      .where('seller_id', '!=', notOf)
      .where('expires_at', '>', now)
      .where(({ and, eb }) => and(FORWARDED.map((words) => eb('body', 'like', words))))
      .where(({ not, exists, selectFrom }) => {
        const cheaper = selectFrom('advert as own')
          .select('own.created_seq')
          .where('own.inscription_id', '=', inscriptionId)
          .whereRef('own.seller_id', '=', 'advert.seller_id')
          .where('own.price_sats', '>=', Number(minSats))
          .whereRef('own.price_sats', '<', 'advert.price_sats')
          .where('own.expires_at', '>', now)
          .where(({ and, eb }) => and(FORWARDED.map((words) => eb('own.body', 'like', words))));
        return not(exists(cheaper));
      })
      .orderBy('price_sats')
      .orderBy('created_seq')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? undefined : offerSchema.parse(JSON.parse(row.body));
  }

  /** Throws away what is over. */
  async prune(): Promise<void> {
    const { database, clock } = this.#options;
    await database.tables.deleteFrom('advert').where('expires_at', '<=', clock.nowSeconds()).execute();
  }

  #matching(query: OfferQuery) {
    const { database, clock } = this.#options;
    let found = database.tables
      .selectFrom('advert')
      .select(['created_seq', 'body'])
      .where('expires_at', '>', clock.nowSeconds());
    if (query.cursor !== undefined) found = found.where('created_seq', '<', readCursor(query.cursor));
    if (query.inscription_id !== undefined) found = found.where('inscription_id', '=', query.inscription_id);
    if (query.seller !== undefined) found = found.where('seller_id', '=', query.seller);
    if (query.min_price_sats !== undefined) found = found.where('price_sats', '>=', Number(query.min_price_sats));
    if (query.max_price_sats !== undefined) found = found.where('price_sats', '<=', Number(query.max_price_sats));
    if (query.mode !== undefined) {
      // By its field, first or second in it: an offer may have the name of a mode as its id.
      const [first, second] = [`%"modes":["${query.mode}"%`, `%"modes":["%","${query.mode}"]%`];
      found = found.where(({ or, eb }) => or([eb('body', 'like', first), eb('body', 'like', second)]));
    }
    return found;
  }

  async #assertRoom(session: Session, { seller, id }: OfferWire): Promise<void> {
    const { mostOffers, clock } = this.#options;
    const { count } = await session
      .selectFrom('advert')
      .select(({ fn }) => fn.countAll().as('count'))
      .where('seller_id', '=', seller)
      .where('advert_id', '!=', id)
      .where('expires_at', '>', clock.nowSeconds())
      .executeTakeFirstOrThrow();
    if (Number(count) < mostOffers) return;
    throw new SparkleError('refused', `a seller must have at most ${mostOffers} open offers; he has as many already`, {
      mostOffers,
    });
  }
}

type Session = Transaction<CoordinatorTables>;

const bad = (field: string, sentence: string): SparkleError =>
  new SparkleError('bad_message', `${field} ${sentence}`, { field });

function readCursor(cursor: string): number {
  const seq = Number(CURSOR.exec(cursor)?.[1]);
  if (Number.isSafeInteger(seq)) return seq;
  throw bad('cursor', 'must be next_cursor of a page of these offers; it is not');
}
