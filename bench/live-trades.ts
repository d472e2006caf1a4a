import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sqliteStore } from 'sparkle-protocol/store/sqlite';
import { Trader } from 'sparkle-protocol/trader/trader';
import { stage } from '../packages/sparkle/src/trader/parts.suite.ts';

const TRADES = Number(process.argv[2] ?? 1_000);
const PRICE_SATS = 10_000n;
const MOST_ROUNDS = 2_000;
/** Requests in one go: as many as a seller answers before the block that a test chain counts for time. */
const AT_ONCE = 50;

const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);

function memory() {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { rssMegabytes: megabytes(rss), heapMegabytes: megabytes(heapUsed) };
}

/** A buyer whose payments are all on their way and a seller who waits for them, each with a database on disk. */
async function main(): Promise<object> {
  // Memory is measured: a disk that is slow to sync would only take longer.
  const dir = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sparkle-live-'));
  const on = await stage();
  const rich = on.network.addNode({ name: 'rich', balanceMsat: 2n * BigInt(TRADES) * PRICE_SATS * 1000n });
  rich.setSending({ fate: 'stuck' });
  const store = (name: string) => sqliteStore({ path: join(dir, `${name}.sqlite`), network: 'regtest' });
  const stores = [await store('seller'), await store('buyer')] as const;
  // The stage's own bytes repeat after 256 trades.
  const clock = { ...on.parts.buyer.clock, randomBytes: (length: number) => new Uint8Array(randomBytes(length)) };
  const seller = new Trader({ ...on.parts.seller, clock, store: stores[0], mostSales: TRADES });
  const buyer = new Trader({ ...on.parts.buyer, lightning: rich.lightning, clock, store: stores[1] });
  await seller.start();
  await buyer.start();
  await seller.sell({ ...on.offer, priceSats: PRICE_SATS });
  const before = memory();
  const paying = new Set<string>();
  buyer.onChange((trade) => (trade.state === 'paying' ? paying.add(trade.tradeId) : undefined));
  for (let asked = 0; asked < TRADES; asked += AT_ONCE) {
    for (let next = 0; next < AT_ONCE; next++)
      await buyer.buy({ ...on.purchase(seller.id, 'hold-first'), priceSats: PRICE_SATS });
    await until(() => paying.size === asked + AT_ONCE, [seller, buyer]);
  }
  const [sales, purchases] = [await stores[0].live(), await stores[1].live()];
  const began = performance.now();
  await Promise.all([seller.look(), buyer.look()]);
  const lookMilliseconds = Math.round(performance.now() - began);
  const after = memory();
  await Promise.all([seller.stop(), buyer.stop()]);
  await Promise.all(stores.map((each) => each.close()));
  await rm(dir, { recursive: true, force: true });
  return { sales: sales.length, purchases: purchases.length, before, after, 'one look at all, ms': lookMilliseconds };
}

async function until(done: () => boolean, traders: readonly Trader[]): Promise<void> {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    if (done()) return;
    await Promise.all(traders.map((trader) => trader.idle()));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('the trades did not all get under way');
}

process.stdout.write(JSON.stringify(await main()));
process.exit(0);
