import { randomUUID } from 'node:crypto';
import { hex } from '@scure/base';
import type { Kysely } from 'kysely';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { createLanes } from 'sparkle-protocol/trader/lanes';
import type { Log } from 'sparkle-protocol/trader/log';
import type { Identity } from '../access/auth.ts';
import type { CoordinatorTables } from '../database/migrations/all.ts';
import { type GuardOptions, webhookAddresses } from './webhook-guard.ts';
import { Deliveries } from './webhooks-delivery.ts';

/** A delivery that was given up. */
export type DeadLetter = { seq: number; hook_id: string; attempts: number; body: string };

/** By what name the webhooks of somebody are kept, and told: those of a trade's token are told of that trade alone. */
export const webhookOwner = (identity: Identity): string =>
  'party' in identity ? identity.party : `${identity.tradeToken.tradeId} ${identity.tradeToken.role}`;

/** Something to tell: to the webhooks of these owners that asked for this event. `subject` is what it is about. */
export type Notice = {
  event: string;
  subject: string;
  owners: readonly string[];
  data: Readonly<Record<string, unknown>>;
};

/** A webhook as its owner sees it; its secret is told once, when it is made. */
export type Webhook = { webhook_id: string; url: string; events: readonly string[]; created_at: number };

export type WebhookParts = {
  tables: Kysely<CoordinatorTables>;
  clock: Clock;
  log: Log;
  guard: GuardOptions;
};

const MOST_OF_ONE_OWNER = 10;
const SECRET_BYTES = 32;
const TICK_MILLISECONDS = 1_000;
const FORGET_MILLISECONDS = 3_600_000;
const MOST_SHOWN = 500;
/** How long what was told is kept, for who asks whether it was. */
const KEPT_MILLISECONDS = 7 * 86_400_000;

/** Webhooks: who is told of what, and the telling. */
export class Webhooks {
  readonly #parts: WebhookParts;
  readonly #deliveries: Deliveries;
  readonly #lanes = createLanes();
  readonly #work = new Set<Promise<void>>();
  #isStopped = false;

  constructor(parts: WebhookParts) {
    this.#parts = parts;
    const nowMilliseconds = () => parts.clock.nowSeconds() * 1000;
    this.#deliveries = new Deliveries({ ...parts, nowMilliseconds, isStopped: () => this.#isStopped });
  }

  /** Begins to deliver, and to forget what was told; the returned function ends it. */
  start(): () => void {
    const { clock, log } = this.#parts;
    const failed = (error: unknown) => log.warn({ error: String(error) }, 'what was told could not be forgotten');
    const forget = () => void this.#lanes.later('forget', () => this.#forgetSent().catch(failed));
    this.#isStopped = false;
    const stops = [
      clock.every(TICK_MILLISECONDS, () => void this.deliverDue()),
      clock.every(FORGET_MILLISECONDS, forget),
    ];
    return () => {
      this.#isStopped = true;
      stops.forEach((stop) => stop());
    };
  }

  /** Resolves when nothing is being sent or forgotten. What is stopped ends with the posts that are under way. */
  async idle(): Promise<void> {
    await Promise.all([...this.#work, this.#lanes.idle()]);
  }

  /** Delivers what is due now. Never rejects: what could not be delivered stays due. */
  deliverDue(): Promise<void> {
    const work = this.#deliveries
      .deliver()
      .catch((error: unknown) => {
        this.#parts.log.error({ error: String(error) }, 'webhooks could not be delivered and stay due');
      })
      .finally(() => this.#work.delete(work));
    this.#work.add(work);
    return work;
  }

  /** Throws `bad_message` for an address that is not on the open Internet, `refused` for one too many. */
  async register(of: { owner: string; url: string; events: readonly string[] }): Promise<Webhook & { secret: string }> {
    const { tables, clock, guard } = this.#parts;
    const { owner, events } = of;
    const url = (await webhookAddresses(of.url, guard)).url.href;
    if ((await this.of(owner)).length >= MOST_OF_ONE_OWNER)
      throw new SparkleError(
        'refused',
        `one key may have at most ${MOST_OF_ONE_OWNER} webhooks; this one has them: remove one first`,
        { most: MOST_OF_ONE_OWNER },
      );
    const hook_id = randomUUID();
    const secret = hex.encode(clock.randomBytes(SECRET_BYTES));
    const created_at = clock.nowSeconds();
    await tables
      .insertInto('webhook')
      .values({ hook_id, owner, url, secret, events: JSON.stringify(events), created_at })
      .execute();
    return { webhook_id: hook_id, url, events, created_at, secret };
  }

  async of(owner: string): Promise<Webhook[]> {
    const rows = await this.#parts.tables
      .selectFrom('webhook')
      .select(['hook_id', 'url', 'events', 'created_at'])
      .where('owner', '=', owner)
      .orderBy('created_at')
      .orderBy('hook_id')
      .execute();
    return rows.map(({ hook_id, url, events, created_at }) => ({
      webhook_id: hook_id,
      url,
      events: JSON.parse(events) as string[],
      created_at,
    }));
  }

  /** Removes it, and what it was still to be told. Throws `not_found`, also for another's. */
  async remove({ owner, webhookId }: { owner: string; webhookId: string }): Promise<void> {
    const { numDeletedRows } = await this.#parts.tables
      .deleteFrom('webhook')
      .where('hook_id', '=', webhookId)
      .where('owner', '=', owner)
      .executeTakeFirst();
    if (numDeletedRows === 0n)
      throw new SparkleError('not_found', 'id must be that of a webhook of this key; there is none', { field: 'id' });
  }

  /** Writes down what is to be told, in a transaction where one is given. Delivered by the next tick of any instance. */
  async notify({ event, subject, owners, data }: Notice, tables = this.#parts.tables): Promise<void> {
    if (owners.length === 0) return;
    const { clock } = this.#parts;
    const hooks = await tables
      .selectFrom('webhook')
      .select(['hook_id', 'events'])
      .where('owner', 'in', owners)
      .execute();
    const wanting = hooks.filter(({ events }) => (JSON.parse(events) as string[]).includes(event));
    if (wanting.length === 0) return;
    const body = JSON.stringify({ event, subject, created_at: clock.nowSeconds(), data });
    const due = { body, attempts: 0, not_before: 0, state: 'due' } as const;
    await tables
      .insertInto('delivery')
      .values(wanting.map(({ hook_id }) => ({ hook_id, ...due })))
      .execute();
  }

  /** How many were given up, all of them. */
  async deadCount(): Promise<number> {
    const { count } = await this.#parts.tables
      .selectFrom('delivery')
      .select(({ fn }) => fn.countAll().as('count'))
      .where('state', '=', 'dead')
      .executeTakeFirstOrThrow();
    return Number(count);
  }

  /** What was given up, oldest first, as much of it as one page shows. */
  deadLetters(): Promise<DeadLetter[]> {
    return this.#parts.tables
      .selectFrom('delivery')
      .select(['seq', 'hook_id', 'attempts', 'body'])
      .where('state', '=', 'dead')
      .orderBy('seq')
      .limit(MOST_SHOWN)
      .execute();
  }

  /** Makes a dead letter due again. Throws `not_found`. */
  async replay(seq: number): Promise<void> {
    const { numUpdatedRows } = await this.#parts.tables
      .updateTable('delivery')
      .set({ state: 'due', attempts: 0, not_before: 0 })
      .where('seq', '=', seq)
      .where('state', '=', 'dead')
      .executeTakeFirst();
    if (numUpdatedRows === 0n)
      throw new SparkleError('not_found', `seq must be that of a dead letter; ${seq} is none`, { field: 'seq' });
  }

  /** Removes what was told more than a week ago. */
  async #forgetSent(): Promise<void> {
    const { tables, clock } = this.#parts;
    await tables
      .deleteFrom('delivery')
      .where('state', '=', 'sent')
      .where('not_before', '<', clock.nowSeconds() * 1000 - KEPT_MILLISECONDS)
      .execute();
  }
}
