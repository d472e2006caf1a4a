import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { SparkleError } from '../../protocol/errors.ts';

/** An invoice of ours. LDK keeps none: whether a hash may still be paid is decided by this row alone. */
export type InvoiceRow = {
  paymentHash: string;
  kind: 'hold' | 'plain';
  amountMsat: bigint;
  finalCltv: number;
  expirySeconds: number;
  description: string;
  bolt11: string;
  expiresAtSeconds: number;
  state: 'open' | 'held' | 'settling' | 'settled' | 'canceled';
  /** 0 until held. */
  receivedMsat: bigint;
  expiryHeight: number;
  parts: number;
  /** Known from the start in a plain invoice, and in a hold invoice once it is being settled. */
  preimage: string | undefined;
};

/** An outgoing payment. `expiryHeight` is the largest of any of its HTLCs, 0 while none is known. */
export type PaymentRow = {
  paymentHash: string;
  state: 'pending' | 'settled' | 'failed';
  expiryHeight: number;
  abandonAtSeconds: number;
  preimage: string | undefined;
  feeMsat: bigint;
  reason: string;
};

/** Transactions that must get into the chain, parents first, under the txid of the last. */
export type OutboxRow = { txid: string; raws: string[]; addedHeight: number; finalSince: number | undefined };

/** Outputs of closed channels that wait to be sent to the wallet: serialised descriptors in hex. */
export type SweepRow = { id: number; descriptors: string[]; txid: string | undefined };

export type PeerRow = { nodeId: string; host: string; port: number };

/** What happened, in order: for operators and tests, never for decisions. */
export type JournalEntry = { id: number; type: string; detail: Record<string, string> };

const SCHEMA_VERSION = '1';
const JOURNAL_ENTRIES = 10_000;

const TABLES = `
CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS invoice (
  paymentHash TEXT PRIMARY KEY, kind TEXT NOT NULL, amountMsat TEXT NOT NULL, finalCltv INTEGER NOT NULL,
  expirySeconds INTEGER NOT NULL, description TEXT NOT NULL, bolt11 TEXT NOT NULL, expiresAtSeconds INTEGER NOT NULL,
  state TEXT NOT NULL, receivedMsat TEXT NOT NULL, expiryHeight INTEGER NOT NULL, parts INTEGER NOT NULL, preimage TEXT) STRICT;
CREATE INDEX IF NOT EXISTS invoice_state ON invoice (state);
CREATE TABLE IF NOT EXISTS payment (
  paymentHash TEXT PRIMARY KEY, state TEXT NOT NULL, expiryHeight INTEGER NOT NULL, abandonAtSeconds INTEGER NOT NULL,
  preimage TEXT, feeMsat TEXT NOT NULL, reason TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS payment_state ON payment (state);
CREATE TABLE IF NOT EXISTS outbox (txid TEXT PRIMARY KEY, raws TEXT NOT NULL, addedHeight INTEGER NOT NULL, finalSince INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS sweep (id INTEGER PRIMARY KEY, descriptors TEXT NOT NULL, txid TEXT) STRICT;
CREATE TABLE IF NOT EXISTS peer (nodeId TEXT PRIMARY KEY, host TEXT NOT NULL, port INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
`;

type Stored<Row> = {
  [Key in keyof Row]: Row[Key] extends bigint
    ? string
    : undefined extends Row[Key]
      ? Exclude<Row[Key], undefined> | null
      : Row[Key];
};

/**
 * One node's directory. Everything of one turn is written between `begin` and `commit`, so that LDK's state and our
 * own rows can never be of different ages; what is read in between sees what the turn has written.
 */
export class LdkStore {
  readonly #db: Database.Database;

  private constructor(db: Database.Database) {
    this.#db = db;
  }

  /** Opens or creates the directory. Throws `bad_state` while another node uses it, `schema_mismatch` for another version. */
  static open(directory: string): LdkStore {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const db = new Database(join(directory, 'node.sqlite'), { timeout: 0 });
    try {
      // Two nodes with the same channels would publish revoked states: the lock is held for as long as the node lives.
      db.pragma('locking_mode = EXCLUSIVE');
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL');
      db.exec('BEGIN IMMEDIATE');
      db.exec(TABLES);
      db.exec('COMMIT');
    } catch (cause) {
      db.close();
      throw new SparkleError(
        'bad_state',
        `the directory ${directory} is in use by another node or is no node's`,
        { directory },
        { cause },
      );
    }
    const store = new LdkStore(db);
    const version = store.get('schema')?.toString();
    if (version === undefined) store.put('schema', Buffer.from(SCHEMA_VERSION));
    else if (version !== SCHEMA_VERSION) {
      db.close();
      throw new SparkleError(
        'schema_mismatch',
        `the node's directory has schema ${version}, this program reads ${SCHEMA_VERSION}`,
      );
    }
    return store;
  }

  begin(): void {
    this.#db.exec('BEGIN');
  }

  commit(): void {
    this.#db.exec('COMMIT');
  }

  rollback(): void {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
  }

  close(): void {
    this.#db.close();
  }

  get(key: string): Buffer | undefined {
    return this.#db.prepare<[string], Buffer>('SELECT value FROM kv WHERE key = ?').pluck().get(key);
  }

  /** Values whose key starts with `prefix`, ordered by key. */
  list(prefix: string): Buffer[] {
    const sql = 'SELECT value FROM kv WHERE substr(key, 1, length(?)) = ? ORDER BY key';
    return this.#db.prepare<[string, string], Buffer>(sql).pluck().all(prefix, prefix);
  }

  put(key: string, value: Uint8Array): void {
    const sql = 'INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value';
    this.#db.prepare(sql).run(key, Buffer.from(value));
  }

  rename({ from, to }: { from: string; to: string }): void {
    this.#db.prepare('UPDATE OR REPLACE kv SET key = ? WHERE key = ?').run(to, from);
  }

  invoice(paymentHash: string): InvoiceRow | undefined {
    const row = this.#db
      .prepare<[string], Stored<InvoiceRow>>('SELECT * FROM invoice WHERE paymentHash = ?')
      .get(paymentHash);
    return row === undefined ? undefined : invoiceRow(row);
  }

  openInvoicesExpiredAt(nowSeconds: number): InvoiceRow[] {
    const sql = "SELECT * FROM invoice WHERE state = 'open' AND expiresAtSeconds <= ?";
    return this.#db.prepare<[number], Stored<InvoiceRow>>(sql).all(nowSeconds).map(invoiceRow);
  }

  putInvoice(row: InvoiceRow): void {
    this.#replace('invoice', {
      ...row,
      amountMsat: `${row.amountMsat}`,
      receivedMsat: `${row.receivedMsat}`,
      preimage: row.preimage ?? null,
    });
  }

  payment(paymentHash: string): PaymentRow | undefined {
    const row = this.#db
      .prepare<[string], Stored<PaymentRow>>('SELECT * FROM payment WHERE paymentHash = ?')
      .get(paymentHash);
    return row === undefined ? undefined : paymentRow(row);
  }

  pendingPayments(): PaymentRow[] {
    return this.#db
      .prepare<[], Stored<PaymentRow>>("SELECT * FROM payment WHERE state = 'pending'")
      .all()
      .map(paymentRow);
  }

  putPayment(row: PaymentRow): void {
    this.#replace('payment', { ...row, feeMsat: `${row.feeMsat}`, preimage: row.preimage ?? null });
  }

  outbox(): OutboxRow[] {
    const rows = this.#db
      .prepare<[], Stored<Omit<OutboxRow, 'raws'>> & { raws: string }>('SELECT * FROM outbox ORDER BY rowid')
      .all();
    return rows.map((row) => ({ ...row, raws: row.raws.split(','), finalSince: row.finalSince ?? undefined }));
  }

  /** Adds what shall be broadcast; what is there already keeps its age. */
  addToOutbox(row: Omit<OutboxRow, 'finalSince'>): void {
    this.#db
      .prepare('INSERT OR IGNORE INTO outbox VALUES (?, ?, ?, NULL)')
      .run(row.txid, row.raws.join(','), row.addedHeight);
  }

  setFinalSince({ txid, height }: { txid: string; height: number | undefined }): void {
    this.#db.prepare('UPDATE outbox SET finalSince = ? WHERE txid = ?').run(height ?? null, txid);
  }

  removeFromOutbox(txid: string): void {
    this.#db.prepare('DELETE FROM outbox WHERE txid = ?').run(txid);
  }

  addSweep(descriptors: readonly string[]): void {
    this.#db.prepare('INSERT INTO sweep (descriptors) VALUES (?)').run(descriptors.join(','));
  }

  /** Outputs for which no transaction was built yet. */
  openSweeps(): SweepRow[] {
    const rows = this.#db
      .prepare<[], { id: number; descriptors: string }>('SELECT id, descriptors FROM sweep WHERE txid IS NULL')
      .all();
    return rows.map(({ id, descriptors }) => ({ id, descriptors: descriptors.split(','), txid: undefined }));
  }

  setSweepTxid({ id, txid }: { id: number; txid: string }): void {
    this.#db.prepare('UPDATE sweep SET txid = ? WHERE id = ?').run(txid, id);
  }

  peers(): PeerRow[] {
    return this.#db.prepare<[], PeerRow>('SELECT nodeId, host, port FROM peer').all();
  }

  putPeer(peer: PeerRow): void {
    this.#replace('peer', peer);
  }

  note(type: string, detail: Record<string, string>): void {
    const { lastInsertRowid } = this.#db
      .prepare('INSERT INTO journal (type, detail) VALUES (?, ?)')
      .run(type, JSON.stringify(detail));
    this.#db.prepare('DELETE FROM journal WHERE id <= ?').run(Number(lastInsertRowid) - JOURNAL_ENTRIES);
  }

  journal(afterId: number): JournalEntry[] {
    const sql = 'SELECT id, type, detail FROM journal WHERE id > ? ORDER BY id';
    const rows = this.#db.prepare<[number], { id: number; type: string; detail: string }>(sql).all(afterId);
    return rows.map((row) => ({ ...row, detail: JSON.parse(row.detail) as Record<string, string> }));
  }

  #replace(table: string, row: Record<string, string | number | null>): void {
    const names = Object.keys(row);
    const places = names.map((name) => `@${name}`);
    this.#db.prepare(`INSERT OR REPLACE INTO ${table} (${names.join(', ')}) VALUES (${places.join(', ')})`).run(row);
  }
}

const invoiceRow = (row: Stored<InvoiceRow>): InvoiceRow => ({
  ...row,
  amountMsat: BigInt(row.amountMsat),
  receivedMsat: BigInt(row.receivedMsat),
  preimage: row.preimage ?? undefined,
});

const paymentRow = (row: Stored<PaymentRow>): PaymentRow => ({
  ...row,
  feeMsat: BigInt(row.feeMsat),
  preimage: row.preimage ?? undefined,
});
