import { Kysely, PostgresDialect, sql } from 'kysely';
import { SparkleError } from '../protocol/errors.ts';
import type { NetworkName } from '../protocol/network.ts';
import { type MigrationSet, migrateSet, newerSteps } from './migrations.ts';
import { type PostgresTables, postgresTradeTables } from './postgres-migrations.ts';
import { boundedPool, type Reach } from './postgres-pool.ts';

/** Which database, which network its trades are on, and what else a program keeps in it beside the trades. */
export type PostgresDatabase = Reach & { network: NetworkName; connections: number; further?: MigrationSet };

/** A step may have to rewrite a large table, or wait until another instance has run it. */
const STEP_PATIENCE_MILLISECONDS = 600_000;

/** Any number will do, as long as no other program takes it: the letters SPRK. */
const MIGRATION_LOCK = 0x5350524b;

const mismatch = (expected: string, came: string): SparkleError =>
  new SparkleError('schema_mismatch', `the database must be ${expected}; it is ${came}`, { expected, came });

/**
 * Connects, and brings the tables up to date: ours lie in the schema `sparkle`. Throws `schema_mismatch` for tables of a newer
 * program or of another network and leaves them as they were; `store_unavailable` when there is no answer.
 */
export async function openPostgres(database: PostgresDatabase): Promise<Kysely<PostgresTables>> {
  const setup = connect({ ...database, connections: 1, patienceMilliseconds: STEP_PATIENCE_MILLISECONDS });
  try {
    await setup.connection().execute((session) => prepare(session, database));
  } finally {
    await setup.destroy();
  }
  return connect(database);
}

const connect = (database: PostgresDatabase): Kysely<PostgresTables> =>
  new Kysely({ dialect: new PostgresDialect({ pool: boundedPool(database) }) });

/** Everything in one transaction, one instance after the other: a crash leaves no half schema, and no two create it. */
async function prepare(db: Kysely<PostgresTables>, { network, further }: PostgresDatabase): Promise<void> {
  const sets = further === undefined ? [postgresTradeTables] : [postgresTradeTables, further];
  await sql`begin`.execute(db);
  try {
    await sql`set local lock_timeout = 0`.execute(db);
    await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(db);
    // `create schema if not exists` would ask for the right to create one also where there is one.
    if (!(await exists(db, sql`to_regnamespace('sparkle')`))) await sql`create schema sparkle`.execute(db);
    for (const set of sets) await assertKnown(db, set);
    for (const set of sets) await migrateSet(db, set);
    await assertNetwork(db, network);
    await sql`commit`.execute(db);
  } catch (error) {
    // Without a connection there is nothing to roll back: the server did it.
    await sql`rollback`.execute(db).catch(() => undefined);
    throw error;
  }
}

async function exists(db: Kysely<PostgresTables>, what: ReturnType<typeof sql>): Promise<boolean> {
  const { rows } = await sql<{ there: boolean }>`select ${what} is not null as there`.execute(db);
  return rows[0]?.there === true;
}

async function assertKnown(db: Kysely<PostgresTables>, set: MigrationSet): Promise<void> {
  const { table } = set;
  if (!(await exists(db, sql`to_regclass(${`sparkle.${table}`})`))) return;
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(table)} order by name`.execute(db);
  const unknown = newerSteps(
    set,
    rows.map(({ name }) => name),
  );
  if (unknown.length > 0) throw mismatch('of a schema this version knows', `newer: ${unknown.join(', ')}`);
}

async function assertNetwork(db: Kysely<PostgresTables>, network: NetworkName): Promise<void> {
  const taken = await db.selectFrom('about').select('value').where('name', '=', 'network').executeTakeFirst();
  if (taken === undefined) await db.insertInto('about').values({ name: 'network', value: network }).execute();
  else if (taken.value !== network) throw mismatch(`of network ${network}`, `of ${taken.value}`);
}
