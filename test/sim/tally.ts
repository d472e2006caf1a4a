import type { Report } from './run.ts';

export type Failure = { seed: number; losses: readonly string[]; faults: readonly string[] };

/** What many trades came to. Plain data: a worker sends it home. */
export type Tally = {
  trades: number;
  blocks: number;
  outcomes: Record<string, number>;
  troubles: Record<string, number>;
  visited: Record<string, number>;
  failures: Failure[];
};

export const emptyTally = (): Tally => ({
  trades: 0,
  blocks: 0,
  outcomes: {},
  troubles: {},
  visited: {},
  failures: [],
});

const add = (counts: Record<string, number>, name: string, count: number): void => {
  counts[name] = (counts[name] ?? 0) + count;
};

export function count(tally: Tally, { seed, losses, faults, outcome, blocks, troubles, visited }: Report): void {
  tally.trades += 1;
  tally.blocks += blocks;
  add(tally.outcomes, outcome, 1);
  for (const [name, times] of troubles) add(tally.troubles, name, times);
  for (const state of visited) add(tally.visited, state, 1);
  if (losses.length + faults.length > 0) tally.failures.push({ seed, losses, faults });
}

export function merge(into: Tally, from: Tally): void {
  into.trades += from.trades;
  into.blocks += from.blocks;
  for (const key of ['outcomes', 'troubles', 'visited'] as const)
    for (const [name, times] of Object.entries(from[key])) add(into[key], name, times);
  into.failures.push(...from.failures);
}

const listed = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .sort(([, one], [, other]) => other - one)
    .map(([name, times]) => `${times} ${name}`)
    .join(', ');

const MOST_TOLD = 20;

/** What failed, and how to see it again. */
export function failureLines({ failures }: Tally): string[] {
  const told = failures.toSorted((one, other) => one.seed - other.seed).slice(0, MOST_TOLD);
  return told.flatMap(({ seed, losses, faults }) => [
    ...[...losses, ...faults].map((sentence) => `seed ${seed}: ${sentence}`),
    `  the whole story: npm run sim -- --seed ${seed} --trades 1`,
  ]);
}

/** The last lines of a run. Everything that was counted is named, so that a kind of trouble that never came shows. */
export function summary(tally: Tally): string[] {
  const lost = tally.failures.filter(({ losses }) => losses.length > 0).length;
  const faulty = tally.failures.length - lost;
  return [
    `states: ${listed(tally.visited)}`,
    `${tally.trades} trades, ${lost} losses, ${faulty} other failures, ${tally.blocks} blocks; ` +
      `outcomes: ${listed(tally.outcomes)}; adversities: ${listed(tally.troubles)}`,
  ];
}
