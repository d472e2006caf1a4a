import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadFast } from './load.ts';
import { count, emptyTally, failureLines, merge, summary, type Tally } from './tally.ts';
import type { Job, Word } from './worker.ts';

const USAGE = `npm run sim -- [--trades 2000] [--seed 1] [--workers ${availableParallelism()}] [--plain]
  --trades   how many trades to play; trade number n has the seed SEED + n
  --seed     a whole number; the same seed plays the same trade to the last byte
  --workers  processes to play in
  --plain    without a memory for what is slow on the curve: the same trades, ten times slower`;

/** A run is split only when it is worth a process. */
const FEWEST_PER_WORKER = 200;
const PROGRESS_MILLISECONDS = 30_000;

type Wanted = { trades: number; seed: number; workers: number; curve: Job['curve'] };

function wantedBy(args: string[]): Wanted {
  const { values } = parseArgs({
    args,
    options: {
      trades: { type: 'string', default: '2000' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: `${availableParallelism()}` },
      plain: { type: 'boolean', default: false },
    },
  });
  const whole = (name: string, text: string, least: number): number => {
    const number = Number(text);
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw new Error(`--${name} must be a whole number of at least ${least}; got ${text}\n${USAGE}`);
  };
  return {
    trades: whole('trades', values.trades, 1),
    seed: whole('seed', values.seed, 0),
    workers: whole('workers', values.workers, 1),
    curve: values.plain ? 'plain' : 'remembered',
  };
}

/** One trade is told in full. */
async function tellOne({ seed, curve }: Wanted): Promise<Tally> {
  const { runTrade } = curve === 'plain' ? await import('./run.ts') : await loadFast();
  const report = await runTrade({ seed, told: 'in full' });
  for (const line of report.lines) console.log(line);
  const tally = emptyTally();
  count(tally, report);
  return tally;
}

async function playMany({ trades, seed, workers, curve }: Wanted): Promise<Tally> {
  const processes = Math.max(1, Math.min(workers, Math.floor(trades / FEWEST_PER_WORKER)));
  const total = emptyTally();
  const progress = setInterval(
    () => console.log(`${total.trades} of ${trades} trades, ${total.failures.length} failures`),
    PROGRESS_MILLISECONDS,
  );
  const jobs = Array.from({ length: processes }, (_, index) => ({
    seed: seed + index,
    step: processes,
    trades: Math.ceil((trades - index) / processes),
    curve,
  }));
  try {
    await Promise.all(jobs.map((job) => inWorker(job, (tally) => merge(total, tally))));
  } finally {
    clearInterval(progress);
  }
  return total;
}

function inWorker(job: Job, heard: (tally: Tally) => void): Promise<void> {
  const worker: ChildProcess = fork(fileURLToPath(new URL('./worker.ts', import.meta.url)));
  worker.send(job);
  worker.on('message', ({ tally }: Word) => heard(tally));
  return new Promise((done, failed) => {
    worker.on('error', failed);
    worker.on('exit', (code) => {
      if (code === 0) done();
      else failed(new Error(`a worker that began with seed ${job.seed} ended with ${code}`));
    });
  });
}

async function main(): Promise<number> {
  const wanted = wantedBy(process.argv.slice(2));
  const started = performance.now();
  const tally = wanted.trades === 1 ? await tellOne(wanted) : await playMany(wanted);
  if (wanted.trades > 1) await tellFirst(tally, wanted);
  for (const line of failureLines(tally)) console.log(line);
  const seconds = (performance.now() - started) / 1000;
  console.log(`${(tally.trades / seconds).toFixed(1)} trades a second in ${seconds.toFixed(0)} s`);
  for (const line of summary(tally)) console.log(line);
  return tally.failures.length === 0 ? 0 : 1;
}

/** Of many trades the first that failed is played again and told. */
async function tellFirst({ failures }: Tally, wanted: Wanted): Promise<void> {
  const [first] = failures.toSorted((one, other) => one.seed - other.seed);
  if (first !== undefined) await tellOne({ ...wanted, seed: first.seed });
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
