import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { shown } from 'sparkle-protocol/protocol/json';
import * as z from 'zod/mini';

/** Names of the earlier coordinator's dialect; its users are told where to go. */
const FORMER = new Map([
  ['unsubscribe', 'close the connection'],
  ['create_swap', 'POST /v1/offers'],
  ['accept_swap', 'POST /v1/trade'],
  ['fund_swap', 'a signed message, POST /v1/messages'],
  ['pay_swap', 'a payment; it is seen by the node that receives it'],
  ['claim_swap', 'a claim on chain; it is seen in the mempool'],
  ['refund_swap', 'a refund on chain'],
  ['cancel_swap', 'DELETE /v1/offers/{id}, or a signed message'],
  ['send_message', 'POST /v1/messages'],
  ['get_swaps', 'GET /v1/offers'],
  ['get_swap', 'GET /v1/trade/{id}'],
]);

/** Reads one frame strictly; `undefined` stands for bytes that are no text. Throws `bad_message`, `not_supported`. */
export function readClientFrame<T>(schema: z.core.$ZodType<T>, text: string | undefined): T {
  const value = parsed(text);
  const result = z.safeParse(schema, value);
  if (result.success) return result.data;
  const type = typeOf(value);
  const instead = type === undefined ? undefined : FORMER.get(type);
  if (instead !== undefined)
    throw new SparkleError('not_supported', `${type} is not said on this socket; use ${instead}`, { field: 'type' });
  const [issue] = result.error.issues;
  if (issue?.code === 'unrecognized_keys')
    throw bad(shown(issue.keys[0]), 'is not known in a frame of this type; send nothing of that name');
  const field = issue?.path[0] === undefined ? 'frame' : String(issue.path[0]);
  throw bad(field, `${field === 'frame' ? 'must be an object with a type' : issue?.message}; it is not`);
}

function parsed(text: string | undefined): unknown {
  if (text === undefined) throw bad('frame', 'must be text; it is binary');
  try {
    return JSON.parse(text);
  } catch {
    throw bad('frame', 'must be JSON text; it is not');
  }
}

function typeOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'type')) return undefined;
  const { type } = value as { type: unknown };
  return typeof type === 'string' ? type : undefined;
}

const bad = (field: string, sentence: string): SparkleError =>
  new SparkleError('bad_message', `${field} ${sentence}`, { field });
