import { type Generated, type Kysely, type Migration, sql } from 'kysely';
import type { Columns } from './columns.ts';

/**
 * What the coordinator keeps beside the trades. Times named `_at` are Unix seconds, `not_before` is Unix ms, amounts are
 * decimal text: read them with `BigInt`, and add them up there, because SQLite's `sum` answers with a rounded number.
 */
export type ExchangeTables = {
  /**
   * Letters between the parties, of each recipient oldest first. On PostgreSQL a smaller `seq` can become visible after a
   * larger one; who pages by it writes with `Database.append`.
   */
  mailbox: { seq: Generated<number>; recipient: string; sender: string; text: string; received_at: number };
  /** What is for sale. One offer that is open or taken to an outpoint: an inscription is never sold twice at a time. */
  offer: {
    created_seq: Generated<number>;
    offer_id: string;
    seller_id: string;
    inscription_id: string;
    price_sats: string;
    body: string;
    outpoint: string;
    expires_at: number;
    state: OfferState;
  };
  /** The old contract's view of a trade: `body` is the request and its quote, `trade_id` is null until the trade is opened. */
  checkout: {
    checkout_id: string;
    trade_id: string | null;
    offer_id: string;
    body: string;
    created_at: number;
    /** When all of the price was first seen to be held. */
    held_at: number | null;
    state: string;
    /** Who has a place as long as this is open; since step 6. See `Checkouts.takePlace`. */
    buyer: Generated<string | null>;
    /** Which of his places, from 0 on; since step 9. */
    place: Generated<number | null>;
  };
  /**
   * Answers that are given again to a repeated POST. `status` and `response` are null while the first one is being worked on;
   * `route` is the method and the path, `body_hash` tells a repetition from another request under the same key.
   */
  idempotency: {
    caller: string;
    key: string;
    route: string;
    body_hash: string;
    status: number | null;
    response: string | null;
    created_at: number;
  };
  /** Who is told; `events` is a JSON list of their names, `secret` signs what is sent. */
  webhook: { hook_id: string; owner: string; url: string; secret: string; events: string; created_at: number };
  /** What a webhook is still to be told, has been told, or could not be told (`dead`). */
  delivery: {
    seq: Generated<number>;
    hook_id: string;
    body: string;
    attempts: number;
    not_before: number;
    state: DeliveryState;
  };
  /** Double entry: the lines of one trade with the same `at` and `why` add up to nothing. `msat` is signed. Never changed. */
  ledger_entry: { seq: Generated<number>; trade_id: string; account: string; msat: string; at: number; why: string };
};

/** `open`: can be bought; `taken`: in a trade; the other three are final, `gone` when the outpoint was spent otherwise. */
export type OfferState = 'open' | 'taken' | 'sold' | 'withdrawn' | 'gone';
export type DeliveryState = 'due' | 'sent' | 'dead';

type Db = Kysely<unknown>;

async function createMailbox({ schema }: Db, { integer, seq, strict }: Columns): Promise<void> {
  await strict(
    schema
      .createTable('mailbox')
      .addColumn('seq', ...seq)
      .addColumn('recipient', 'text', (column) => column.notNull())
      .addColumn('sender', 'text', (column) => column.notNull())
      .addColumn('text', 'text', (column) => column.notNull())
      .addColumn('received_at', integer, (column) => column.notNull()),
  ).execute();
  await schema.createIndex('mailbox_of_recipient').on('mailbox').columns(['recipient', 'seq']).execute();
}

async function createOffers({ schema }: Db, { integer, seq, strict }: Columns): Promise<void> {
  await strict(
    schema
      .createTable('offer')
      .addColumn('created_seq', ...seq)
      .addColumn('offer_id', 'text', (column) => column.notNull().unique())
      .addColumn('seller_id', 'text', (column) => column.notNull())
      .addColumn('inscription_id', 'text', (column) => column.notNull())
      .addColumn('price_sats', 'text', (column) => column.notNull())
      .addColumn('body', 'text', (column) => column.notNull())
      .addColumn('outpoint', 'text', (column) => column.notNull())
      .addColumn('expires_at', integer, (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull()),
  ).execute();
  await schema
    .createIndex('one_live_offer_per_outpoint')
    .unique()
    .on('offer')
    .column('outpoint')
    .where(sql<boolean>`state in ('open', 'taken')`)
    .execute();
  await schema.createIndex('offers_by_state').on('offer').columns(['state', 'created_seq']).execute();
  await schema.createIndex('offers_of_seller').on('offer').columns(['seller_id', 'created_seq']).execute();
  await schema.createIndex('offers_of_inscription').on('offer').columns(['inscription_id', 'created_seq']).execute();
}

async function createCheckouts({ schema }: Db, { integer, strict }: Columns): Promise<void> {
  await strict(
    schema
      .createTable('checkout')
      .addColumn('checkout_id', 'text', (column) => column.primaryKey().notNull())
      .addColumn('trade_id', 'text', (column) => column.unique())
      .addColumn('offer_id', 'text', (column) => column.notNull())
      .addColumn('body', 'text', (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull())
      .addColumn('held_at', integer)
      .addColumn('state', 'text', (column) => column.notNull()),
  ).execute();
  await schema.createIndex('checkouts_of_offer').on('checkout').columns(['offer_id', 'held_at']).execute();
  await schema.createIndex('checkouts_by_state').on('checkout').columns(['state', 'created_at']).execute();
}

async function createIdempotency({ schema }: Db, { integer, strict }: Columns): Promise<void> {
  await strict(
    schema
      .createTable('idempotency')
      .addColumn('caller', 'text', (column) => column.notNull())
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('route', 'text', (column) => column.notNull())
      .addColumn('body_hash', 'text', (column) => column.notNull())
      .addColumn('status', integer)
      .addColumn('response', 'text')
      .addColumn('created_at', integer, (column) => column.notNull())
      .addPrimaryKeyConstraint('one_answer_per_key', ['caller', 'key']),
  ).execute();
  await schema.createIndex('idempotency_by_age').on('idempotency').column('created_at').execute();
}

async function createWebhooks({ schema }: Db, { integer, seq, strict }: Columns): Promise<void> {
  await strict(
    schema
      .createTable('webhook')
      .addColumn('hook_id', 'text', (column) => column.primaryKey().notNull())
      .addColumn('owner', 'text', (column) => column.notNull())
      .addColumn('url', 'text', (column) => column.notNull())
      .addColumn('secret', 'text', (column) => column.notNull())
      .addColumn('events', 'text', (column) => column.notNull())
      .addColumn('created_at', integer, (column) => column.notNull()),
  ).execute();
  await schema.createIndex('webhooks_of_owner').on('webhook').column('owner').execute();
  await strict(
    schema
      .createTable('delivery')
      .addColumn('seq', ...seq)
      .addColumn('hook_id', 'text', (column) => column.notNull().references('webhook.hook_id').onDelete('cascade'))
      .addColumn('body', 'text', (column) => column.notNull())
      .addColumn('attempts', integer, (column) => column.notNull())
      .addColumn('not_before', integer, (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull()),
  ).execute();
  await schema.createIndex('deliveries_by_time').on('delivery').columns(['state', 'not_before']).execute();
  await schema.createIndex('deliveries_of_hook').on('delivery').columns(['hook_id', 'seq']).execute();
}

async function createLedger({ schema }: Db, { integer, seq, strict }: Columns): Promise<void> {
  await strict(
    schema
      .createTable('ledger_entry')
      .addColumn('seq', ...seq)
      .addColumn('trade_id', 'text', (column) => column.notNull())
      .addColumn('account', 'text', (column) => column.notNull())
      .addColumn('msat', 'text', (column) => column.notNull())
      .addColumn('at', integer, (column) => column.notNull())
      .addColumn('why', 'text', (column) => column.notNull()),
  ).execute();
  // Effects are repeated after a crash: what was booked once is not booked again.
  await schema
    .createIndex('one_entry_per_reason')
    .unique()
    .on('ledger_entry')
    .columns(['trade_id', 'account', 'why'])
    .execute();
  await schema.createIndex('ledger_by_time').on('ledger_entry').columns(['at', 'seq']).execute();
}

export const exchange = (columns: Columns): Migration => ({
  async up(db: Db) {
    await createMailbox(db, columns);
    await createOffers(db, columns);
    await createCheckouts(db, columns);
    await createIdempotency(db, columns);
    await createWebhooks(db, columns);
    await createLedger(db, columns);
  },
});
