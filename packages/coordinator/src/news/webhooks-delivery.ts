import type { Kysely } from 'kysely';
import pLimit from 'p-limit';
import type { Log } from 'sparkle-protocol/trader/log';
import type { CoordinatorTables } from '../database/migrations/all.ts';
import { type GuardOptions, postOnce } from './webhook-guard.ts';
import { signatureHeader, signatureOf } from './webhooks-signature.ts';

export type DeliveryParts = {
  tables: Kysely<CoordinatorTables>;
  nowMilliseconds(): number;
  /** Whether nothing more is to be begun: what is due stays due. */
  isStopped(): boolean;
  log: Log;
  guard: GuardOptions;
};

type Due = { seq: number; hook_id: string; body: string; attempts: number; not_before: number };
type Hook = { hook_id: string; url: string; secret: string };
type Attempt = { hook: Hook; due: Due };

const FIRST_RETRY_MILLISECONDS = 5_000;
const LAST_RETRY_MILLISECONDS = 3_600_000;
/** 5 s, 10 s, 20 s ... 43 min and then hourly: about four hours in all. */
const MOST_ATTEMPTS = 13;
/** Webhooks of this many are served at a time; one that is slow holds up itself. */
const AT_ONCE = 16;
/** Who has been served for so long and has more to be told stands at the end of the line again. */
const TURN_MILLISECONDS = 5_000;
const PAGE = 200;
/** RFC 9110 15.5.11: gone for good. */
const GONE = 410;

/** While one instance sends, another leaves it alone; should the first die, the second sends after this. */
const leaseMilliseconds = ({ guard }: DeliveryParts): number => 2 * guard.timeoutMilliseconds + 10_000;

const retryMilliseconds = (attempts: number): number =>
  Math.min(LAST_RETRY_MILLISECONDS, FIRST_RETRY_MILLISECONDS * 2 ** (attempts - 1));

const subjectOf = ({ body }: Due): string => String((JSON.parse(body) as { subject: unknown }).subject);

/**
 * Sends what is due, each webhook by itself and in turns: an endpoint that takes its time with everything it is told, and has
 * seen to it that there is much, keeps nobody waiting. What is about one subject goes in its order, and waits for the one before.
 */
export class Deliveries {
  readonly #parts: DeliveryParts;
  readonly #line = pLimit(AT_ONCE);
  readonly #serving = new Map<string, Promise<void>>();

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  /** Resolves when all that are being served have had their turns; who comes meanwhile need not wait for that. */
  async deliver(): Promise<void> {
    for (const hook of await waitingHooks(this.#parts)) this.#serve(hook);
    await Promise.all(this.#serving.values());
  }

  #serve(hook: Hook): void {
    const { hook_id: hookId } = hook;
    if (this.#serving.has(hookId)) return;
    const turn = this.#line(() => serveHook(this.#parts, hook))
      .catch((error: unknown) => {
        // What keeps one webhook from being served keeps no other.
        const fields = { hookId, error: String(error) };
        this.#parts.log.error(fields, 'a webhook could not be served; what it is to be told stays due');
      })
      .finally(() => this.#serving.delete(hookId));
    this.#serving.set(hookId, turn);
  }
}

function waitingHooks({ tables, nowMilliseconds }: DeliveryParts): Promise<Hook[]> {
  return tables
    .selectFrom('webhook')
    .select(['hook_id', 'url', 'secret'])
    .where((row) =>
      row.exists(
        row
          .selectFrom('delivery')
          .select('delivery.seq')
          .whereRef('delivery.hook_id', '=', 'webhook.hook_id')
          .where('delivery.state', '=', 'due')
          .where('delivery.not_before', '<=', nowMilliseconds()),
      ),
    )
    .execute();
}

/** Each round takes the first of each subject; an endpoint that fails, or has had its time, ends the rounds of its webhook. */
async function serveHook(parts: DeliveryParts, hook: Hook): Promise<void> {
  const until = parts.nowMilliseconds() + TURN_MILLISECONDS;
  for (;;) {
    const ready = await readyOf(parts, hook);
    if (ready.length === 0) return;
    for (const due of ready) {
      if (parts.isStopped()) return;
      if (!(await claim(parts, due))) continue;
      if (!(await attempt(parts, { hook, due })) || parts.nowMilliseconds() >= until) return;
    }
  }
}

/** The first of each subject whose time has come; what waits to be tried again, however much of it, hides no other subject. */
async function readyOf(parts: DeliveryParts, { hook_id }: Hook): Promise<Due[]> {
  const seen = new Set<string>();
  for (let since = 0; ;) {
    const rows = await parts.tables
      .selectFrom('delivery')
      .select(['seq', 'hook_id', 'body', 'attempts', 'not_before'])
      .where('hook_id', '=', hook_id)
      .where('state', '=', 'due')
      .where('seq', '>', since)
      .orderBy('seq')
      .limit(PAGE)
      .execute();
    const now = parts.nowMilliseconds();
    const ready = rows.filter((row) => isFirst(seen, row) && row.not_before <= now);
    const last = rows.at(-1);
    if (ready.length > 0 || last === undefined || rows.length < PAGE) return ready;
    since = last.seq;
  }
}

/** Whether nothing about the same was seen before; it is from now on. */
function isFirst(seen: Set<string>, due: Due): boolean {
  const subject = subjectOf(due);
  if (seen.has(subject)) return false;
  seen.add(subject);
  return true;
}

/** Counted before it is sent: of two instances one finds the count that it has read. */
async function claim(parts: DeliveryParts, { seq, attempts }: Due): Promise<boolean> {
  const { numUpdatedRows } = await parts.tables
    .updateTable('delivery')
    .set({ attempts: attempts + 1, not_before: parts.nowMilliseconds() + leaseMilliseconds(parts) })
    .where('seq', '=', seq)
    .where('attempts', '=', attempts)
    .where('state', '=', 'due')
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Whether the endpoint took it. */
async function attempt(parts: DeliveryParts, { hook, due }: Attempt): Promise<boolean> {
  const { tables, log, nowMilliseconds } = parts;
  const status = await post(parts, { hook, due });
  const now = nowMilliseconds();
  const attempts = due.attempts + 1;
  const isTaken = status !== undefined && status >= 200 && status <= 299;
  const isDead = !isTaken && (attempts >= MOST_ATTEMPTS || status === GONE);
  const state = isTaken ? 'sent' : isDead ? 'dead' : 'due';
  const not_before = state === 'due' ? now + retryMilliseconds(attempts) : now;
  await tables.updateTable('delivery').set({ state, not_before }).where('seq', '=', due.seq).execute();
  const fields = { seq: due.seq, hookId: hook.hook_id, attempts, status };
  if (isDead) log.warn(fields, 'a webhook was given up');
  return isTaken;
}

async function post(
  { guard, nowMilliseconds, log }: DeliveryParts,
  { hook, due }: Attempt,
): Promise<number | undefined> {
  const { body, seq } = due;
  const seconds = Math.floor(nowMilliseconds() / 1000);
  const headers = {
    [signatureHeader]: signatureOf({ secret: hook.secret, seconds, body }),
    // The same for every attempt: a receiver who knows it has been told already.
    'Sparkle-Delivery': String(seq),
  };
  try {
    return await postOnce({ to: hook.url, body, headers }, guard);
  } catch (error) {
    log.info({ seq, hookId: hook.hook_id, error: String(error) }, 'a webhook did not answer');
    return undefined;
  }
}
