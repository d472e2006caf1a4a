import { verifyEvent } from 'nostr-tools/pure';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import * as z from 'zod';

/** Why somebody is not let in: the words are the caller's, no secret is in them. */
export const unauthorized = (reason: string, sentence: string): SparkleError =>
  new SparkleError('unauthorized', sentence, { field: 'authorization', reason });

/** What a request is to its authentication. `url` is absolute as the client sees it, its query included. */
export type SignedRequest = { method: string; url: string; bodyHash: string | undefined };

/** NIP-98: 27235, after RFC 7235. */
const HTTP_AUTH = 27235;
/** NIP-98 suggests it: long enough for a slow network, short enough to remember every event. */
export const MOST_SECONDS_APART = 60;
const MOST_CHARACTERS = 4096;

const hex = (characters: number) => z.string().regex(new RegExp(`^[0-9a-f]{${characters}}$`));
const eventSchema = z.strictObject({
  id: hex(64),
  pubkey: hex(64),
  created_at: z.int(),
  kind: z.int(),
  tags: z.array(z.array(z.string().max(2048)).max(4)).max(16),
  content: z.string().max(1024),
  sig: hex(128),
});
type HttpAuthEvent = z.infer<typeof eventSchema>;

/**
 * The key that signed exactly this request, and the event's id, which its reader must accept only once. Throws
 * `unauthorized`. Source: NIP-98. Stricter than it in one thing: a body must be under the signature, or whoever reads
 * the header could send another.
 */
export function readNip98(
  encoded: string,
  { request, nowSeconds }: { request: SignedRequest; nowSeconds: number },
): { party: string; id: string; createdAt: number } {
  const event = parseEvent(encoded);
  if (event.kind !== HTTP_AUTH)
    throw unauthorized('wrong_kind', `the event must be of kind ${HTTP_AUTH}; it is ${event.kind}`);
  if (Math.abs(nowSeconds - event.created_at) > MOST_SECONDS_APART)
    throw unauthorized('expired', `created_at must be within ${MOST_SECONDS_APART} s of ${nowSeconds}; it is not`);
  assertTag(event, 'u', request.url);
  assertTag(event, 'method', request.method);
  if (request.bodyHash !== undefined) assertTag(event, 'payload', request.bodyHash);
  if (!verifyEvent(event)) throw unauthorized('bad_signature', 'the event must be signed by its pubkey; it is not');
  return { party: event.pubkey, id: event.id, createdAt: event.created_at };
}

function parseEvent(encoded: string): HttpAuthEvent {
  const bad = (): SparkleError =>
    unauthorized('bad_event', 'authorization must be Nostr and the base64 of a NIP-98 event; it is something else');
  if (encoded.length > MOST_CHARACTERS || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) throw bad();
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(encoded, 'base64')));
  } catch {
    throw bad();
  }
  const result = eventSchema.safeParse(value);
  if (!result.success) throw bad();
  return result.data;
}

/** One tag of the name, with this value: of two, another reader may believe the other. */
function assertTag({ tags }: HttpAuthEvent, name: string, expected: string): void {
  const values = tags.filter(([first]) => first === name).map(([, value]) => value);
  if (values.length === 1 && values[0] === expected) return;
  throw unauthorized(`wrong_${name}`, `the event must have one tag ${name}, with ${expected}; it has not`);
}
