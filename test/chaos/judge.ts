import { Client } from 'pg';
import type { MonthWire } from '../../packages/coordinator/src/ledger-report.ts';
import { addressOf, scriptOf } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { ASKED_SATS, type Sale } from './sale.ts';
import { type Holdings, type Stage, WALLET } from './stage.ts';

const BOOKING = { patienceMilliseconds: 150_000, everyMilliseconds: 3_000 };

type Output = { n: number; value: number; scriptPubKey: { hex: string } };
type Input = { txid: string; vout: number; prevout?: { value: number; scriptPubKey: { hex: string } } };
type Transaction = { txid: string; vin: Input[]; vout: Output[] };

const satsOf = (coins: number): bigint => BigInt(Math.round(coins * 1e8));
const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((all, each) => all + each, 0n);
const feeOf = ({ vin, vout }: Transaction): bigint =>
  sum(vin.map(({ prevout }) => satsOf(prevout?.value ?? 0))) - sum(vout.map(({ value }) => satsOf(value)));

/** Every transaction since a height, by the outputs that it spends. */
async function spendersSince({ regtest }: Stage, height: number): Promise<Map<string, Transaction>> {
  const spenders = new Map<string, Transaction>();
  for (let at = height + 1; at <= (await regtest.height()); at += 1) {
    const hash = await regtest.rpc<string>('getblockhash', [at]);
    const { tx } = await regtest.rpc<{ tx: Transaction[] }>('getblock', [hash, 3]);
    for (const each of tx.slice(1)) for (const { txid, vout } of each.vin) spenders.set(`${txid}:${vout}`, each);
  }
  return spenders;
}

/** What is still to be done, by the database itself. */
export async function unfinished({ url }: Stage): Promise<{ trades: number; effects: number }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const count = async (what: string) =>
      Number(((await client.query(`select count(*) from sparkle.${what}`)).rows as { count: string }[])[0]?.count);
    return {
      trades: await count('trade where ended = 0'),
      effects: await count('effect where body is not null'),
    };
  } finally {
    await client.end();
  }
}

/** The one output of a fill that is neither the owner's nor the coordinator's. */
async function lockIn({ regtest }: Stage, { vout }: Transaction, sale: Sale): Promise<Output | undefined> {
  const others = vout.filter(({ scriptPubKey }) => scriptPubKey.hex !== scriptOf(sale.payoutAddress));
  const isOurs = async ({ scriptPubKey }: Output) =>
    (await regtest.rpc<{ ismine: boolean }>('getaddressinfo', [addressOf(scriptPubKey.hex)], WALLET)).ismine;
  const found = await Promise.all(others.map(async (output) => ((await isOurs(output)) ? [] : [output])));
  return found.flat()[0];
}

type Verdict = { outcome: string; wrong: string[]; settledMsat: bigint; spentSats: bigint };

/** One sale by the chain and both nodes: the item is the buyer's exactly if one payment, and only one, is settled. */
async function verdictOf(stage: Stage, sale: Sale, spenders: Map<string, Transaction>): Promise<Verdict> {
  const wrong: string[] = [];
  let settledMsat = 0n;
  const ours = driverOver(stage.nodes.ours, () => {});
  for (const bought of sale.tried) {
    const paid = await sale.payment(bought);
    const { state } = await ours.invoice(bought.keys.paymentHash);
    const isSettled = paid === 'settled';
    if (isSettled !== (state === 'settled')) wrong.push(`paid ${paid}, received ${state}`);
    if (isSettled && settledMsat > 0n) wrong.push('paid twice');
    if (isSettled) settledMsat += bought.totalSats * 1000n;
    if (paid === 'pending') wrong.push('a payment is pending');
  }
  await ours.close();
  const { inscribed } = sale;
  const fill = inscribed && spenders.get(inscribed.outpoint);
  const locked = fill && (await lockIn(stage, fill, sale));
  const end = fill && locked && spenders.get(`${fill.txid}:${locked.n}`);
  const isDelivered = end !== undefined && end.vout[0]?.scriptPubKey.hex === scriptOf(sale.address);
  if (isDelivered !== settledMsat > 0n) wrong.push(`delivered ${isDelivered}, settled ${settledMsat} msat`);
  if (inscribed === undefined || fill === undefined) return { outcome: 'nothing', wrong, settledMsat, spentSats: 0n };
  const owed = fill.vout.filter(({ scriptPubKey }) => scriptPubKey.hex === scriptOf(sale.payoutAddress));
  if (owed.length !== 1 || satsOf(owed[0]?.value ?? 0) !== ASKED_SATS)
    wrong.push('the owner was not paid once what he asked');
  const lockSats = satsOf(locked?.value ?? 0);
  const backSats = end === undefined || isDelivered ? 0n : lockSats - feeOf(end);
  const spentSats = ASKED_SATS + lockSats - inscribed.valueSats + feeOf(fill) - backSats;
  const outcome = isDelivered ? 'delivered' : end === undefined ? 'locked' : 'taken back';
  return { outcome, wrong, settledMsat, spentSats };
}

export type Judgement = { outcomes: Record<string, number>; disagreements: string[]; grownMsat: bigint };

/** Everything against everything: chain, both nodes, the database, the books. */
export async function judge(
  stage: Stage,
  given: { sales: readonly Sale[]; before: Holdings; fromHeight: number },
): Promise<Judgement> {
  const spenders = await spendersSince(stage, given.fromHeight);
  const verdicts = await Promise.all(given.sales.map((sale) => verdictOf(stage, sale, spenders)));
  const outcomes: Record<string, number> = {};
  for (const { outcome } of verdicts) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const disagreements = verdicts.flatMap(({ wrong, outcome }, at) =>
    wrong.map((what) => `sale ${at} (${outcome}): ${what}`),
  );
  await until('the books to be up to date', () => areBooked(stage, given.before), BOOKING).catch(() => undefined);
  const now = await stage.holdings();
  const lightningMsat = now.lightningMsat - given.before.lightningMsat;
  const walletSats = now.walletSats - given.before.walletSats;
  const expect = (what: string, is: bigint, wanted: bigint): void => {
    if (is !== wanted) disagreements.push(`${what}: ${is}, and it should be ${wanted}`);
  };
  expect('msat that the node has more', lightningMsat, sum(verdicts.map(({ settledMsat }) => settledMsat)));
  expect('sats that the wallet has more', walletSats, -sum(verdicts.map(({ spentSats }) => spentSats)));
  const books = booksOf(stage);
  expect('lightning in the books', books.get('lightning') ?? 0n, lightningMsat);
  const items = (books.get('coins') ?? 0n) + (books.get('items') ?? 0n);
  expect('coins and items in the books', items, walletSats * 1000n);
  expect('locks in the books', books.get('locks') ?? 0n, 0n);
  expect('all accounts together', sum([...books.values()]), 0n);
  const { trades, effects } = await unfinished(stage);
  expect('trades that have not ended', BigInt(trades), 0n);
  expect('effects that are not done', BigInt(effects), 0n);
  return { outcomes, disagreements, grownMsat: lightningMsat + walletSats * 1000n };
}

/** The program books what it finds buried, in its own time. */
async function areBooked(stage: Stage, before: Holdings): Promise<boolean> {
  const books = booksOf(stage);
  const { walletSats } = await stage.holdings();
  const own = (books.get('coins') ?? 0n) + (books.get('items') ?? 0n);
  // A lock is in the books from its fill on until what became of it is buried, too.
  if (own === (walletSats - before.walletSats) * 1000n && (books.get('locks') ?? 0n) === 0n) return true;
  await stage.regtest.mine(1);
  return false;
}

/** The program's own books, by its command. */
function booksOf(stage: Stage): Map<string, bigint> {
  const text = stage.command('report', '--month', new Date().toISOString().slice(0, 7), '--json');
  const { accounts } = JSON.parse(text) as MonthWire;
  return new Map(accounts.map(({ account, balance_msat }) => [account, BigInt(balance_msat)]));
}
