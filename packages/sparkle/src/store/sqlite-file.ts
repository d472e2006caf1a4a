import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { SparkleError } from '../protocol/errors.ts';
import type { NetworkName } from '../protocol/network.ts';
import { SqliteGroupDialect } from './sqlite-dialect.ts';
import { SqliteGroup } from './sqlite-group.ts';
import { applicationId, type MigrationSet, migrateSet, newerSteps, type Tables, tradeTables } from './migrations.ts';

/** Which file, which network its trades are on, and what else a program keeps in it beside the trades. */
export type SqliteFile = { path: string; network: NetworkName; further?: MigrationSet };

/** An open file: `db` asks it, `raw` is the same connection for what SQLite alone can do, such as a backup. */
export type OpenFile = { db: Kysely<Tables>; raw: { backup(path: string): Promise<unknown> } };

const setsOf = ({ further }: SqliteFile): MigrationSet[] =>
  further === undefined ? [tradeTables] : [tradeTables, further];

const mismatch = (path: string, expected: string, came: string, cause?: unknown): SparkleError =>
  new SparkleError('schema_mismatch', `database ${path} must be ${expected}; it is ${came}`, { path }, { cause });

/** SQLite's own words for the two things that are not a fault of the program. */
function explained(error: unknown, path: string): unknown {
  if (!(error instanceof SqliteDatabase.SqliteError)) return error;
  if (error.code.startsWith('SQLITE_BUSY'))
    return new SparkleError('store_in_use', `database ${path} must be free; another process has it open`, { path });
  if (error.code === 'SQLITE_NOTADB') return mismatch(path, 'a SQLite file', 'something else', error);
  return error;
}

/**
 * Opens the file, brings its tables up to date, and holds it until `destroy`: two traders on one file would act twice.
 * Throws `schema_mismatch` for a file that is not ours, of a newer program or of another network, and leaves such a
 * file as it was; `store_in_use` when another process has it.
 */
export async function openDatabase(file: SqliteFile): Promise<Kysely<Tables>> {
  return (await openFile(file)).db;
}

/** As `openDatabase`, with the connection itself. */
export async function openFile(file: SqliteFile): Promise<OpenFile> {
  const { path } = file;
  try {
    if (existsSync(path) && statSync(path).size > 0) inspect(file);
    else createPrivate(path);
    return await openOurs(file);
  } catch (error) {
    throw explained(error, path);
  }
}

/** States hold preimages: the file is for its owner alone. SQLite gives its side files the mode of the main one. */
function createPrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
}

/** Reads without writing: closing a writable connection would already change somebody else's file. */
function inspect(of: SqliteFile): void {
  const { path, network } = of;
  const db = new SqliteDatabase(path, { readonly: true, timeout: 0 });
  try {
    const tables = ownTables(db, path);
    if (tables.length === 0) return;
    const unknown = setsOf(of)
      .filter(({ table }) => tables.includes(table))
      .flatMap((set) => newerSteps(set, executedMigrations(db, set.table)));
    if (unknown.length > 0) throw mismatch(path, 'of a schema this version knows', `newer: ${unknown.join(', ')}`);
    const came = String(db.prepare(`select value from about where name = 'network'`).pluck().get());
    if (came !== network) throw mismatch(path, `of network ${network}`, `of ${came}`);
  } finally {
    db.close();
  }
}

/** What is asked of an open file: the types of its library are nothing that who installs ours has. */
type Open = {
  prepare(query: string): { pluck(): { all(): unknown[] } };
  pragma(name: string, options: { simple: true }): unknown;
};

/** The names of the tables in a file that may be ours. Throws `schema_mismatch` when it has some and another program made them. */
export function ownTables(db: Open, path: string): unknown[] {
  const tables = db.prepare(`select name from sqlite_schema where type = 'table'`).pluck().all();
  if (tables.length === 0 || db.pragma('application_id', { simple: true }) === applicationId) return tables;
  throw mismatch(path, 'a Sparkle database', 'that of another program');
}

const executedMigrations = (db: Database, table: string): string[] =>
  db.prepare(`select name from "${table}" order by name`).pluck().all().map(String);

async function openOurs(file: SqliteFile): Promise<OpenFile> {
  chmodSync(file.path, 0o600);
  const raw = new SqliteDatabase(file.path, { timeout: 0 });
  const setup = new Kysely<Tables>({ dialect: new SqliteDialect({ database: raw }) });
  try {
    // Exclusive before WAL: the lock is then held for as long as the file is open, and the kernel drops it after a kill -9.
    for (const pragma of ['locking_mode = exclusive', 'journal_mode = wal', 'synchronous = full', 'foreign_keys = on'])
      raw.pragma(pragma);
    // What a done effect carried is overwritten on disk, not only unlinked.
    raw.pragma('secure_delete = on');
    // fsync alone does not reach the platter on macOS.
    raw.pragma('fullfsync = on');
    await migrate({ db: setup, raw }, file);
    const group = new SqliteGroup(raw);
    const db = new Kysely<Tables>({ dialect: new SqliteGroupDialect(group) });
    // Kysely closes only what was asked at least once.
    await db.selectFrom('about').select('name').execute();
    return { db, raw: { backup: (path) => group.apart(() => raw.backup(path)) } };
  } catch (error) {
    raw.close();
    throw error;
  }
}

/** All steps and the network in one transaction, which Kysely itself does not do on SQLite: a crash leaves no half schema. */
async function migrate({ db, raw }: { db: Kysely<Tables>; raw: Database }, file: SqliteFile): Promise<void> {
  raw.exec('begin immediate');
  try {
    for (const set of setsOf(file)) await migrateSet(db, set);
    raw.pragma(`application_id = ${applicationId}`);
    await db
      .insertInto('about')
      .values({ name: 'network', value: file.network })
      .onConflict((taken) => taken.doNothing())
      .execute();
    raw.exec('commit');
  } catch (error) {
    if (raw.inTransaction) raw.exec('rollback');
    throw error;
  }
}
