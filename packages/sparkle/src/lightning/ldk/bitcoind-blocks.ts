import { z } from 'zod';
import { SparkleError } from '../../protocol/errors.ts';
import { networkOfGenesis } from '../../protocol/network.ts';
import type { BlockHeader, BlockSource, BroadcastOutcome } from './block-source.ts';

/** The node's answer to one JSON-RPC call: a result, or its refusal in its own words. Throws `chain_unavailable` without one. */
export type AskBitcoind = (
  method: string,
  params: readonly unknown[],
) => Promise<{ result: unknown } | { refusal: { code: number; reason: string } }>;

// rpc/protocol.h of Bitcoin Core
const NO_SUCH_BLOCK = -5;
const HEIGHT_OUT_OF_RANGE = -8;
const VERIFY_ERROR = -25;
const ALREADY_IN_CHAIN = -27;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.string().regex(/^(?:[0-9a-f]{2})+$/);
const headerShape = z.object({
  hash,
  confirmations: z.number().int(),
  height: z.number().int().min(0),
  time: z.number().int().min(0),
  // Block 0 has none.
  previousblockhash: hash.optional(),
});
const blockShape = z.object({ tx: z.array(z.object({ hex: bytes })) });
const estimateShape = z.object({ feerate: z.number().positive().optional() });
const packageShape = z.object({ package_msg: z.string() });

/** Blocks from a Bitcoin node's JSON-RPC; pruned nodes do as long as they keep what is younger than our last start. */
export function bitcoindBlocks(ask: AskBitcoind): BlockSource {
  const call = async <T>(method: string, params: readonly unknown[], shape: z.ZodType<T>): Promise<T> => {
    const answer = await ask(method, params);
    if ('refusal' in answer) throw unavailable(`it refused ${method}: ${answer.refusal.reason}`, method);
    return read(answer.result, method, shape);
  };
  return {
    network: async () => networkOfGenesis(await call('getblockhash', [0], hash)),
    bestHash: () => call('getbestblockhash', [], hash),
    header: (of) => readHeader(ask, of),
    async blockHash(height) {
      const answer = await ask('getblockhash', [height]);
      if ('refusal' in answer && answer.refusal.code === HEIGHT_OUT_OF_RANGE) return undefined;
      if ('refusal' in answer) throw unavailable(`it refused getblockhash: ${answer.refusal.reason}`, 'getblockhash');
      return read(answer.result, 'getblockhash', hash);
    },
    rawBlock: (of) => call('getblock', [of, 0], bytes),
    blockTransactions: async (of) => (await call('getblock', [of, 2], blockShape)).tx.map((tx) => tx.hex),
    async feerate(targetBlocks) {
      const { feerate } = await call('estimatesmartfee', [targetBlocks], estimateShape);
      // BTC per 1000 vB
      return feerate === undefined ? undefined : feerate * 100_000;
    },
    broadcast: (raws) => (raws.length > 1 ? sendPackage(ask, raws) : sendOne(ask, raws[0] ?? '')),
  };
}

async function readHeader(ask: AskBitcoind, of: string): Promise<BlockHeader | undefined> {
  const answer = await ask('getblockheader', [of, true]);
  if ('refusal' in answer && answer.refusal.code === NO_SUCH_BLOCK) return undefined;
  if ('refusal' in answer) throw unavailable(`it refused getblockheader: ${answer.refusal.reason}`, 'getblockheader');
  const header = read(answer.result, 'getblockheader', headerShape);
  const raw = await ask('getblockheader', [of, false]);
  if ('refusal' in raw) throw unavailable(`it refused getblockheader: ${raw.refusal.reason}`, 'getblockheader');
  return {
    hash: header.hash,
    previous: header.previousblockhash ?? '00'.repeat(32),
    height: header.height,
    timeSeconds: header.time,
    raw: read(raw.result, 'getblockheader', bytes),
    inBestChain: header.confirmations >= 0,
  };
}

async function sendOne(ask: AskBitcoind, raw: string): Promise<BroadcastOutcome> {
  // 0: no cap on the feerate. What is sent here was priced by the node's own rules; refusing it would lose a claim.
  const answer = await ask('sendrawtransaction', [raw, 0]);
  if ('result' in answer) return { state: 'accepted' };
  const { code, reason } = answer.refusal;
  if (code === ALREADY_IN_CHAIN || (code === VERIFY_ERROR && reason.includes('missingorspent')))
    return { state: 'final' };
  return { state: 'refused', reason };
}

/** A package that is refused as a whole may still pass one by one, as when the parent is confirmed already. */
async function sendPackage(ask: AskBitcoind, raws: readonly string[]): Promise<BroadcastOutcome> {
  const answer = await ask('submitpackage', [raws, 0]);
  if ('result' in answer && read(answer.result, 'submitpackage', packageShape).package_msg === 'success')
    return { state: 'accepted' };
  let last: BroadcastOutcome = { state: 'refused', reason: 'an empty package' };
  for (const raw of raws) last = await sendOne(ask, raw);
  return last;
}

function read<T>(value: unknown, method: string, shape: z.ZodType<T>): T {
  const { data, success } = shape.safeParse(value);
  if (!success) throw unavailable(`its answer to ${method} has another shape`, method);
  return data;
}

const unavailable = (reason: string, method: string): SparkleError =>
  new SparkleError('chain_unavailable', `the Bitcoin node must answer; ${reason}`, { method, reason });
