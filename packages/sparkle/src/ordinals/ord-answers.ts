import { z } from 'zod';

/**
 * Answers of an `ord` server, read for what is used of them: fields that are not named here may come and go. Seen from
 * 0.27.1 and 0.29.1. Source: ord, src/api.rs and src/templates/status.rs.
 */
const count = z.int().nonnegative();
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const inscriptionId = z.string().regex(/^[0-9a-f]{64}i(0|[1-9][0-9]{0,9})$/);
const outpoint = z.string().regex(/^[0-9a-f]{64}:(0|[1-9][0-9]{0,9})$/);
const satpoint = z.string().regex(/^[0-9a-f]{64}:(0|[1-9][0-9]{0,9}):(0|[1-9][0-9]{0,15})$/);

export const blockHashAnswer = hash;

export const statusAnswer = z.object({
  chain: z.string(),
  /** `null` while the first block is not indexed. */
  height: count.nullable(),
  inscription_index: z.boolean(),
  rune_index: z.boolean(),
  sat_index: z.boolean(),
  unrecoverably_reorged: z.boolean(),
});

export const inscriptionAnswer = z.object({
  id: inscriptionId,
  satpoint,
  charms: z.array(z.string()),
  delegate: inscriptionId.nullish(),
});

/** `null` means that the index is off, and never that there is nothing. */
export const outputAnswer = z.object({
  outpoint,
  indexed: z.boolean(),
  inscriptions: z.array(inscriptionId).nullable(),
  runes: z.record(z.string(), z.unknown()).nullable(),
  sat_ranges: z.array(z.tuple([count, count])).nullable(),
});

export const inscriptionAnswers = z.array(inscriptionAnswer);
export const outputAnswers = z.array(outputAnswer);

export type OrdStatus = z.infer<typeof statusAnswer>;
export type OrdInscription = z.infer<typeof inscriptionAnswer>;
export type OrdOutput = z.infer<typeof outputAnswer>;
