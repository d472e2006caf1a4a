import { type Generated, type Kysely, type Migration, sql } from 'kysely';
import { indexInOrder, markCommitted, type MigrationSet, type Tables } from './migrations.ts';

/** The tables as the newest step leaves them: those of every store, and whose hands each trade is in. */
export type PostgresTables = Omit<Tables, 'trade'> & {
  /**
   * `holder` is the instance that may act for the trade, and `token` its fencing token: of one sequence, another at every
   * change of hands, only ever growing. Whoever writes under an older one has lost the trade.
   */
  trade: Tables['trade'] & { holder: number | null; token: number | null };
  /**
   * Every opening of a store, once. Its trades may be taken when `expires_at` is past, by the database's clock. Rows stay:
   * an old number must be known to be an old one.
   */
  instance: { id: Generated<number>; name: string; expires_at: Date };
};

async function createTrades(db: Kysely<unknown>): Promise<void> {
  await sql`create sequence fencing_token`.execute(db);
  await db.schema
    .createTable('instance')
    .addColumn('id', 'bigserial', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'timestamptz', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('trade')
    .addColumn('seq', 'bigserial', (column) => column.primaryKey())
    .addColumn('trade_id', 'text', (column) => column.notNull().unique())
    .addColumn('ended', 'integer', (column) => column.notNull())
    .addColumn('lock_outpoint', 'text')
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('holder', 'bigint')
    .addColumn('token', 'bigint')
    .execute();
  await db.schema
    .createIndex('one_live_trade_per_lock')
    .unique()
    .on('trade')
    .column('lock_outpoint')
    .where(sql.ref('ended'), '=', 0)
    .execute();
  await db.schema
    .createIndex('live_trades_by_holder')
    .on('trade')
    .columns(['holder', 'seq'])
    .where(sql.ref('ended'), '=', 0)
    .execute();
  await db.schema
    .createTable('payment_hash')
    .addColumn('payment_hash', 'text', (column) => column.primaryKey())
    .addColumn('trade_id', 'text', (column) => column.notNull().references('trade.trade_id'))
    .execute();
}

async function createOutbox(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('effect')
    .addColumn('seq', 'bigserial', (column) => column.primaryKey())
    .addColumn('key', 'text', (column) => column.notNull().unique())
    .addColumn('trade_id', 'text', (column) => column.notNull().references('trade.trade_id'))
    .addColumn('body', 'text')
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('not_before', 'bigint', (column) => column.notNull())
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
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('counter')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('next', 'bigint', (column) => column.notNull())
    .execute();
}

async function createCoins(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('coin')
    .addColumn('outpoint', 'text', (column) => column.primaryKey())
    .addColumn('trade_id', 'text', (column) => column.notNull().references('trade.trade_id'))
    .execute();
  await db.schema.createIndex('coins_of_trade').on('coin').column('trade_id').execute();
}

/** Every step that ever changed the tables, in the order of their names. A released step is never edited: add another. */
const steps: Readonly<Record<string, Migration>> = {
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

export const postgresTradeTables: MigrationSet = { table: 'trade_migration', steps };
