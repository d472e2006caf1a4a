import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { readTransaction } from '../protocol/transaction.ts';
import type { ChainTransaction } from './chain.ts';
import { hex32, type ElectrumLink } from './electrum-link.ts';

/** The part of a view that a broadcast needs. */
type BroadcastView = {
  link: Pick<ElectrumLink, 'ask' | 'speaks16'>;
  transaction(txid: string): Promise<ChainTransaction | undefined>;
  raw(txid: string): Promise<string | undefined>;
};

type Broadcast = { view: BroadcastView; indexMilliseconds: number };

const FIRST_PAUSE_MILLISECONDS = 25;
const LONGEST_PAUSE_MILLISECONDS = 1_000;

const packageShape = z.object({
  success: z.boolean(),
  errors: z.array(z.object({ txid: hex32.optional(), error: z.string() })).default([]),
});

const refused = (reason: string, detail: Record<string, unknown>): SparkleError =>
  new SparkleError('broadcast_refused', `the server must take the transaction; it refused: ${reason}`, {
    ...detail,
    reason,
  });

/** The node's own words, without the server's frame around them and the transaction that some repeat. */
const wordsOf = (words: string): string =>
  words
    .replace(/^the tx package was|^the transaction was/, '')
    .replace(/^ rejected by network rules\.\s*/, '')
    .replace(/\s*\[[0-9a-f]*\]?$/, '')
    .trim();

function txidOf(raw: string): string {
  try {
    return readTransaction(raw).txid;
  } catch (cause) {
    throw new SparkleError('broadcast_refused', 'bytes that are no transaction cannot be broadcast', {}, { cause });
  }
}

/**
 * Servers take a transaction at once and learn of it from their node a moment later. Until then they would say that
 * what it spends is unspent, so that whoever asks after a broadcast would be told what was true before it.
 */
async function whenIndexed({ view, indexMilliseconds }: Broadcast, txid: string): Promise<void> {
  const end = performance.now() + indexMilliseconds;
  for (let pause = FIRST_PAUSE_MILLISECONDS; (await view.transaction(txid)) === undefined; pause *= 2) {
    // Replaced already, or the server indexes more slowly than it should: it was taken all the same.
    if (performance.now() > end || (await view.raw(txid)) === undefined) return;
    await wait(Math.min(pause, LONGEST_PAUSE_MILLISECONDS));
  }
}

async function broadcastOne(broadcast: Broadcast, raw: string): Promise<void> {
  const txid = txidOf(raw);
  const answer = await broadcast.view.link.ask('blockchain.transaction.broadcast', [raw]);
  if ('result' in answer) return whenIndexed(broadcast, txid);
  // Confirmed and spent again, or known with another witness: the node calls it invalid, but it has it.
  if ((await broadcast.view.transaction(txid)) !== undefined) return;
  throw refused(wordsOf(answer.refusal.words), { txid });
}

async function broadcastPackage(broadcast: Broadcast, raws: string[]): Promise<void> {
  const { view } = broadcast;
  const txids = raws.map(txidOf);
  const answer = await view.link.ask('blockchain.transaction.broadcast_package', [raws]);
  const result = 'refusal' in answer ? undefined : packageShape.safeParse(answer.result).data;
  if (result?.success === true) {
    await Promise.all(txids.map((txid) => whenIndexed(broadcast, txid)));
    return;
  }
  // A parent that confirmed meanwhile is no part of a package any more; the rest may well be one.
  const places = await Promise.all(txids.map((txid) => view.transaction(txid)));
  const waiting = raws.filter((_, index) => places[index]?.block === undefined);
  if (waiting.length < raws.length) return broadcastAll(broadcast, waiting);
  if (places.every((place) => place !== undefined)) return;
  const errors = result?.errors.map(({ txid = '', error }) => `${error} (${txid})`).join('; ');
  throw refused('refusal' in answer ? wordsOf(answer.refusal.words) : (errors ?? 'no reason given'), { txids });
}

/**
 * Hands transactions to a server, as the port's `broadcast` promises, and returns when its index has them or after
 * `indexMilliseconds`. Servers that speak a protocol older than 1.6 know no packages: there each transaction must be
 * good enough for itself.
 */
export async function broadcastAll(broadcast: Broadcast, raws: string[]): Promise<void> {
  const [first, ...others] = raws;
  if (first === undefined) return;
  if (others.length === 0) return broadcastOne(broadcast, first);
  if (await broadcast.view.link.speaks16()) return broadcastPackage(broadcast, raws);
  for (const raw of raws) await broadcastOne(broadcast, raw);
}
