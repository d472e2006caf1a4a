import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { SqliteGroup } from './sqlite-group.ts';

/** One of those who use the one connection there is. */
class Session implements DatabaseConnection {
  readonly #group: SqliteGroup;
  #leave: (() => void) | undefined;

  constructor(group: SqliteGroup) {
    this.#group = group;
  }

  async begin(): Promise<void> {
    this.#leave = await this.#group.enter();
    try {
      this.#group.openSavepoint();
    } catch (error) {
      // Kysely asks for no rollback of what did not begin: nobody else would ever be let in.
      await this.#end().catch(() => undefined);
      throw error;
    }
  }

  async commit(): Promise<void> {
    this.#group.keepSavepoint();
    await this.#end();
  }

  async rollback(): Promise<void> {
    // Kysely also asks for it after a commit that failed: then nothing is left, and somebody else is within.
    if (this.#leave === undefined) return;
    this.#group.dropSavepoint();
    // Why it failed may be that of another who is not on disk yet; whether he gets there is told to him.
    await this.#end().catch(() => undefined);
  }

  /** Within a transaction at once; alone only when all that it may have seen or done is on disk. */
  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#leave !== undefined) return this.#group.run<Row>(sql, parameters);
    this.#leave = await this.#group.enter();
    try {
      return this.#group.run<Row>(sql, parameters);
    } finally {
      await this.#end();
    }
  }

  /** The port asks for it; nothing here reads by cursor. */
  streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('rows of SQLite are read all at once');
  }

  async #end(): Promise<void> {
    const leave = this.#leave;
    this.#leave = undefined;
    const durable = this.#group.durable();
    leave?.();
    await durable;
  }
}

/** Kysely on one better-sqlite3 connection whose transactions go to disk together, see `SqliteGroup`. */
export class SqliteGroupDialect implements Dialect {
  readonly #group: SqliteGroup;

  constructor(group: SqliteGroup) {
    this.#group = group;
  }

  createDriver(): Driver {
    const group = this.#group;
    const sessionOf = (connection: DatabaseConnection): Session => connection as Session;
    return {
      init: async () => undefined,
      acquireConnection: async () => new Session(group),
      beginTransaction: (connection) => sessionOf(connection).begin(),
      commitTransaction: (connection) => sessionOf(connection).commit(),
      rollbackTransaction: (connection) => sessionOf(connection).rollback(),
      releaseConnection: async () => undefined,
      destroy: () => group.close(),
    };
  }

  createQueryCompiler = (): SqliteQueryCompiler => new SqliteQueryCompiler();
  createAdapter = (): SqliteAdapter => new SqliteAdapter();
  createIntrospector(db: Kysely<unknown>): SqliteIntrospector {
    return new SqliteIntrospector(db);
  }
}
