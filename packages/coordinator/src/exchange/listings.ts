import type { Chain } from 'sparkle-protocol/chain/chain';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { decodeTransaction } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { type RunePolicy, runePolicyFor } from 'sparkle-protocol/protocol/guard';
import { readSatPoint } from 'sparkle-protocol/protocol/inscription';
import { decodeState, encodeState } from 'sparkle-protocol/protocol/json';
import { checkListing, type Listing, readListing } from 'sparkle-protocol/protocol/listing';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { Kysely, Selectable } from 'kysely';
import type { ExchangeTables, OfferState } from '../database/migrations/0001-exchange.ts';
import { type Declared, declaredRoyalty, type Owed } from '../royalties/royalties.ts';
import { assertAddress } from './address.ts';

/** What is for sale here: another's inscription by his signed listing, or one that this coordinator was left with. */
export type Item = {
  offerId: string;
  inscriptionId: string;
  /** What the seller gets, exactly. */
  priceSats: bigint;
  /** The key that listed it, where the caller had proven one: he may see it and take it off by that key as by its token. */
  lister?: string;
  /** Where he gets it; of our own items where nobody needs to be paid, absent. */
  listing?: Listing;
  /** What its collection declares, as it stood in the chain when it was listed; absent where it names no collection. */
  declared?: Declared;
  /** Of our own items, what its creator was promised over Lightning and not paid, because the buyer walked away. */
  owed?: Owed[];
  outpoint: string;
  valueSats: bigint;
  offsetSats: bigint;
  expiresAt: number;
  state: OfferState;
};

export type ListingParts = {
  tables: Kysely<ExchangeTables>;
  chain: Chain;
  ordinals: Ordinals;
  network: NetworkName;
  /** Whose offers these are: the coordinator's own trader. */
  sellerId: string;
  limits: { minSats: bigint; maxSats: bigint };
  /** Whether a fill of our own for this offer is under way: then what it spends was not spent by somebody else. */
  isFilled(offerId: string): Promise<boolean>;
  runes?: RunePolicy;
  newId(): string;
  nowSeconds(): number;
};

/** More sats than an inscription needs around it are more likely forgotten than given away: the buyer would get them. */
const MOST_SOURCE_SATS = 20_000n;

type Row = Selectable<ExchangeTables['offer']>;
type Body = Pick<Item, 'lister' | 'listing' | 'declared' | 'owed' | 'valueSats' | 'offsetSats'>;
type Asked = {
  inscriptionId: string;
  priceSats: bigint;
  payoutAddress: string;
  psbt: string;
  expiresAt: number;
  lister: string | undefined;
};

const itemOf = (row: Row): Item => ({
  ...(decodeState(row.body) as Body),
  offerId: row.offer_id,
  inscriptionId: row.inscription_id,
  priceSats: BigInt(row.price_sats),
  outpoint: row.outpoint,
  expiresAt: row.expires_at,
  state: row.state,
});

/** The shelf: what can be bought, as long as it can be. An item dies when its outpoint is spent by anybody but us. */
export class Listings {
  readonly #parts: ListingParts;
  /** Outpoints of what is open, to know at once that one of them was spent. */
  readonly #open = new Map<string, string>();
  readonly #movers = new Set<(offerId: string) => void>();
  /** Of open items, whether they were left with us. */
  readonly #isOwn = new Map<string, boolean>();

  constructor(parts: ListingParts) {
    this.#parts = parts;
  }

  /** Remembers what is open, and lets go of what was spent while nobody looked. */
  async start(): Promise<void> {
    for (const item of await this.#all('open')) this.#open.set(item.outpoint, item.offerId);
    await this.sweep();
  }

  /**
   * Puts another's inscription on the shelf. Throws what `assertAddress` and `readListing` throw, `refused` with the codes of all that is
   * wrong with it, and `in_progress` when this outpoint is for sale or being sold already.
   */
  async add(asked: Asked): Promise<Item> {
    const { network } = this.#parts;
    assertAddress(asked.payoutAddress, { network, field: 'seller_address' });
    const listing = readListing({ psbt: asked.psbt, network });
    const { outpoint, valueSats } = listing.source;
    if (valueSats > MOST_SOURCE_SATS)
      throw new SparkleError(
        'refused',
        `psbt must spend an output of at most ${MOST_SOURCE_SATS} sats, for the buyer gets them; it has ${valueSats}`,
        { field: 'psbt', reason: 'source_large' },
      );
    const offsetSats = await this.#check(listing, asked);
    const { inscriptionId, priceSats, expiresAt, lister } = asked;
    const declared = await declaredRoyalty(this.#parts, inscriptionId);
    const terms = { ...(declared === undefined ? {} : { declared }), ...(lister === undefined ? {} : { lister }) };
    return this.#insert({ inscriptionId, priceSats, expiresAt, outpoint, valueSats, offsetSats, listing, ...terms });
  }

  /** Puts what we were left with on the shelf again. */
  addOwn(
    own: Pick<Item, 'inscriptionId' | 'priceSats' | 'owed' | 'outpoint' | 'valueSats' | 'offsetSats' | 'expiresAt'>,
  ): Promise<Item> {
    return this.#insert(own);
  }

  /** The open item for this inscription. Throws as `openOf`. */
  async open(inscriptionId: string): Promise<Item> {
    return this.openOf(inscriptionId, await this.find(inscriptionId));
  }

  /** What `find` has found, when it can be bought. Throws `not_found` (404), and `in_progress` (409) for what is being sold. */
  openOf(inscriptionId: string, found: Item | undefined): Item {
    const field = 'inscription_id';
    if (found === undefined || found.expiresAt <= this.#parts.nowSeconds())
      throw new SparkleError('not_found', `the inscription must be for sale here; ${inscriptionId} is not`, { field });
    if (found.state === 'open') return found;
    throw new SparkleError('in_progress', `the inscription must not be in another trade; ${inscriptionId} is`, {
      field,
    });
  }

  /** The item for this inscription that is open or being sold. */
  async find(inscriptionId: string): Promise<Item | undefined> {
    const row = await this.#parts.tables
      .selectFrom('offer')
      .selectAll()
      .where('inscription_id', '=', inscriptionId)
      .where('seller_id', '=', this.#parts.sellerId)
      .where('state', 'in', ['open', 'taken'])
      .executeTakeFirst();
    return row === undefined ? undefined : itemOf(row);
  }

  async byId(offerId: string): Promise<Item | undefined> {
    const row = await this.#parts.tables
      .selectFrom('offer')
      .selectAll()
      .where('offer_id', '=', offerId)
      .where('seller_id', '=', this.#parts.sellerId)
      .executeTakeFirst();
    return row === undefined ? undefined : itemOf(row);
  }

  /** Moves an item on; answers whether it was in one of the states it may come from. */
  async move({ offerId, from, to }: { offerId: string; from: OfferState[]; to: OfferState }): Promise<boolean> {
    const { numUpdatedRows } = await this.#parts.tables
      .updateTable('offer')
      .set({ state: to })
      .where('offer_id', '=', offerId)
      .where('state', 'in', from)
      .executeTakeFirst();
    const item = await this.byId(offerId);
    if (item !== undefined) {
      if (item.state === 'open') this.#open.set(item.outpoint, offerId);
      else this.#open.delete(item.outpoint);
    }
    if (numUpdatedRows > 0n) for (const hear of this.#movers) hear(offerId);
    return numUpdatedRows > 0n;
  }

  /** Calls `hear` with each item that was moved on here; the returned function ends it. */
  onMove(hear: (offerId: string) => void): () => void {
    this.#movers.add(hear);
    return () => void this.#movers.delete(hear);
  }

  /** Hears of a transaction: whatever open item it spends is gone. */
  async hear(raw: string): Promise<void> {
    if (this.#open.size === 0) return;
    for (const { outpoint } of decodeTransaction(raw).inputs) {
      const offerId = this.#open.get(outpoint);
      if (offerId !== undefined) await this.#spent(offerId);
    }
  }

  /** Asks the chain of every open item; what is spent, the mempool counted, is gone, and so is what has expired. */
  async sweep(): Promise<void> {
    for (const [outpoint, offerId] of this.#open) {
      const item = await this.byId(offerId);
      if (item !== undefined && item.expiresAt <= this.#parts.nowSeconds())
        await this.move({ offerId, from: ['open'], to: 'gone' });
      else if ((await this.#parts.chain.unspent(outpoint)) === undefined) await this.#spent(offerId);
    }
  }

  /** What the items that were left with us have cost. Whose an item is never changes: it is read once. */
  async ownSats(): Promise<bigint> {
    const open = await this.#state('open').select(['offer_id', 'price_sats']).execute();
    const unknown = open.map(({ offer_id }) => offer_id).filter((offerId) => !this.#isOwn.has(offerId));
    const listed = new Set(open.map(({ offer_id }) => offer_id));
    for (const offerId of this.#isOwn.keys()) if (!listed.has(offerId)) this.#isOwn.delete(offerId);
    for (const offerId of unknown) this.#isOwn.set(offerId, (await this.byId(offerId))?.listing === undefined);
    const own = open.filter(({ offer_id }) => this.#isOwn.get(offer_id));
    return own.reduce((sum, { price_sats }) => sum + BigInt(price_sats), 0n);
  }

  async #spent(offerId: string): Promise<void> {
    if (!(await this.#parts.isFilled(offerId))) await this.move({ offerId, from: ['open'], to: 'gone' });
  }

  async #all(state: OfferState): Promise<Item[]> {
    return (await this.#state(state).selectAll().orderBy('created_seq').execute()).map(itemOf);
  }

  #state(state: OfferState) {
    const { tables, sellerId } = this.#parts;
    return tables.selectFrom('offer').where('seller_id', '=', sellerId).where('state', '=', state);
  }

  /** Everything that can be known about a listing before a sat is at risk; answers with the offset of the inscription's sat. */
  async #check(listing: Listing, { inscriptionId, priceSats, payoutAddress }: Asked): Promise<bigint> {
    const { chain, ordinals, limits, runes, network } = this.#parts;
    const { outpoint } = listing.source;
    const place = await ordinals.locate(inscriptionId);
    const { txid, vout, offsetSats } = readSatPoint(place.satpoint);
    const isThere = outpoint === `${txid}:${vout}`;
    const failures = checkListing({
      listing,
      asked: { inscriptionId, offsetSats, priceSats, payoutAddress },
      chain: {
        ...{ limits, leastConfirmations: 1, place, runePolicy: runes ?? runePolicyFor(network) },
        unspent: await chain.unspent(outpoint),
        assets: isThere ? await ordinals.assets(outpoint) : undefined,
      },
    });
    const failure = failures.find(({ wait }) => !wait) ?? failures[0];
    if (failure === undefined) return offsetSats;
    throw new SparkleError(failure.wait ? 'not_indexed' : 'refused', failure.sentence, {
      reason: failure.code,
      codes: failures.map(({ code }) => code),
    });
  }

  async #insert(made: Omit<Item, 'offerId' | 'state'>): Promise<Item> {
    const { tables, sellerId, newId } = this.#parts;
    const offerId = newId();
    const { lister, listing, declared, owed, valueSats, offsetSats } = made;
    const { inscriptionId, priceSats, outpoint, expiresAt } = made;
    const body: Body = {
      ...{ valueSats, offsetSats },
      ...(lister === undefined ? {} : { lister }),
      ...(listing === undefined ? {} : { listing }),
      ...(declared === undefined ? {} : { declared }),
      ...(owed === undefined ? {} : { owed }),
    };
    const { numInsertedOrUpdatedRows: inserted } = await tables
      .insertInto('offer')
      .values({
        ...{ offer_id: offerId, seller_id: sellerId, inscription_id: inscriptionId, price_sats: `${priceSats}` },
        ...{ body: encodeState(body), outpoint, expires_at: expiresAt, state: 'open' },
      })
      .onConflict((taken) => taken.doNothing())
      .executeTakeFirst();
    if (inserted !== 1n)
      throw new SparkleError('in_progress', `the output must not be for sale already; ${outpoint} is`, { outpoint });
    this.#open.set(outpoint, offerId);
    return { ...made, offerId, state: 'open' };
  }
}
