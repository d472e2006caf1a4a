import { sql, type Transaction } from 'kysely';
import { isSignedBySeller } from 'sparkle-protocol/market/coordinator-signing';
import { type OfferQuery, type OfferWire, offerSchema } from 'sparkle-protocol/market/coordinator-wire';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { canonicalJson } from 'sparkle-protocol/protocol/json';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Database } from './database.ts';
import type { CoordinatorTables } from './migrations/all.ts';

export type OfferOptions = {
  database: Database;
  clock: Clock;
  network: NetworkName;
  /** Of one seller at a time. */
  mostOffers: number;
};

export const offerLimits = { mostOffers: 1_000 } as const;

const PAGE = 50;
const CURSOR = /^o([1-9][0-9]{0,15})$/;

/** Two sellers may use one name: nobody can take a name, or an inscription's id, away from its owner. */
const keyOf = ({ seller, id }: { seller: string; id: string }): string => `${seller}:${id}`;

/** Until an offer shows the output it would spend, it blocks no other: anybody can claim to own an inscription. */
const unproven = (offerId: string): string => `unproven:${offerId}`;

/** What is for sale, in the words and under the signature of its seller. */
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
    const offer_id = keyOf(offer);
    const shown = {
      inscription_id: offer.inscription_id,
      price_sats: String(offer.price_sats),
      body: canonicalJson(offer),
      expires_at: offer.expires_at,
      state: 'open' as const,
    };
    await database.tables.transaction().execute(async (session) => {
      await this.#assertRoom(session, { seller: offer.seller, offer_id });
      await session
        .insertInto('offer')
        .values({ offer_id, seller_id: offer.seller, outpoint: unproven(offer_id), ...shown })
        .onConflict((own) => own.column('offer_id').doUpdateSet(shown))
        .execute();
    });
  }

  /** Takes an offer away; one that is not there, or is another's, is as good as withdrawn. Throws `refused` in a trade. */
  async withdraw(of: { seller: string; id: string }): Promise<void> {
    await this.#options.database.tables.transaction().execute(async (session) => {
      const offer_id = keyOf(of);
      if ((await stateOf(session, offer_id)) === 'taken') throw taken(of.id);
      await session
        .updateTable('offer')
        .set({ state: 'withdrawn' })
        .where('offer_id', '=', offer_id)
        .where('state', '=', 'open')
        .execute();
    });
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

  #matching(query: OfferQuery) {
    const { database, clock } = this.#options;
    const price = sql<number>`cast(price_sats as bigint)`;
    let found = database.tables
      .selectFrom('offer')
      .select(['created_seq', 'body'])
      .where('state', '=', 'open')
      .where('expires_at', '>', clock.nowSeconds());
    if (query.cursor !== undefined) found = found.where('created_seq', '<', readCursor(query.cursor));
    if (query.inscription_id !== undefined) found = found.where('inscription_id', '=', query.inscription_id);
    if (query.seller !== undefined) found = found.where('seller_id', '=', query.seller);
    if (query.min_price_sats !== undefined) found = found.where(price, '>=', Number(query.min_price_sats));
    if (query.max_price_sats !== undefined) found = found.where(price, '<=', Number(query.max_price_sats));
    // No other field of an offer can hold these letters in quotes: an id has no quotes.
    if (query.mode !== undefined) found = found.where('body', 'like', `%"${query.mode}"%`);
    return found;
  }

  async #assertRoom(session: Session, { seller, offer_id }: { seller: string; offer_id: string }): Promise<void> {
    const state = await stateOf(session, offer_id);
    if (state === 'taken') throw taken(offer_id);
    if (state === 'open') return;
    const { mostOffers, clock } = this.#options;
    const { count } = await session
      .selectFrom('offer')
      .select(({ fn }) => fn.countAll().as('count'))
      .where('seller_id', '=', seller)
      .where('state', '=', 'open')
      .where('expires_at', '>', clock.nowSeconds())
      .executeTakeFirstOrThrow();
    if (Number(count) < mostOffers) return;
    throw new SparkleError('refused', `a seller must have fewer than ${mostOffers} open offers; he has ${count}`, {
      mostOffers,
    });
  }
}

type Session = Transaction<CoordinatorTables>;

const stateOf = async (session: Session, offerId: string) =>
  (await session.selectFrom('offer').select('state').where('offer_id', '=', offerId).executeTakeFirst())?.state;

const bad = (field: string, sentence: string): SparkleError =>
  new SparkleError('bad_message', `${field} ${sentence}`, { field });

const taken = (id: string): SparkleError =>
  new SparkleError('refused', `an offer must not be in a trade to be changed; this one is`, { id });

function readCursor(cursor: string): number {
  const seq = Number(CURSOR.exec(cursor)?.[1]);
  if (Number.isSafeInteger(seq)) return seq;
  throw bad('cursor', 'must be next_cursor of a page of these offers; it is not');
}
