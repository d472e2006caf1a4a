import { parseArgs } from 'node:util';
import { runKills } from './run.ts';

const { values } = parseArgs({ options: { kills: { type: 'string' }, seed: { type: 'string' } } });
const kills = Number(values.kills ?? 100);
const seed = Number(values.seed ?? 1);
if (!Number.isSafeInteger(kills) || kills < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run kills -- [--kills N] [--seed S], whole numbers');
  process.exit(2);
}
const result = await runKills({ kills, seed, say: console.log });
for (const death of result.deaths) console.log(`killed: ${death}`);
console.log(
  `${result.kills} kills in ${result.trades} trades, ${result.disagreements} disagreements, outcomes ${JSON.stringify(result.outcomes)}`,
);
process.exit(result.disagreements === 0 ? 0 : 1);
