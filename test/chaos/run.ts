import { Owner } from '../../world/owner.ts';
import { chance } from '../kills/run.ts';
import type { Inscribed } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { lndSynced } from '../regtest/lnd.ts';
import { type Judgement, judge, unfinished } from './judge.ts';
import { Sale } from './sale.ts';
import { Stage } from './stage.ts';

/** Sales that run at one time, how many of them a buyer leaves, and how long what was killed may stay away. */
const AT_ONCE = 6;
const ONE_LEAVES_OF = 8;
const MOST_AWAY_MILLISECONDS = 6_000;
/** Longest between two kills: an instance that starts needs both parts for as long as it takes. */
const MOST_QUIET_MILLISECONDS = { instances: 5_000, parts: 40_000 };
const COINS_BESIDES = 12;
const COINS_A_SALE = 1;
const BLOCK_MILLISECONDS = 400;
const BLOCKS_AT_ONCE = 5;
const ENDING = { patienceMilliseconds: 300_000, everyMilliseconds: 1_000 };

type Draw = (below: number) => number;
type Options = { trades: number; seed: number; say: (line: string) => void };
export type Chaos = Judgement & { trades: number; kills: Record<string, number> };

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

type Victim = { name: string; kill: () => Promise<void>; up: () => Promise<void> };

/** Kills one after another of some victims, leaves it away for a while, and brings it back, until it is told to stop. */
class Mayhem {
  readonly kills: Record<string, number> = {};
  readonly #victims: readonly Victim[];
  readonly #draw: Draw;
  readonly #quietMilliseconds: number;
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(victims: readonly Victim[], { draw, quietMilliseconds }: { draw: Draw; quietMilliseconds: number }) {
    this.#victims = victims;
    this.#quietMilliseconds = quietMilliseconds;
    this.#draw = draw;
    this.#done = this.#run();
    // What did not come back is told to whoever stops it.
    this.#done.catch(() => undefined);
  }

  /** Resolves when everything is up. Rejects when something did not come back. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await pause(this.#draw(this.#quietMilliseconds));
      const victim = this.#victims[this.#draw(this.#victims.length)];
      if (victim === undefined) return;
      const { name, kill, up } = victim;
      this.kills[name] = (this.kills[name] ?? 0) + 1;
      await kill();
      await pause(this.#draw(MOST_AWAY_MILLISECONDS));
      await up();
    }
  }
}

/** Instances, and what they stand on, are killed each on their own: one often begins while the other is away. */
function mayhemIn(stage: Stage, seed: number): Mayhem[] {
  const { nodes, postgres } = stage;
  const instances = [0, 1].map((at) => ({
    ...{ name: `instance ${at}`, kill: () => stage.kill(at), up: () => stage.up(at) },
  }));
  const parts = [
    { name: 'LND', kill: () => nodes.ours.kill(), up: () => nodes.ours.up() },
    { name: 'PostgreSQL', kill: () => postgres.kill(), up: () => postgres.up() },
  ];
  return [
    new Mayhem(instances, { draw: chance(seed + 1), quietMilliseconds: MOST_QUIET_MILLISECONDS.instances }),
    new Mayhem(parts, { draw: chance(seed + 2), quietMilliseconds: MOST_QUIET_MILLISECONDS.parts }),
  ];
}

/** Puts what waits into blocks; the returned function ends it. */
function keepMining({ regtest }: Stage): () => Promise<void> {
  let isOver = false;
  const mining = (async () => {
    while (!isOver) {
      if ((await regtest.rpc<string[]>('getrawmempool')).length > 0) await regtest.mine(1);
      await pause(BLOCK_MILLISECONDS);
    }
  })();
  return async () => {
    isOver = true;
    await mining;
  };
}

/** Sells items through two instances of the program while one after another of its parts is killed. */
export async function runChaos({ trades, seed, say }: Options): Promise<Chaos> {
  const stage = await Stage.open({ coins: COINS_BESIDES + trades * COINS_A_SALE });
  try {
    const draw = chance(seed);
    const before = await stage.holdings();
    const fromHeight = await stage.regtest.height();
    await Promise.all([stage.up(0), stage.up(1)]);
    say('all parts are up');
    const sales = await sell(stage, { trades, draw, say, mayhem: mayhemIn(stage, seed) });
    await toTheEnd(stage);
    const judgement = await judge(stage, { sales: sales.sales, before, fromHeight });
    return { ...judgement, disagreements: [...sales.failures, ...judgement.disagreements], trades, kills: sales.kills };
  } finally {
    await stage.close();
  }
}

async function sell(stage: Stage, of: { trades: number; draw: Draw; say: Options['say']; mayhem: Mayhem[] }) {
  const { trades, draw, say, mayhem } = of;
  const owner = await Owner.open(stage, 'owner');
  const stopMining = keepMining(stage);
  const sales: Sale[] = [];
  const failures: string[] = [];
  // One after another: each makes blocks of his own.
  let last: Promise<unknown> = Promise.resolve();
  const inscribe = (): Promise<Inscribed> => {
    const mine = last.then(() => owner.inscribe('sold among ruins'));
    last = mine;
    return mine;
  };
  const one = async (): Promise<void> => {
    while (sales.length < trades) {
      const number = sales.length;
      const walksAway = draw(ONE_LEAVES_OF) === 0;
      const sale = new Sale({ stage, draw, walksAway });
      sales.push(sale);
      await sale.run(owner, await inscribe()).then(
        () => say(`sale ${number}: ${walksAway ? 'paid and left' : 'delivered'}`),
        (error: unknown) => {
          failures.push(`sale ${number}: ${String(error)}, ${String((error as Error).cause)}`);
          say(failures.at(-1) ?? '');
        },
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  await Promise.all(mayhem.map((each) => each.stop()));
  await stopMining();
  return { sales, failures, kills: Object.assign({}, ...mayhem.map(({ kills }) => kills)) as Record<string, number> };
}

/** Everything is up and nobody buys: blocks come until no trade lives, and what was left is taken back. */
async function toTheEnd(stage: Stage): Promise<void> {
  await Promise.all([stage.up(0), stage.up(1)]);
  const isOver = async (): Promise<boolean> => {
    const { trades, effects } = await unfinished(stage);
    if (trades === 0 && effects === 0) return true;
    await stage.regtest.mine(BLOCKS_AT_ONCE);
    await lndSynced(stage.regtest, [stage.nodes.ours, stage.nodes.buyers]);
    return false;
  };
  await until('every trade to end', isOver, ENDING);
}
