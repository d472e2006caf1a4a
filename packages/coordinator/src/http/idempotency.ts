import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { open, seal, sha256Hex } from './idempotency-seal.ts';
import type { CoordinatorTables } from '../database/migrations/all.ts';

export type IdempotencyParts = {
  tables: Kysely<CoordinatorTables>;
  clock: Pick<Clock, 'nowSeconds' | 'randomBytes' | 'every'>;
  /** How long an answer is given again. */
  retentionSeconds: number;
  /** Who asks: two callers may use the same key. Called before the handler and after every earlier hook. */
  callerOf(request: FastifyRequest): string;
};

/**
 * A request that is worked on for longer died with its process: after that its key may be tried again. No handler may
 * take as long.
 */
export const MOST_WORK_SECONDS = 60;

const FORGET_MILLISECONDS = 3_600_000;

/** Long enough that nobody guesses it: who knows the key of another's request is given the answer to it. */
const KEY = /^[\x21-\x7e]{16,128}$/;

/** What may turn out otherwise the next time without anything having been done: not kept, so that it can be tried again. */
const NOT_KEPT: readonly number[] = [401, 403, 408, 429, 503];

/** A place in the table that this request holds, or what was answered when it was held before. */
type Slot = { caller: string; key: string; route: string; body_hash: string; created_at: number };
type Held = { slot: Slot; secret: string };
type Answer = { body: string; contentType: string };

function keyOf(request: FastifyRequest): string | undefined {
  const given = request.headers['idempotency-key'];
  if (request.method !== 'POST' || given === undefined) return undefined;
  if (typeof given === 'string' && KEY.test(given)) return given;
  throw new SparkleError(
    'bad_message',
    'Idempotency-Key must be 16 to 128 visible ASCII characters; got something else',
    {
      field: 'Idempotency-Key',
    },
  );
}

/** Takes the slot if it is free, if it has outlived its retention, or if its worker is surely dead. */
async function take({ tables, retentionSeconds }: IdempotencyParts, slot: Slot): Promise<boolean> {
  const { caller, key } = slot;
  const inserted = await tables
    .insertInto('idempotency')
    .values({ ...slot, status: null, response: null })
    .onConflict((known) => known.columns(['caller', 'key']).doNothing())
    .executeTakeFirst();
  if (inserted.numInsertedOrUpdatedRows === 1n) return true;
  const now = slot.created_at;
  const taken = await tables
    .updateTable('idempotency')
    .set({ ...slot, status: null, response: null })
    .where('caller', '=', caller)
    .where('key', '=', key)
    .where((row) =>
      row.or([
        row('created_at', '<=', now - retentionSeconds),
        row.and([
          row('status', 'is', null),
          row('created_at', '<=', now - MOST_WORK_SECONDS),
          row('route', '=', slot.route),
          row('body_hash', '=', slot.body_hash),
        ]),
      ]),
    )
    .executeTakeFirst();
  return taken.numUpdatedRows === 1n;
}

/** Gives the earlier answer again. Throws `key_reused` or `in_progress`. */
async function replay(
  { tables }: IdempotencyParts,
  { slot, secret }: Held,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const row = await tables
    .selectFrom('idempotency')
    .select(['route', 'body_hash', 'status', 'response'])
    .where('caller', '=', slot.caller)
    .where('key', '=', slot.key)
    .executeTakeFirst();
  if (row !== undefined && (row.route !== slot.route || row.body_hash !== slot.body_hash))
    throw new SparkleError(
      'key_reused',
      'Idempotency-Key must be new for each request; it came with another one before',
      {
        field: 'Idempotency-Key',
      },
    );
  // Without a row, the first request has just ended with what is not kept.
  if (row === undefined || row.status === null || row.response === null)
    throw new SparkleError('in_progress', 'the same request is being worked on; ask again for its answer', {
      field: 'Idempotency-Key',
    });
  const { body, contentType } = JSON.parse(open({ sealed: row.response, secret })) as Answer;
  return reply
    .status(row.status)
    .headers({ 'content-type': contentType, 'idempotent-replayed': 'true' })
    .serializer((given: string) => given)
    .send(body);
}

async function keep(parts: IdempotencyParts, { slot, secret }: Held, reply: FastifyReply, body: string): Promise<void> {
  const { tables, clock } = parts;
  const answer: Answer = { body, contentType: String(reply.getHeader('content-type') ?? 'application/json') };
  const response = seal({ text: JSON.stringify(answer), secret, nonce: clock.randomBytes(12) });
  await tables
    .updateTable('idempotency')
    .set({ status: reply.statusCode, response })
    .where('caller', '=', slot.caller)
    .where('key', '=', slot.key)
    .where('created_at', '=', slot.created_at)
    .execute();
}

async function release({ tables }: IdempotencyParts, { caller, key, created_at }: Slot): Promise<void> {
  await tables
    .deleteFrom('idempotency')
    .where('caller', '=', caller)
    .where('key', '=', key)
    .where('created_at', '=', created_at)
    .where('status', 'is', null)
    .execute();
}

/**
 * A POST with an Idempotency-Key is done once: whoever repeats it is given the answer of the first time, which is forgotten
 * after its time. To be installed before any route. What fails its schema is not done at all and holds no key.
 */
export function installIdempotency(app: FastifyInstance, parts: IdempotencyParts): void {
  const hashes = new WeakMap<FastifyRequest, string>();
  const holders = new WeakMap<FastifyRequest, Held>();
  const stopForgetting = parts.clock.every(FORGET_MILLISECONDS, () => {
    void forgetAnswers(parts).catch((error: unknown) => app.log.warn({ error }, 'old answers could not be forgotten'));
  });
  app.addHook('onClose', async () => stopForgetting());

  // Before validation: what came, and not what a schema makes of it.
  app.addHook('preValidation', async (request) => {
    if (keyOf(request) !== undefined) hashes.set(request, sha256Hex(JSON.stringify(request.body ?? null)));
  });

  app.addHook('preHandler', async (request, reply) => {
    const secret = keyOf(request);
    if (secret === undefined) return;
    const slot: Slot = {
      caller: parts.callerOf(request),
      key: sha256Hex(secret),
      route: `${request.method} ${request.url}`,
      body_hash: hashes.get(request) ?? '',
      created_at: parts.clock.nowSeconds(),
    };
    if (!(await take(parts, slot))) return replay(parts, { slot, secret }, reply);
    holders.set(request, { slot, secret });
  });

  app.addHook('onSend', async (request, reply, payload) => {
    const held = holders.get(request);
    if (held === undefined) return payload;
    try {
      const isKept = typeof payload === 'string' && !NOT_KEPT.includes(reply.statusCode);
      await (isKept ? keep(parts, held, reply, payload) : release(parts, held.slot));
    } catch (error) {
      // What was asked for is done: its answer is not withheld because it could not be kept.
      request.log.error({ error }, 'an answer could not be kept for its Idempotency-Key');
    }
    return payload;
  });
}

/** Removes what has outlived its retention. */
async function forgetAnswers({ tables, clock, retentionSeconds }: IdempotencyParts): Promise<void> {
  await tables
    .deleteFrom('idempotency')
    .where('created_at', '<=', clock.nowSeconds() - retentionSeconds)
    .execute();
}
