import { utf8 } from '@scure/base';
import * as z from 'zod/mini';
import { partsFloor } from './amount.ts';
import { SparkleError } from './errors.ts';
import { inscriptionIdText, readInscriptionId } from './inscription.ts';

/**
 * Objects that collections inscribe as JSON (`p: "sparkle"`). An inscription never changes, so what a published text
 * lacks or has besides is no fault of its reader: fields that are not known are passed over, those that are must be right.
 */

const version = z.literal(1);

/** The published texts write `version` here and `v` elsewhere; whoever writes both must mean the same. */
const head = { p: z.literal('sparkle'), version: z.optional(version), v: z.optional(version) };

const bps = z.int().check(z.minimum(0), z.maximum(10_000));
const text = z.string().check(z.maxLength(500));

const genesisShape = z.object({
  ...head,
  op: z.literal('genesis'),
  collection: z.object({ name: text }),
  royalties: z.optional(
    z.object({
      bps,
      recipients: z.optional(
        z
          .array(z.object({ label: z.optional(text), lightning_address: z.optional(text), address: z.optional(text) }))
          .check(z.maxLength(20)),
      ),
    }),
  ),
});

const childShape = z.object({ ...head, op: z.literal('child'), collection_ref: z.string() });

/** A creator's share of each sale in hundredths of a percent of what the seller gets, and whom it goes to. */
export type Royalty = { bps: number; recipients: { label?: string; lightningAddress?: string; address?: string }[] };

export type CollectionGenesis = { name: string; royalty: Royalty };

const MOST_BYTES = 100_000;

/** The JSON object of an inscription; `undefined` when its body is none: most inscriptions are pictures. */
function objectIn(body: Uint8Array): unknown {
  if (body.length > MOST_BYTES) return undefined;
  try {
    return JSON.parse(utf8.encode(body)) as unknown;
  } catch {
    return undefined;
  }
}

const says = (value: unknown, op: string): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Reflect.get(value, 'p') === 'sparkle' &&
  Reflect.get(value, 'op') === op;

/**
 * What a genesis inscription declares. Throws `bad_message` when the body is no genesis, or one whose royalty cannot be
 * read: a royalty that is guessed is charged to somebody.
 */
export function readGenesis(body: Uint8Array): CollectionGenesis {
  const read = genesisShape.safeParse(objectIn(body));
  if (!read.success) {
    const [issue] = read.error.issues;
    const field = issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.join('.');
    throw new SparkleError('bad_message', `a genesis must declare a collection as published; ${field} is wrong`, {
      field,
    });
  }
  const { collection, royalties } = read.data;
  const recipients = (royalties?.recipients ?? []).map(({ label, lightning_address: lightningAddress, address }) => ({
    ...(label === undefined ? {} : { label }),
    ...(lightningAddress === undefined ? {} : { lightningAddress }),
    ...(address === undefined ? {} : { address }),
  }));
  return { name: collection.name, royalty: { bps: royalties?.bps ?? 0, recipients } };
}

/** The collection that an inscription itself names (`op: "child"`), as an inscription id; `undefined` when it names none. */
export function collectionOf(body: Uint8Array): string | undefined {
  const value = objectIn(body);
  if (!says(value, 'child')) return undefined;
  const read = childShape.safeParse(value);
  if (!read.success) return undefined;
  try {
    return inscriptionIdText(readInscriptionId(read.data.collection_ref));
  } catch {
    return undefined;
  }
}

/** The royalty in sats: a share of what the seller gets, rounded down (design 6). Throws `bad_amount` for an impossible share. */
export const royaltySats = ({ sellerSats, bps: share }: { sellerSats: bigint; bps: number }): bigint =>
  partsFloor({ sats: sellerSats, bps: share });
