import { cpus, totalmem } from 'node:os';
import { inspect, parseArgs } from 'node:util';
import { benchBolt11 } from './bolt11.ts';
import { benchBundle } from './bundle.ts';
import { benchCreations } from './creations.ts';
import { benchLive } from './live.ts';
import { benchLnd } from './lnd.ts';
import { benchProof } from './proof.ts';
import { benchQuotes } from './quotes.ts';
import { benchRestart } from './restart.ts';
import { benchSockets } from './sockets.ts';
import { benchSpend } from './spend.ts';
import { benchStart } from './start.ts';
import { benchTrades } from './trades.ts';
import { benchWatches } from './watches.ts';

const aims: Record<string, string> = {
  spend: 'aim: 111 vB by key path, 154 sip3, at most 156 v1',
  proof: 'aim: at most 300 ms for 50 hops',
  bolt11: 'aim: faster than each, while checking the signature',
  bundle: 'aim: the protocol at most 40 kB gzip',
  trades: 'aim: p50 at most 300 ms from held to lock broadcast, 150 ms from preimage seen to settled',
  live: 'aim: under 150 MB with 1,000 live trades; here are two traders, 2,000 trades in all',
  watches: 'aim: with 100 outpoints watched at once, each spend told within two polls',
  creations: 'aim: 300 trades a second on one core, over SQLite and over PostgreSQL',
  quotes: 'aim: 200 a second for 60 s with p95 at most 50 ms, p99 under 250 ms and flat memory',
  restart: 'aim: with 10,000 live trades ready within 2 s',
  sockets: 'aim: 1,000 idle in under 150 MB, a push within 100 ms at p95',
  lnd: 'aim: less than 5 % more than the library alone',
  start: 'aim: npm start under 180 s from an empty cache and 25 s warm, npm test under 180 s warm',
};

/** What is measured; each answers with rows to print. Nothing here is asserted anywhere. */
const benches: Record<string, () => object | Promise<object>> = {
  spend: benchSpend,
  proof: benchProof,
  bolt11: benchBolt11,
  bundle: benchBundle,
  trades: benchTrades,
  live: benchLive,
  watches: benchWatches,
  creations: benchCreations,
  quotes: benchQuotes,
  restart: benchRestart,
  sockets: benchSockets,
  lnd: benchLnd,
  start: benchStart,
};

const { positionals } = parseArgs({ allowPositionals: true });
const unknown = positionals.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`no such bench: ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}
const cores = cpus();
console.log(
  `${cores.length} x ${cores[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
);
for (const [name, run] of Object.entries(benches)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  console.log(`\n${name} (${aims[name]})`);
  console.log(inspect(await run(), { depth: 4, colors: false, breakLength: 160 }));
}
process.exit(0);
