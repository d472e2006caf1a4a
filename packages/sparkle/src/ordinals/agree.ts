import { SparkleError } from '../protocol/errors.ts';
import type { HeldInscription, OutputAssets } from '../protocol/guard.ts';
import type { Ordinals } from './ordinals.ts';

type Settled<T> = { value: T } | { error: unknown };

const settled = <T>(asked: Promise<T>): Promise<Settled<T>> =>
  asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );

const codeOf = (error: unknown): string | undefined => (error instanceof SparkleError ? error.code : undefined);

const disagree = (about: string, said: [unknown, unknown]): SparkleError =>
  new SparkleError('sources_disagree', `two indexes must say the same about ${about}; they do not`, { about, said });

/** What one says and the other must say too; `undefined` for what only one of them can know. */
type Compare<T> = (one: T, other: T) => boolean;

/**
 * Asks both. What one cannot say yet nobody knows; any other failure of one stands as it is; that there is no such
 * inscription must be said by both.
 */
async function both<T>(about: string, asked: [Promise<T>, Promise<T>], same: Compare<T>): Promise<[T, T]> {
  const [one, other] = await Promise.all([settled(asked[0]), settled(asked[1])]);
  const failures = [one, other].flatMap((each) => ('error' in each ? [each.error] : []));
  const final = failures.find((error) => codeOf(error) !== 'unknown_inscription' && codeOf(error) !== 'not_indexed');
  if (final !== undefined) throw final;
  const notYet = failures.find((error) => codeOf(error) === 'not_indexed');
  if (notYet !== undefined) throw notYet;
  if ('error' in one && 'error' in other) throw one.error;
  if ('error' in one || 'error' in other) throw disagree(about, [saidBy(one), saidBy(other)]);
  if (!same(one.value, other.value)) throw disagree(about, [one.value, other.value]);
  return [one.value, other.value];
}

const saidBy = (each: Settled<unknown>): unknown => ('error' in each ? codeOf(each.error) : each.value);

const sameList = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((id, index) => id === other[index]);

const places = ({ inscriptions }: OutputAssets): string[] =>
  inscriptions.map(({ id, offsetSats }) => `${id} at ${offsetSats}`);

const sameAssets: Compare<OutputAssets> = (one, other) =>
  sameList(places(one), places(other)) &&
  (one.runes === other.runes || one.runes === 'unknown' || other.runes === 'unknown') &&
  sameList(one.marks, other.marks);

/** All that either knows; where both know, they say the same. */
function joined([one, other]: [OutputAssets, OutputAssets]): OutputAssets {
  const satRanges = one.satRanges ?? other.satRanges;
  return {
    inscriptions: one.inscriptions.map((held, index): HeldInscription => ({ ...other.inscriptions[index], ...held })),
    runes: one.runes === 'unknown' ? other.runes : one.runes,
    marks: one.marks,
    ...(satRanges === undefined ? {} : { satRanges }),
  };
}

/**
 * Two indexes that must say the same: an answer is worth as much as the better of the two. What only one of them knows
 * (runes, rare sats, charms) is taken from that one. Throws `sources_disagree` with what each said, and `not_indexed`
 * while one of them cannot say.
 */
export function agreeingOrdinals([first, second]: readonly [Ordinals, Ordinals]): Ordinals {
  return {
    async locate(inscriptionId) {
      const [one, other] = await both(
        inscriptionId,
        [first.locate(inscriptionId), second.locate(inscriptionId)],
        // Of different blocks they may well say different things.
        (a, b) => a.satpoint === b.satpoint || a.atBlock.hash !== b.atBlock.hash,
      );
      if (one.atBlock.hash === other.atBlock.hash) return one;
      const sentence = `two indexes must be at the same block to be compared; they are at ${one.atBlock.height} and ${other.atBlock.height}`;
      throw new SparkleError('not_indexed', sentence, { inscriptionId, reason: 'moving' });
    },
    async inscriptionsIn(outpoint) {
      const asked: [Promise<string[]>, Promise<string[]>] = [
        first.inscriptionsIn(outpoint),
        second.inscriptionsIn(outpoint),
      ];
      return (await both(outpoint, asked, sameList))[0];
    },
    async assets(outpoint) {
      return joined(await both(outpoint, [first.assets(outpoint), second.assets(outpoint)], sameAssets));
    },
  };
}
