import { Client } from 'pg';
import { explained } from './postgres-errors.ts';
import { answerWithin, clientConfig, connectionSettings, type Reach, survive } from './postgres-pool.ts';
import type { StoreNews } from './store.ts';

const CHANNEL = 'sparkle_store';

/** PostgreSQL refuses a notice of 8000 bytes. */
const MOST_PAYLOAD_BYTES = 7_000;

/** What instances tell each other. A `word` means something to the program around the store alone. */
type Notice = { freed: true } | { changed: string } | { wanted: string } | { word: string };
type Payload = { from: number; notices: Notice[] };

/** How an instance shows that it lives: its lease ends after `leaseMilliseconds`, and is renewed before. */
export type Pulse = { leaseMilliseconds: number; renewMilliseconds: number };

/** Whoever may connect may notify: of what is not ours nothing is heard. */
function readPayload(text: string): Payload {
  try {
    const { from, notices } = JSON.parse(text) as Payload;
    if (Number.isSafeInteger(from) && notices.every(isNotice)) return { from, notices };
  } catch {
    // Not JSON, or nothing with notices in it.
  }
  return { from: 0, notices: [] };
}

const isNotice = (notice: Notice): boolean =>
  ('freed' in notice && notice.freed) ||
  ('changed' in notice && typeof notice.changed === 'string') ||
  ('wanted' in notice && typeof notice.wanted === 'string') ||
  ('word' in notice && typeof notice.word === 'string');

const ENTER = `insert into instance (name, expires_at) values ($1, clock_timestamp() + $2 * interval '1 millisecond') returning id`;
const RENEW = `update instance set expires_at = clock_timestamp() + $2 * interval '1 millisecond' where id = $1`;

/** Whether something waits for a new holder, and whether anybody is there who would read a notice. */
const LOOK = `
  with dead as (select id from instance where id <> $1 and expires_at <= clock_timestamp())
  select
    exists (select from trade where ended = 0 and (holder is null or holder in (select id from dead)))
    or exists (
      select from effect join trade using (trade_id)
      where effect.body is not null and (holder is null or holder in (select id from dead))
    ) as orphans,
    exists (select from instance where id <> $1 and expires_at > clock_timestamp()) as peers`;

/**
 * An instance's own connection to the database, beside those that do the work: it renews the lease also when they are all
 * busy, and hears what other instances did. Lost, it is made anew at the next beat.
 */
export class PostgresLink {
  readonly #reach: Reach;
  readonly #pulse: Pulse;
  readonly #listeners = new Set<(news: StoreNews) => void>();
  readonly #wordListeners = new Set<(word: string) => void>();
  /** What is still to be told, each once: the notices as text. */
  readonly #untold = new Set<string>();
  #id = 0;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Settles when the connection is free: it does one thing at a time. */
  #busy: Promise<unknown> = Promise.resolve();
  #isBeating = false;
  #isTelling = false;
  #isClosed = false;
  #hasPeers = false;

  private constructor(reach: Reach, pulse: Pulse) {
    this.#reach = reach;
    this.#pulse = pulse;
  }

  /** Enters this instance into the database. Throws `store_unavailable`. */
  static async open({ instance, ...rest }: Reach & Pulse & { instance: string }): Promise<PostgresLink> {
    const link = new PostgresLink(rest, rest);
    try {
      const client = await link.#connect();
      const [row] = await link.#ask<{ id: number }>(client, ENTER, [instance, rest.leaseMilliseconds]);
      link.#id = row?.id ?? 0;
      await link.#beat();
    } catch (error) {
      link.#drop();
      throw explained(error);
    }
    link.#timer = setInterval(() => void link.#turn(), rest.renewMilliseconds);
    link.#timer.unref();
    return link;
  }

  /** This instance's number: a later opening has a larger one. */
  get id(): number {
    return this.#id;
  }

  subscribe(listener: (news: StoreNews) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` with every word that another instance told. */
  subscribeWords(listener: (word: string) => void): () => void {
    this.#wordListeners.add(listener);
    return () => this.#wordListeners.delete(listener);
  }

  /** Lets the others know, soon. Only a hint: what is lost with the connection is found at their next look. */
  tell(notice: Notice): void {
    if (!this.#hasPeers) return;
    this.#untold.add(JSON.stringify(notice));
    if (!this.#isTelling) void this.#tellAll();
  }

  /** Asks whoever holds a trade for it. That somebody holds it is known, whether or not he has been heard yet. */
  want(tradeId: string): void {
    this.#hasPeers = true;
    this.tell({ wanted: tradeId });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#listeners.clear();
    this.#wordListeners.clear();
    await this.#send([JSON.stringify({ freed: true })]);
    this.#drop();
  }

  async #connect(): Promise<Client> {
    const client = new Client(clientConfig(this.#reach));
    survive(client);
    client.on('end', () => this.#forget(client));
    client.on('notification', ({ payload }) => this.#hear(payload ?? ''));
    // Known before it is connected, so that an attempt that hangs is ended by the next drop.
    this.#client = client;
    await client.connect();
    await client.query(connectionSettings);
    await client.query(`listen ${CHANNEL}`);
    return client;
  }

  #ask<Row extends object>(client: Client, text: string, values: readonly unknown[]): Promise<Row[]> {
    const answer = this.#busy.then(() => client.query<Row>(text, [...values])).then(({ rows }) => rows);
    this.#busy = answer.catch(() => undefined);
    return answer;
  }

  #forget(client: Client): void {
    if (this.#client === client) this.#client = undefined;
  }

  #drop(): void {
    const client = this.#client;
    this.#client = undefined;
    // Of a connection that is lost already there is nothing to end.
    void client?.end().catch(() => undefined);
  }

  /**
   * One beat. Whatever goes wrong is tried again at the next; meanwhile the lease runs out and another takes over, and whoever
   * asks the store is told himself that the database is away.
   */
  async #turn(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    try {
      await answerWithin(this.#pulse.leaseMilliseconds, this.#beat());
    } catch {
      this.#drop();
    } finally {
      this.#isBeating = false;
      // It may have been closed while it connected.
      if (this.#isClosed) this.#drop();
    }
  }

  async #beat(): Promise<void> {
    const wasLost = this.#client === undefined;
    const client = this.#client ?? (await this.#connect());
    await this.#ask(client, RENEW, [this.#id, this.#pulse.leaseMilliseconds]);
    const [seen] = await this.#ask<{ orphans: boolean; peers: boolean }>(client, LOOK, [this.#id]);
    this.#hasPeers = seen?.peers ?? false;
    // Notices that came while there was no connection are gone: then everything must be looked at, too.
    if (wasLost || seen?.orphans === true) this.#say({ type: 'freed' });
  }

  #say(news: StoreNews): void {
    for (const listener of this.#listeners) listener(news);
  }

  #hear(payload: string): void {
    const { from, notices } = readPayload(payload);
    if (from === this.#id) return;
    this.#hasPeers = true;
    for (const notice of notices)
      if ('freed' in notice) this.#say({ type: 'freed' });
      else if ('changed' in notice) this.#say({ type: 'changed', tradeId: notice.changed });
      else if ('wanted' in notice) this.#say({ type: 'wanted', tradeId: notice.wanted });
      else for (const listener of this.#wordListeners) listener(notice.word);
  }

  /** What changes while a notice is on its way goes with the next: a busy instance does not send one for each. */
  async #tellAll(): Promise<void> {
    this.#isTelling = true;
    while (this.#untold.size > 0) {
      const batch: string[] = [];
      let room = MOST_PAYLOAD_BYTES;
      for (const text of this.#untold) {
        room -= Buffer.byteLength(text) + 1;
        if (room < 0 && batch.length > 0) break;
        this.#untold.delete(text);
        if (room >= 0) batch.push(text);
      }
      await this.#send(batch);
    }
    this.#isTelling = false;
  }

  /** Never rejects: a notice is a hint. */
  async #send(notices: readonly string[]): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    const payload = `{"from":${this.#id},"notices":[${notices.join(',')}]}`;
    const said = this.#ask(client, 'select pg_notify($1, $2)', [CHANNEL, payload]);
    await answerWithin(this.#pulse.leaseMilliseconds, said).catch(() => undefined);
  }
}
