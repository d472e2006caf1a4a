import type { Database, Statement } from 'better-sqlite3';
import type { QueryResult } from 'kysely';

/** So many texts of statements stay prepared. */
const MOST_PREPARED = 500;
const SAVEPOINT = 'one_of_group';

/** A connection of `better-sqlite3`, without its types: whoever uses the library need not have them. */
type Connection = { readonly inTransaction: boolean; prepare(sql: string): object; close(): unknown };

type Waiting = { resolve: () => void; reject: (error: unknown) => void };

/**
 * One connection whose transactions share a sync to disk. Each is a savepoint within a transaction of SQLite that is committed
 * when nobody is ready to join it any more: what was promised to each of them, all or nothing and on disk before the answer,
 * holds as before. Nobody, not even a reader, is answered with what is not on disk yet. When the commit fails, all of them do.
 */
export class SqliteGroup {
  readonly #database: Database;
  readonly #prepared = new Map<string, Statement<unknown[]>>();
  #last: Promise<void> = Promise.resolve();
  #inside = 0;
  #waiting: Waiting[] = [];
  #isDue = false;
  #apart = 0;
  #isWithin = false;

  constructor(database: Connection) {
    this.#database = database as Database;
  }

  /** One after the other: resolves when nobody is within a transaction. The returned function lets the next one in. */
  async enter(): Promise<() => void> {
    const before = this.#last;
    let next = (): void => undefined;
    this.#last = new Promise((resolve) => (next = resolve));
    await before;
    this.#inside += 1;
    return () => {
      this.#inside -= 1;
      if (this.#isDue || this.#apart > 0) this.#commit();
      next();
    };
  }

  openSavepoint(): void {
    this.#begin();
    this.#exec(`savepoint ${SAVEPOINT}`);
    this.#isWithin = true;
  }

  keepSavepoint(): void {
    this.#assertWhole();
    this.#exec(`release ${SAVEPOINT}`);
    this.#isWithin = false;
  }

  dropSavepoint(): void {
    const isThere = this.#isWithin && this.#database.inTransaction;
    this.#isWithin = false;
    if (!isThere) return;
    this.#exec(`rollback to ${SAVEPOINT}`);
    this.#exec(`release ${SAVEPOINT}`);
  }

  run<Row>(sql: string, parameters: readonly unknown[]): QueryResult<Row> {
    this.#assertWhole();
    try {
      const statement = this.#statement(sql);
      if (!statement.readonly) this.#begin();
      if (statement.reader) return { rows: statement.all(...parameters) as Row[] };
      const { changes, lastInsertRowid } = statement.run(...parameters);
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
    } catch (error) {
      if (!this.#database.inTransaction) this.#answer((waiting) => waiting.reject(error));
      throw error;
    }
  }

  /** After some errors (a full disk) SQLite has rolled back everything by itself: what would follow in there is no part of it. */
  #assertWhole(): void {
    if (this.#isWithin && !this.#database.inTransaction)
      throw new Error('a transaction must be whole; SQLite has rolled it back');
  }

  /** Resolves when all that was done so far is on disk; rejects when none of it is. */
  durable(): Promise<void> {
    if (!this.#database.inTransaction) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** As long as `work` goes on each transaction is committed by itself: a copy cannot be taken in the middle of one. */
  async apart<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#apart += 1;
    try {
      (await this.enter())();
      return await work();
    } finally {
      this.#apart -= 1;
    }
  }

  async close(): Promise<void> {
    const leave = await this.enter();
    this.#commit();
    this.#prepared.clear();
    this.#database.close();
    leave();
  }

  #begin(): void {
    if (this.#database.inTransaction) return;
    this.#exec('begin');
    // Whoever is ready joins before the loop comes round again.
    setImmediate(() => {
      if (this.#inside > 0) this.#isDue = true;
      else this.#commit();
    });
  }

  #commit(): void {
    this.#isDue = false;
    if (!this.#database.inTransaction) return;
    try {
      this.#exec('commit');
    } catch (error) {
      if (this.#database.inTransaction) this.#exec('rollback');
      return this.#answer((waiting) => waiting.reject(error));
    }
    this.#answer((waiting) => waiting.resolve());
  }

  #answer(tell: (waiting: Waiting) => void): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (const waiting of all) tell(waiting);
  }

  #exec(sql: string): void {
    this.#statement(sql).run();
  }

  #statement(sql: string): Statement<unknown[]> {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare<unknown[]>(sql);
    this.#prepared.set(sql, statement);
    const [oldest] = this.#prepared.keys();
    if (this.#prepared.size > MOST_PREPARED && oldest !== undefined) this.#prepared.delete(oldest);
    return statement;
  }
}
