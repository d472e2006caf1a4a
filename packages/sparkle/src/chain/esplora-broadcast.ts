import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { txidOf } from '../protocol/transaction.ts';
import type { EsploraBlocks } from './esplora-blocks.ts';
import type { EsploraHttp } from './esplora-http.ts';
import type { EsploraLookup } from './esplora-lookup.ts';

export type EsploraServer = { http: EsploraHttp; blocks: EsploraBlocks; lookup: EsploraLookup };

const MOST_WORDS = 300;

const packageShape = z.object({
  package_msg: z.string(),
  'tx-results': z.record(z.string(), z.object({ error: z.string().optional() })),
});

/** A transaction on its way, under the name that its bytes have. */
type Sendable = { raw: string; txid: string };

const refused = (reason: string, detail: Record<string, unknown>): SparkleError =>
  new SparkleError('broadcast_refused', `the Esplora server must take the transaction; it refused: ${reason}`, {
    ...detail,
    reason,
  });

/** A server's own words, as far as they can be printed in one line. */
const words = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, MOST_WORDS);

function named(raws: readonly string[]): Sendable[] {
  try {
    return raws.map((raw) => ({ raw, txid: txidOf(raw) }));
  } catch (error) {
    if (!(error instanceof SparkleError)) throw error;
    throw refused(`TX decode failed: ${error.message}`, {});
  }
}

/** Only 4xx is the server's judgement of the transaction; everything else says nothing about it. */
function assertJudged({ blocks }: EsploraServer, status: number, path: string): void {
  if (status === 200 || (status >= 400 && status < 500)) return;
  const reason = status >= 500 ? 'server_error' : 'garbage';
  throw blocks.silent(reason, `it answered HTTP ${status} to ${path}`, { status });
}

async function broadcastOne(server: EsploraServer, { raw, txid }: Sendable): Promise<void> {
  const { http, blocks, lookup } = server;
  const { status, text } = await http.post({ path: '/tx', body: raw, contentType: 'text/plain' });
  assertJudged(server, status, '/tx');
  if (status === 200 && text.trim() === txid) return;
  if (status === 200) throw blocks.lie('wrong_txid', `it took transaction ${txid} and calls it something else`);
  // Known already, or confirmed and spent again: a node calls that invalid, but the transaction is there.
  if ((await lookup.transaction(txid)) !== undefined) return;
  throw refused(words(text), { txid });
}

type Judgement = { taken: boolean; reason: string };

/** `undefined` where the server takes no packages. */
async function submitPackage(server: EsploraServer, raws: readonly string[]): Promise<Judgement | undefined> {
  const path = '/txs/package';
  const { status, text } = await server.http.post({
    path,
    body: JSON.stringify(raws),
    contentType: 'application/json',
  });
  if (status === 404 || status === 405 || status === 501) return undefined;
  assertJudged(server, status, path);
  if (status !== 200) return { taken: false, reason: words(text) };
  const { data } = packageShape.safeParse(jsonOf(text));
  if (data === undefined) throw server.blocks.silent('garbage', `its answer to ${path} has another shape`, { path });
  const reasons = Object.values(data['tx-results']).flatMap(({ error }) => (error === undefined ? [] : [error]));
  return { taken: data.package_msg === 'success', reason: words([data.package_msg, ...reasons].join('; ')) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Parents first, as a server without packages can only have them. */
async function oneByOne(server: EsploraServer, all: readonly Sendable[]): Promise<void> {
  for (const one of all)
    try {
      await broadcastOne(server, one);
    } catch (error) {
      if (!(error instanceof SparkleError) || error.code !== 'broadcast_refused') throw error;
      const reason = `${String(error.detail['reason'])}; and this server takes no packages`;
      throw refused(reason, { ...error.detail, packages: false });
    }
}

async function broadcastPackage(server: EsploraServer, all: readonly Sendable[]): Promise<void> {
  const raws = all.map(({ raw }) => raw);
  const answer = await submitPackage(server, raws);
  if (answer === undefined) return oneByOne(server, all);
  if (answer.taken) return;
  const places = await Promise.all(all.map(({ txid }) => server.lookup.transaction(txid)));
  if (places.every((place) => place !== undefined)) return;
  // A parent that confirmed meanwhile is no part of a package any more; the rest may well be one.
  const waiting = raws.filter((_, index) => places[index]?.block === undefined);
  if (waiting.length < raws.length) return broadcastThrough(server, waiting);
  throw refused(answer.reason, { txids: all.map(({ txid }) => txid) });
}

/** Hands transactions to an Esplora server, as the port's `broadcast` promises. */
export async function broadcastThrough(server: EsploraServer, raws: readonly string[]): Promise<void> {
  const all = named(raws);
  const [first, ...others] = all;
  if (first === undefined) return;
  await (others.length === 0 ? broadcastOne(server, first) : broadcastPackage(server, all));
}
