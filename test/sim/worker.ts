import { loadFast } from './load.ts';
import { count, emptyTally, type Tally } from './tally.ts';

/** What a worker is told to do: trades `seed`, `seed + step`, and so on. */
export type Job = { seed: number; step: number; trades: number; curve: 'remembered' | 'plain' };
export type Word = { tally: Tally };

/** So often, in trades, a worker says how far it is. */
const WORD_EVERY = 100;

export async function work({ seed, step, trades, curve }: Job, say: (word: Word) => void): Promise<void> {
  const { runTrade } = curve === 'plain' ? await import('./run.ts') : await loadFast();
  let tally = emptyTally();
  for (let number = 0; number < trades; number += 1) {
    count(tally, await runTrade({ seed: seed + number * step, told: 'not at all' }));
    if (tally.trades < WORD_EVERY && number + 1 < trades) continue;
    say({ tally });
    tally = emptyTally();
  }
}

process.on('message', (job: Job) => {
  work(job, (word) => void process.send?.(word)).then(
    () => process.disconnect(),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
