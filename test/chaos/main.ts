import { parseArgs } from 'node:util';
import { runChaos } from './run.ts';

const { values } = parseArgs({ options: { trades: { type: 'string' }, seed: { type: 'string' } } });
const trades = Number(values.trades ?? 200);
const seed = Number(values.seed ?? 1);
if (!Number.isSafeInteger(trades) || trades < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run chaos -- [--trades N] [--seed S], whole numbers');
  process.exit(2);
}
const { outcomes, disagreements, kills, ended, seconds, grownMsat } = await runChaos({
  trades,
  seed,
  say: console.log,
});
for (const disagreement of disagreements) console.log(`disagreement: ${disagreement}`);
console.log(
  `${trades} trades in ${seconds} s, kills ${JSON.stringify(kills)}, ended by themselves ${JSON.stringify(ended)}, ${disagreements.length} disagreements, outcomes ${JSON.stringify(outcomes)}, wallet and node have ${grownMsat} msat more; again with --seed ${seed}`,
);
process.exit(disagreements.length === 0 ? 0 : 1);
