import { z } from 'zod';
import { txidOf } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { BitcoindLookup } from './bitcoind-lookup.ts';
import { hex32, type BitcoindRpc } from './bitcoind-rpc.ts';

/** rpc/protocol.h: RPC_DESERIALIZATION_ERROR, the bytes are no transaction. */
const NOT_A_TRANSACTION = -22;
/** rpc/protocol.h: RPC_VERIFY_ALREADY_IN_UTXO_SET. */
const ALREADY_CONFIRMED = -27;

const packageShape = z.object({
  package_msg: z.string(),
  'tx-results': z.record(z.string(), z.object({ txid: hex32, error: z.string().optional() })),
});

const refused = (reason: string, detail: Record<string, unknown>): SparkleError =>
  new SparkleError('broadcast_refused', `the node must take the transaction; it refused: ${reason}`, {
    ...detail,
    reason,
  });

type Node = { rpc: BitcoindRpc; lookup: BitcoindLookup };

/** Where the node has this transaction. One that it cannot find for want of an index counts as unknown. */
async function placeOf({ lookup }: Node, raw: string): Promise<'block' | 'mempool' | 'unknown'> {
  try {
    const found = await lookup.transaction(txidOf(raw));
    if (found === undefined) return 'unknown';
    return found.block === undefined ? 'mempool' : 'block';
  } catch (error) {
    if (error instanceof SparkleError && error.code === 'chain_unavailable') return 'unknown';
    throw error;
  }
}

async function broadcastOne(node: Node, raw: string): Promise<void> {
  const answer = await node.rpc.ask('sendrawtransaction', [raw]);
  if (!('refusal' in answer)) return;
  const { code, reason } = answer.refusal;
  if (code === ALREADY_CONFIRMED) return;
  if (code === NOT_A_TRANSACTION) throw refused(reason, {});
  // Confirmed and spent again, or in the mempool with another witness: the node calls it invalid, but it has it.
  if ((await placeOf(node, raw)) !== 'unknown') return;
  throw refused(reason, { txid: txidOf(raw) });
}

async function broadcastPackage(node: Node, raws: string[]): Promise<void> {
  const answer = await node.rpc.ask('submitpackage', [raws]);
  const result = 'refusal' in answer ? undefined : packageShape.safeParse(answer.result).data;
  if (result?.package_msg === 'success') return;
  if ('refusal' in answer && answer.refusal.code === NOT_A_TRANSACTION) throw refused(answer.refusal.reason, {});
  // A parent that confirmed meanwhile is no part of a package any more; the rest may well be one.
  const places = await Promise.all(raws.map((raw) => placeOf(node, raw)));
  const waiting = raws.filter((_, index) => places[index] !== 'block');
  if (waiting.length < raws.length) return broadcast(node, waiting);
  const reasons = Object.values(result?.['tx-results'] ?? {}).flatMap(({ txid, error }) =>
    error === undefined ? [] : [`${error} (${txid})`],
  );
  const words = 'refusal' in answer ? answer.refusal.reason : [result?.package_msg, ...reasons].join('; ');
  throw refused(words, { txids: raws.map(txidOf) });
}

/** Hands transactions to a node, as the port's `broadcast` promises. */
export async function broadcast(node: Node, raws: string[]): Promise<void> {
  const [first, ...others] = raws;
  if (first === undefined) return;
  await (others.length === 0 ? broadcastOne(node, first) : broadcastPackage(node, raws));
}
