import type { Kysely, Transaction } from 'kysely';
import { letterTo } from 'sparkle-protocol/market/coordinator-letter';
import { assertSendable } from 'sparkle-protocol/market/envelope';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';
import { Allowance } from '../access/allowance.ts';
import { Bells } from '../database/bells.ts';
import type { Database } from '../database/database.ts';
import type { CoordinatorTables } from '../database/migrations/all.ts';

export type Letter = { seq: number; from: string; text: string; receivedAt: number };

export type MailLimits = {
  /** Letters in one mailbox. A full one refuses: see `Mailboxes.post`. */
  mostLetters: number;
  /** Of one sender in one mailbox: so that none fills another's alone. */
  mostOfOneSender: number;
  /** In all mailboxes: keys cost nothing, disks do. */
  mostInAll: number;
  /** Of one sender; a long letter counts as one for each 4 kB. */
  lettersPerMinute: number;
  keptSeconds: number;
  /** For letters that are handled: a trader who restores an older state still finds them. */
  keptHandledSeconds: number;
};

/** What suits a coordinator on the Internet: a trade has about ten letters. */
export const mailLimits: MailLimits = {
  mostLetters: 2_000,
  mostOfOneSender: 200,
  mostInAll: 200_000,
  lettersPerMinute: 120,
  keptSeconds: 30 * 86_400,
  keptHandledSeconds: 86_400,
};

export type MailOptions = { database: Database; clock: Clock; limits: MailLimits; log: Log };

/** What instances tell each other when a letter has come: the recipient follows. */
const MAIL_FOR = 'mail ';
/** How often to look for letters of which nothing was heard: a word between instances can be lost. */
const LOOK_MILLISECONDS = 2_000;
const LETTER_CHARACTERS = 4_096;
/** Of one answer: the rest is in the next. */
const MOST_PAGE_CHARACTERS = 1_000_000;

type Session = Transaction<CoordinatorTables>;

/** Letters between parties, each kept until its time is over. What stands in them is nobody's business here. */
export class Mailboxes {
  readonly #options: MailOptions;
  readonly #allowance: Allowance;
  readonly #bells: Bells;
  /** Letters in all mailboxes, as counted last and those that came since; other instances add theirs unseen. */
  #kept: number | undefined;
  readonly #stopListening: () => void;

  constructor(options: MailOptions) {
    this.#options = options;
    const { limits, clock, database, log } = options;
    this.#stopListening = database.listen((word) => {
      if (word.startsWith(MAIL_FOR)) this.#bells.ring(word.slice(MAIL_FOR.length));
    });
    this.#bells = new Bells({
      ...{ clock, everyMilliseconds: LOOK_MILLISECONDS, log },
      newest: () => newestIn(database.tables),
      concerned: (since) => recipientsAfter(database.tables, since),
    });
    this.#allowance = new Allowance({ perMinute: limits.lettersPerMinute }, () => clock.nowSeconds());
  }

  /** Takes a letter from outside: as `post`, within the sender's rate and the space there is. Throws `rate_limited` and `busy` too. */
  async accept(letter: { from: string; to: string; text: string }): Promise<number> {
    const cost = Math.max(1, Math.ceil(letter.text.length / LETTER_CHARACTERS));
    this.#allowance.spend({ name: letter.from, cost, what: 'letters of one sender' });
    await this.#assertSpace();
    return this.post(letter);
  }

  /**
   * Keeps a letter and answers with its number, which is larger than that of any letter before. What is once taken is
   * never thrown away for another's sake: a full mailbox refuses the sender (`refused`), who still has the letter and
   * tries again, whereas a stranger could push out what the recipient waits for if the oldest had to go.
   */
  async post({ from, to, text }: { from: string; to: string; text: string }): Promise<number> {
    assertSendable(to, { from, text });
    letterTo(to, text);
    const { database, clock } = this.#options;
    const row = { recipient: to, sender: from, text, received_at: clock.nowSeconds() };
    const seq = await database.append(async (session) => {
      await this.#makeRoom(session, { from, to });
      const { seq } = await session.insertInto('mailbox').values(row).returning('seq').executeTakeFirstOrThrow();
      return Number(seq);
    });
    if (this.#kept !== undefined) this.#kept += 1;
    database.announce(`${MAIL_FOR}${to}`);
    return seq;
  }

  /** Letters to one recipient after number `since`, oldest first; fewer than `limit` when they are long. */
  async after({ recipient, since, limit }: { recipient: string; since: number; limit: number }): Promise<Letter[]> {
    const rows = await this.#options.database.tables
      .selectFrom('mailbox')
      .selectAll()
      .where('recipient', '=', recipient)
      .where('seq', '>', since)
      .orderBy('seq')
      .limit(limit)
      .execute();
    let characters = 0;
    const letters: Letter[] = [];
    for (const { seq, sender, text, received_at } of rows) {
      characters += text.length;
      if (letters.length > 0 && characters > MOST_PAGE_CHARACTERS) break;
      letters.push({ seq: Number(seq), from: sender, text, receivedAt: Number(received_at) });
    }
    return letters;
  }

  /** The recipient has handled all letters up to `seq`; of letters that have not come yet he cannot say so. */
  async ack({ recipient, seq }: { recipient: string; seq: number }): Promise<void> {
    await this.#options.database.tables.transaction().execute(async (session) => {
      const last = session.selectFrom('mailbox').where('recipient', '=', recipient).where('seq', '<=', seq);
      const { found } = await last.select(({ fn }) => fn.max('seq').as('found')).executeTakeFirstOrThrow();
      // `max` of nothing is null, whatever its type says.
      const acked = Number((found as number | null) ?? 0);
      if (acked === 0) return;
      await session
        .insertInto('mailbox_mark')
        .values({ recipient, acked })
        .onConflict((there) => there.column('recipient').doUpdateSet({ acked }).where('mailbox_mark.acked', '<', acked))
        .execute();
    });
  }

  /** Calls `wake` when there may be letters; the returned function ends it. */
  onMail(recipient: string, wake: () => void): () => void {
    return this.#bells.on(recipient, wake);
  }

  /** Wakes whoever has letters that came since the last look. Never rejects. */
  look(): Promise<void> {
    return this.#bells.look();
  }

  /** Throws away what is older than its time. */
  async prune(): Promise<void> {
    const { database, clock, limits } = this.#options;
    const now = clock.nowSeconds();
    await database.tables
      .deleteFrom('mailbox')
      .where('received_at', '<', now - limits.keptSeconds)
      .execute();
    await database.tables
      .deleteFrom('mailbox')
      .where('received_at', '<', now - limits.keptHandledSeconds)
      .where(({ eb, selectFrom }) =>
        eb(
          'seq',
          '<=',
          selectFrom('mailbox_mark').select('acked').whereRef('mailbox_mark.recipient', '=', 'mailbox.recipient'),
        ),
      )
      .execute();
    this.#kept = undefined;
  }

  close(): void {
    this.#stopListening();
    this.#bells.close();
  }

  async #assertSpace(): Promise<void> {
    const { mostInAll } = this.#options.limits;
    this.#kept ??= await countOf(this.#options.database.tables, {});
    if (this.#kept < mostInAll) return;
    throw new SparkleError('busy', `all mailboxes together must hold fewer than ${mostInAll} letters; they are full`);
  }

  async #makeRoom(session: Session, { from, to }: { from: string; to: string }): Promise<void> {
    const { mostLetters, mostOfOneSender } = this.#options.limits;
    if ((await countOf(session, { to, from })) >= mostOfOneSender)
      await this.#dropHandled(session, { to, from, most: mostOfOneSender });
    if ((await countOf(session, { to })) >= mostLetters) await this.#dropHandled(session, { to, most: mostLetters });
  }

  /** Handled letters give way; when there are none, the sender must wait. */
  async #dropHandled(session: Session, { to, from, most }: { to: string; from?: string; most: number }): Promise<void> {
    const mark = await markOf(session, to);
    const handled = session.deleteFrom('mailbox').where('recipient', '=', to).where('seq', '<=', mark);
    await (from === undefined ? handled : handled.where('sender', '=', from)).execute();
    if ((await countOf(session, { to, ...(from !== undefined && { from }) })) < most) return;
    const whose = from === undefined ? 'letters' : 'letters of one sender';
    throw new SparkleError('refused', `a mailbox must hold fewer than ${most} ${whose}; it is full`, { most });
  }
}

async function newestIn(db: Kysely<CoordinatorTables>): Promise<number> {
  const newest = db.selectFrom('mailbox').select('seq').orderBy('seq', 'desc').limit(1);
  return Number((await newest.executeTakeFirst())?.seq ?? 0);
}

async function recipientsAfter(
  db: Kysely<CoordinatorTables>,
  since: number,
): Promise<{ names: string[]; last: number }> {
  const rows = await db
    .selectFrom('mailbox')
    .select('recipient')
    .select(({ fn }) => fn.max('seq').as('last'))
    .where('seq', '>', since)
    .groupBy('recipient')
    .execute();
  return {
    names: rows.map(({ recipient }) => recipient),
    last: Math.max(since, ...rows.map(({ last }) => Number(last))),
  };
}

type Which = { to?: string; from?: string };

async function countOf(db: Kysely<CoordinatorTables>, { to, from }: Which): Promise<number> {
  let letters = db.selectFrom('mailbox');
  if (to !== undefined) letters = letters.where('recipient', '=', to);
  if (from !== undefined) letters = letters.where('sender', '=', from);
  return Number((await letters.select(({ fn }) => fn.countAll().as('count')).executeTakeFirstOrThrow()).count);
}

async function markOf(session: Session, recipient: string): Promise<number> {
  const row = await session
    .selectFrom('mailbox_mark')
    .select('acked')
    .where('recipient', '=', recipient)
    .executeTakeFirst();
  return Number(row?.acked ?? 0);
}
