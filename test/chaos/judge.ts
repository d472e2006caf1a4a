import { Client } from 'pg';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import type { MonthWire } from '../../packages/coordinator/src/watch/ledger-report.ts';
import { scriptOf } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { ChainRecord, feeOf, type Output, satsOf, sum, type Transaction } from './chain-record.ts';
import { wrongOnLightning } from './lightning-record.ts';
import { ASKED_SATS, type Sale } from './sale.ts';
import type { Holdings, Stage } from './stage.ts';

const BOOKING = { patienceMilliseconds: 150_000, everyMilliseconds: 3_000 };

/** What the database itself answers. */
async function asked<Row>(url: string, statement: string): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return (await client.query(statement).finally(() => client.end())).rows as Row[];
}

/** What is still to be done, by the database itself. */
export async function unfinished({ url }: Stage): Promise<{ trades: number; effects: number }> {
  const count = async (what: string) =>
    Number((await asked<{ count: string }>(url, `select count(*) from sparkle.${what}`))[0]?.count);
  return {
    trades: await count('trade where ended = 0'),
    effects: await count('effect where body is not null'),
  };
}

/** The one output of a fill that is neither the owner's nor the coordinator's. */
async function lockIn(record: ChainRecord, { vout }: Transaction, sale: Sale): Promise<Output | undefined> {
  const others = vout.filter(({ scriptPubKey }) => scriptPubKey.hex !== scriptOf(sale.payoutAddress));
  const found = await Promise.all(
    others.map(async (output) => ((await record.isOurs(output.scriptPubKey)) ? [] : [output])),
  );
  return found.flat()[0];
}

type Verdict = {
  outcome: string;
  wrong: string[];
  settledMsat: bigint;
  spentSats: bigint;
  /** The hashes that were paid, and the transactions that the coordinator had to do with. */
  paidHashes: string[];
  transactions: Transaction[];
};

/** What became of every payment of a sale, by both nodes. */
async function paymentsOf(ours: Lightning, sale: Sale): Promise<Pick<Verdict, 'wrong' | 'settledMsat' | 'paidHashes'>> {
  const wrong: string[] = [];
  const paidHashes: string[] = [];
  let settledMsat = 0n;
  for (const bought of sale.tried) {
    const { paymentHash } = bought.keys;
    const paid = await sale.payment(bought);
    const { state } = await ours.invoice(paymentHash);
    const isSettled = paid === 'settled';
    if (isSettled !== (state === 'settled')) wrong.push(`paid ${paid}, received ${state}`);
    if (isSettled && settledMsat > 0n) wrong.push('paid twice');
    if (isSettled) paidHashes.push(paymentHash);
    if (isSettled) settledMsat += bought.totalSats * 1000n;
    if (paid === 'pending') wrong.push('a payment is pending');
  }
  return { wrong, settledMsat, paidHashes };
}

/** One sale by the chain and both nodes: the item is the buyer's exactly if one payment, and only one, is settled. */
async function verdictOf(sale: Sale, { ours, record }: { ours: Lightning; record: ChainRecord }): Promise<Verdict> {
  const payments = await paymentsOf(ours, sale);
  const { wrong, settledMsat } = payments;
  const { inscribed } = sale;
  const fill = inscribed && record.spender(inscribed.outpoint);
  const isMoved = fill !== undefined && fill.txid === sale.moved;
  if (inscribed === undefined || fill === undefined || isMoved) {
    if (settledMsat > 0n) wrong.push(`nothing delivered, settled ${settledMsat} msat`);
    return { outcome: isMoved ? 'moved away' : 'nothing', ...payments, spentSats: 0n, transactions: [] };
  }
  const locked = await lockIn(record, fill, sale);
  const end = locked && record.spender(`${fill.txid}:${locked.n}`);
  const isDelivered = end !== undefined && end.vout[0]?.scriptPubKey.hex === scriptOf(sale.address);
  if (isDelivered !== settledMsat > 0n) wrong.push(`delivered ${isDelivered}, settled ${settledMsat} msat`);
  const owed = fill.vout.filter(({ scriptPubKey }) => scriptPubKey.hex === scriptOf(sale.payoutAddress));
  if (owed.length !== 1 || satsOf(owed[0]?.value ?? 0) !== ASKED_SATS)
    wrong.push('the owner was not paid once what he asked');
  const lockSats = satsOf(locked?.value ?? 0);
  const backSats = end === undefined || isDelivered ? 0n : lockSats - feeOf(end);
  const spentSats = ASKED_SATS + lockSats - inscribed.valueSats + feeOf(fill) - backSats;
  const outcome = isDelivered ? 'delivered' : end === undefined ? 'locked' : 'taken back';
  return { outcome, ...payments, spentSats, transactions: end === undefined ? [fill] : [fill, end] };
}

export type Judgement = { outcomes: Record<string, number>; disagreements: string[]; grownMsat: bigint };

/** Everything against everything: chain, both nodes, the database, the books. */
export async function judge(
  stage: Stage,
  given: { sales: readonly Sale[]; before: Holdings; fromHeight: number },
): Promise<Judgement> {
  const record = await ChainRecord.since(stage, given.fromHeight);
  const ours = driverOver(stage.nodes.ours, () => {});
  const verdicts: Verdict[] = [];
  for (const sale of given.sales) verdicts.push(await verdictOf(sale, { ours, record }));
  await ours.close();
  const outcomes: Record<string, number> = {};
  for (const { outcome } of verdicts) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const disagreements = verdicts.flatMap(({ wrong, outcome }, at) =>
    wrong.map((what) => `sale ${at} (${given.sales[at]?.kind}, ${outcome}): ${what}`),
  );
  const besides = await record.unexplained(new Set(verdicts.flatMap(({ transactions }) => transactions)));
  disagreements.push(...besides.wrong);
  const paidHashes = verdicts.flatMap((verdict) => verdict.paidHashes);
  disagreements.push(...(await wrongOnLightning(stage, paidHashes)));
  await until('the books to be up to date', () => areBooked(stage, given.before), BOOKING).catch(() => undefined);
  const now = await stage.holdings();
  const lightningMsat = now.lightningMsat - given.before.lightningMsat;
  const walletSats = now.walletSats - given.before.walletSats;
  const spentSats = besides.feesSats + sum(verdicts.map((verdict) => verdict.spentSats));
  const expect = (what: string, is: bigint, wanted: bigint): void => {
    if (is !== wanted) disagreements.push(`${what}: ${is}, and it should be ${wanted}`);
  };
  expect('msat that the node has more', lightningMsat, sum(verdicts.map(({ settledMsat }) => settledMsat)));
  for (const waiting of await waitingIn(stage)) disagreements.push(`the wallet waits for ${waiting}`);
  expect('sats that the wallet has more', walletSats, -spentSats);
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

/** Transactions that the wallet knows and that are in no block: what they spend and pay it counts as it likes. And what the books have of them. */
async function waitingIn({ own: { node, wallet }, url }: Stage): Promise<string[]> {
  const all = await node.rpc<{ txid: string; confirmations: number }[]>('listtransactions', ['*', 10_000], wallet);
  const waiting = [...new Set(all.filter(({ confirmations }) => confirmations === 0).map(({ txid }) => txid))];
  const pool = await node.rpc<string[]>('getrawmempool');
  const known = await asked<{ txid: string; kind: string; trade_id: string }>(
    url,
    'select txid, kind, trade_id from sparkle.outgoing',
  );
  return waiting.map((txid) => {
    const sent = known.find((row) => row.txid === txid);
    const what = sent === undefined ? 'of no sale' : `the ${sent.kind} of ${sent.trade_id}`;
    return `${txid}, ${what}, ${pool.includes(txid) ? 'in' : 'not in'} the mempool`;
  });
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
