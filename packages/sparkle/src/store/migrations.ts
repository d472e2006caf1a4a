import { type Generated, type Kysely, type Migration, Migrator, sql } from 'kysely';

/** The tables as the newest migration leaves them. Bodies are the lossless text of protocol/json. */
export type Tables = {
  /** Facts about the database itself: the network it belongs to. */
  about: { name: string; value: string };
  /** `ended` and `committed` are 0 or 1; `lock_outpoint` is set only while the trade lives. */
  trade: {
    seq: Generated<number>;
    trade_id: string;
    ended: number;
    committed: number;
    lock_outpoint: string | null;
    body: string;
  };
  /** Every payment hash a trade ever had; never freed. */
  payment_hash: { payment_hash: string; trade_id: string };
  /** The outbox. `body` is null once the effect is done: its key is remembered, what it carried (a preimage) is not. */
  effect: {
    seq: Generated<number>;
    key: string;
    trade_id: string;
    body: string | null;
    attempts: number;
    not_before: number;
  };
  counter: { name: string; next: number };
  /** Coins of the wallet that are kept for a trade; gone when it has ended. */
  coin: { outpoint: string; trade_id: string };
};

/** Marks a file as ours (`PRAGMA application_id`): the letters SPRK. */
export const applicationId = 0x5350524b;

async function createTrades(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('trade')
    .addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('trade_id', 'text', (column) => column.notNull().unique())
    .addColumn('ended', 'integer', (column) => column.notNull())
    .addColumn('lock_outpoint', 'text')
    .addColumn('body', 'text', (column) => column.notNull())
    .modifyEnd(sql`strict`)
    .execute();
  await db.schema
    .createIndex('one_live_trade_per_lock')
    .unique()
    .on('trade')
    .column('lock_outpoint')
    .where(sql.ref('ended'), '=', 0)
    .execute();
  await db.schema
    .createTable('payment_hash')
    .addColumn('payment_hash', 'text', (column) => column.primaryKey().notNull())
    .addColumn('trade_id', 'text', (column) => column.notNull().references('trade.trade_id'))
    .modifyEnd(sql`strict`)
    .execute();
}

async function createOutbox(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('effect')
    .addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('key', 'text', (column) => column.notNull().unique())
    .addColumn('trade_id', 'text', (column) => column.notNull().references('trade.trade_id'))
    .addColumn('body', 'text')
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('not_before', 'integer', (column) => column.notNull())
    .modifyEnd(sql`strict`)
    .execute();
  await db.schema
    .createIndex('effects_due')
    .on('effect')
    .columns(['trade_id', 'seq'])
    .where(sql.ref('body'), 'is not', null)
    .execute();
}

async function createFacts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('about')
    .addColumn('name', 'text', (column) => column.primaryKey().notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    .modifyEnd(sql`strict`)
    .execute();
  await db.schema
    .createTable('counter')
    .addColumn('name', 'text', (column) => column.primaryKey().notNull())
    .addColumn('next', 'integer', (column) => column.notNull())
    .modifyEnd(sql`strict`)
    .execute();
}

async function createCoins(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('coin')
    .addColumn('outpoint', 'text', (column) => column.primaryKey().notNull())
    .addColumn('trade_id', 'text', (column) => column.notNull().references('trade.trade_id'))
    .modifyEnd(sql`strict`)
    .execute();
  await db.schema.createIndex('coins_of_trade').on('coin').column('trade_id').execute();
}

/**
 * Which trades may have money bound in them, so that nobody reads all others to add that up; and an index of the few that live
 * among the many that have ended. Of a row that is there already it is not known: it counts as bound until it is written again.
 */
export async function markCommitted(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('trade')
    .addColumn('committed', 'integer', (column) => column.notNull().defaultTo(1))
    .execute();
  await sql`update trade set committed = 0 where ended = 1`.execute(db);
  await db.schema
    .createIndex('live_trades')
    .on('trade')
    .columns(['committed', 'seq'])
    .where(sql.ref('ended'), '=', 0)
    .execute();
}

/** What lives and what is due, in order, without reading through all that has ended and is done. */
export async function indexInOrder(db: Kysely<unknown>): Promise<void> {
  const index = (name: string) => db.schema.createIndex(name);
  await index('live_in_order').on('trade').column('seq').where(sql.ref('ended'), '=', 0).execute();
  await index('due_in_order').on('effect').column('seq').where(sql.ref('body'), 'is not', null).execute();
}

/** Every step that ever changed the tables, in the order of their names. A released step is never edited: add another. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001_trades': {
    async up(db: Kysely<unknown>) {
      await createTrades(db);
      await createOutbox(db);
      await createFacts(db);
    },
  },
  '0002_coins': { up: createCoins },
  '0003_committed': { up: markCommitted },
  '0004_in_order': { up: indexInOrder },
};

/** Tables with numbered steps of their own in a database; `table` is the one that remembers which steps ran. */
export type MigrationSet = { table: string; steps: Readonly<Record<string, Migration>> };

/** Of the steps that ran in a database those that this version does not know: a newer program was there. */
export const newerSteps = ({ steps }: MigrationSet, ran: readonly string[]): string[] =>
  ran.filter((name) => !Object.hasOwn(steps, name));

export const tradeTables: MigrationSet = { table: 'kysely_migration', steps: migrations };

/** Runs the steps of the set that have not run, in order. The transaction, if there is one, is the caller's. */
export async function migrateSet<T>(db: Kysely<T>, { table, steps }: MigrationSet): Promise<void> {
  const provider = { getMigrations: async () => steps };
  const names = { migrationTableName: table, migrationLockTableName: `${table}_lock` };
  const { error } = await new Migrator({ db, provider, ...names, disableTransactions: true }).migrateToLatest();
  if (error !== undefined) throw error;
}
