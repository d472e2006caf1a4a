import { Owner } from '../../world/owner.ts';
import { chance } from '../kills/run.ts';
import type { Inscribed } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { lndSynced } from '../regtest/lnd.ts';
import { type Judgement, judge, unfinished } from './judge.ts';
import { type Mayhem, mayhemIn } from './mayhem.ts';
import { type Kind, Sale } from './sale.ts';
import { Stage } from './stage.ts';
import { supervise } from './supervised.ts';

/** Sales that run at one time, and what becomes of them: each is as often as it stands here. */
const AT_ONCE = 8;
const KINDS: readonly Kind[] = [
  ...(['hands over', 'hands over', 'hands over', 'claims alone', 'claims alone'] as const),
  ...(['walks away', 'never pays', 'owner moves it'] as const),
];
const COINS_BESIDES = 12;
const COINS_A_SALE = 1;
const BLOCKS_AT_ONCE = 5;
const MINING = { patienceMilliseconds: Infinity, everyMilliseconds: 1_000 };
const MOST_QUIET_LOOKS = 10;
const ENDING = { patienceMilliseconds: 600_000, everyMilliseconds: 1_000 };

type Draw = (below: number) => number;
type Options = { trades: number; seed: number; say: (line: string) => void };
export type Chaos = Judgement & {
  trades: number;
  kills: Record<string, number>;
  /** How often what had not been killed ended all the same, and was started again. */
  ended: Record<string, number>;
  seconds: number;
};

/** Puts what waits into blocks, and makes one now and then when nothing waits, as there always is; the returned function ends it. */
function keepMining({ regtest }: Stage): () => Promise<void> {
  let isOver = false;
  let quietLooks = 0;
  const mining = until(
    'the end of the sales',
    async () => {
      const isWaiting = (await regtest.rpc<string[]>('getrawmempool')).length > 0;
      quietLooks = isWaiting || quietLooks === MOST_QUIET_LOOKS ? 0 : quietLooks + 1;
      if (quietLooks === 0) await regtest.mine(1);
      return isOver;
    },
    MINING,
  );
  return async () => {
    isOver = true;
    await mining;
  };
}

/** Sells items through two instances of the program while one after another of its parts is killed. */
export async function runChaos({ trades, seed, say }: Options): Promise<Chaos> {
  const stage = await Stage.open({ coins: COINS_BESIDES + trades * COINS_A_SALE });
  const supervised = [...stage.instances, ...Object.values(stage.parts)];
  try {
    const draw = chance(seed);
    const owner = await Owner.open(stage, 'owner');
    const items: Inscribed[] = [];
    // Each makes two blocks, and during the sales blocks shall not come faster than what was killed comes back.
    while (items.length < trades) items.push(await owner.inscribe('sold among ruins'));
    await lndSynced(stage.regtest, [stage.nodes.ours, stage.nodes.buyers]);
    await stage.own.writeDown();
    const before = await stage.holdings();
    const fromHeight = await stage.regtest.height();
    await Promise.all(supervised.map((each) => each.up()));
    say('all parts are up');
    const began = performance.now();
    const stopSupervising = supervise(supervised);
    const { sales, failures, kills } = await sell(stage, { owner, items, draw, say, mayhem: mayhemIn(stage, seed) });
    say(`${trades} sales after ${Math.round((performance.now() - began) / 1000)} s`);
    await toTheEnd(stage);
    await stopSupervising();
    const judgement = await judge(stage, { sales, before, fromHeight });
    const disagreements = [...failures, ...judgement.disagreements];
    const ended = Object.fromEntries(supervised.map(({ name, endedByItself }) => [name, endedByItself]));
    return {
      ...judgement,
      disagreements,
      trades,
      kills,
      ended,
      seconds: Math.round((performance.now() - began) / 1000),
    };
  } finally {
    await stage.close();
  }
}

async function sell(
  stage: Stage,
  of: { owner: Owner; items: Inscribed[]; draw: Draw; say: Options['say']; mayhem: Mayhem[] },
) {
  const { owner, items, draw, say, mayhem } = of;
  const stopMining = keepMining(stage);
  const sales: Sale[] = [];
  const failures: string[] = [];
  const one = async (): Promise<void> => {
    for (let item = items.pop(); item !== undefined; item = items.pop()) {
      const number = sales.length;
      const kind = KINDS[draw(KINDS.length)] ?? 'hands over';
      const sale = new Sale({ stage, draw, kind });
      sales.push(sale);
      await sale.run(owner, item).then(
        () => say(`sale ${number}: ${kind}`),
        (error: unknown) => {
          failures.push(`sale ${number} (${kind}): ${String(error)}, ${String((error as Error).cause)}`);
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
  const isOver = async (): Promise<boolean> => {
    const { trades, effects } = await unfinished(stage);
    if (trades === 0 && effects === 0) return true;
    await stage.regtest.mine(BLOCKS_AT_ONCE);
    await stage.own.synced();
    // An LND that has missed blocks while its node was away finds them with the next.
    await lndSynced(stage.regtest, [stage.nodes.ours, stage.nodes.buyers]).catch(() => undefined);
    return false;
  };
  await until('every trade to end', isOver, ENDING);
}
