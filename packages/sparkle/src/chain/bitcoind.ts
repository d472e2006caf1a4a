import { z } from 'zod';
import { txidOf } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import { readOutpoint } from '../protocol/inscription.ts';
import { readHex32, readIntegerIn } from '../protocol/json.ts';
import { networkOfGenesis } from '../protocol/network.ts';
import { broadcast } from './bitcoind-broadcast.ts';
import { BitcoindLookup, MAX_ROUNDS, NOT_FOUND } from './bitcoind-lookup.ts';
import { bitcoindRpc, hex32, hexBytes, type BitcoindRpc, type BitcoindRpcOptions } from './bitcoind-rpc.ts';
import { SpendSearch } from './bitcoind-spends.ts';
import { watchNode } from './bitcoind-watch.ts';
import { checkZmqEndpoints, type ZmqEndpoints } from './bitcoind-zmq.ts';
import type { BlockSource, Chain, ChainEvent } from './chain.ts';
import { Listeners, restartable } from './listeners.ts';
import { readRawBlock, transactionsIn, type RawBlock } from './raw-block.ts';

export type BitcoindChainOptions = BitcoindRpcOptions & {
  /** Where the node publishes changes; `{}` when it does not, then it is only polled. */
  zmq: ZmqEndpoints;
  pollMilliseconds: number;
  /** The feerate (sat/vB) while the node has seen too little to estimate one. */
  fallbackSatVb: number;
};

/** rpc/protocol.h: RPC_INVALID_PARAMETER, also the answer for a height above the tip. */
const OUT_OF_RANGE = -8;
/** estimatesmartfee knows targets up to 1008 blocks. */
const MAX_TARGET_BLOCKS = 1008;

/** The node reads heights as 32-bit numbers. */
const MAX_HEIGHT = 0x7fff_ffff;

const spendingShape = z.array(z.object({ spendingtxid: hex32.optional() })).length(1);
const estimateShape = z.object({ feerate: z.number().positive().optional() });
const minimumShape = z.object({ mempoolminfee: z.number().min(0), minrelaytxfee: z.number().min(0) });

/** BTC/kvB, as the node says it, in sat/vB; through whole sat/kvB, so that 0.000001 is 0.1 and not a bit less. */
const satVb = (btcPerKvb: number): number => Math.round(btcPerKvb * 1e8) / 1000;

async function feerateOf(
  rpc: BitcoindRpc,
  { targetBlocks, fallbackSatVb }: { targetBlocks: number; fallbackSatVb: number },
) {
  const target = readIntegerIn({
    ...{ value: targetBlocks, field: 'targetBlocks', code: 'bad_height' },
    ...{ min: 1, max: Number.MAX_SAFE_INTEGER },
  });
  const [{ feerate }, minimum] = await Promise.all([
    rpc.call('estimatesmartfee', [Math.min(target, MAX_TARGET_BLOCKS), 'conservative'], estimateShape),
    rpc.call('getmempoolinfo', [], minimumShape),
  ]);
  const wanted = feerate === undefined ? fallbackSatVb : satVb(feerate);
  return Math.max(wanted, satVb(minimum.mempoolminfee), satVb(minimum.minrelaytxfee));
}

async function readBlock(rpc: BitcoindRpc, hash: string): Promise<RawBlock | undefined> {
  const answer = await rpc.ask('getblock', [hash, 0]);
  if ('refusal' in answer && answer.refusal.code === NOT_FOUND) return undefined;
  const raw = 'refusal' in answer ? undefined : hexBytes.safeParse(answer.result).data;
  const block = raw === undefined ? undefined : readRawBlock(raw);
  if (block?.hash === hash) return block;
  const reason = 'refusal' in answer ? answer.refusal.reason : 'its bytes are another block';
  throw new SparkleError('chain_unavailable', `the node must have block ${hash}; ${reason}`, { hash, reason });
}

async function knownBlock(rpc: BitcoindRpc, hash: string): Promise<RawBlock> {
  const block = await readBlock(rpc, hash);
  if (block === undefined)
    throw new SparkleError('chain_unavailable', `the node must have block ${hash}; it knows no such block`, { hash });
  return block;
}

function spenderSearch(rpc: BitcoindRpc, lookup: BitcoindLookup): Chain['spender'] {
  const search = new SpendSearch((hash) => knownBlock(rpc, hash));
  return async (outpoint, fromHeight, signal) => {
    const place = readOutpoint(outpoint);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      // Most outpoints asked for are unspent, and then no block needs to be read.
      if ((await lookup.unspent(place)) !== undefined) return undefined;
      const before = await lookup.bestHash();
      const [spending] = await rpc.call('gettxspendingprevout', [[place]], spendingShape);
      const found = spending?.spendingtxid === undefined ? undefined : await lookup.transaction(spending.spendingtxid);
      if (found !== undefined) return found;
      const tip = await lookup.tip();
      const spend = await search.find({ outpoint, fromHeight, tip, signal });
      if (spend !== undefined) return { txid: txidOf(spend.raw), ...spend };
      // A reorg between the two looks may have put the spender back into the mempool.
      if (tip.hash === before && spending?.spendingtxid === undefined) return undefined;
    }
    throw new SparkleError(
      'chain_unavailable',
      `the chain kept changing while the spender of ${outpoint} was looked for`,
      {
        outpoint,
      },
    );
  };
}

function subscriptions(
  options: BitcoindChainOptions,
  { rpc, lookup }: { rpc: BitcoindRpc; lookup: BitcoindLookup },
): Pick<Chain, 'subscribe' | 'close'> {
  const { zmq, pollMilliseconds } = options;
  const listeners = new Listeners();
  const source = {
    tip: () => lookup.tip(),
    header: (hash: string) => lookup.header(hash),
    transaction: (txid: string) => lookup.transaction(txid),
    mempool: () => rpc.call('getrawmempool', [], z.array(hex32)),
  };
  const tell = (event: ChainEvent): void => listeners.tell(event);
  const watch = restartable(() => watchNode({ source, zmq, pollMilliseconds, tell }));
  return {
    subscribe: listeners.subscription(watch),
    async close() {
      listeners.clear();
      await watch.stop();
    },
  };
}

/**
 * A view of Bitcoin through one's own node: Bitcoin Core or Knots 29 or newer, best with `-txindex` (without it,
 * `transaction` answers only for the mempool and for transactions with an unspent output among the first four, and
 * throws for the others). Throws `bad_config` for a URL or endpoint that is none.
 */
export function bitcoindChain(options: BitcoindChainOptions): Chain & BlockSource {
  checkZmqEndpoints(options.zmq);
  const rpc = bitcoindRpc(options);
  const lookup = new BitcoindLookup(rpc);
  return {
    ...subscriptions(options, { rpc, lookup }),
    network: async () => networkOfGenesis(await rpc.call('getblockhash', [0], hex32)),
    tip: () => lookup.tip(),
    async blockHash(height) {
      readIntegerIn({ value: height, field: 'height', min: 0, max: Number.MAX_SAFE_INTEGER, code: 'bad_height' });
      if (height > MAX_HEIGHT) return undefined;
      const answer = await rpc.ask('getblockhash', [height]);
      // Above the tip, or above that of a node which has yet to fetch the blocks again.
      if ('refusal' in answer && answer.refusal.code === OUT_OF_RANGE) return void (await lookup.tip());
      return 'refusal' in answer ? rpc.call('getblockhash', [height], hex32) : hex32.parse(answer.result);
    },
    transaction: async (txid) => lookup.transaction(readHex32(txid, 'txid')),
    unspent: async (outpoint) => lookup.unspent(readOutpoint(outpoint)),
    spender: spenderSearch(rpc, lookup),
    feerate: (targetBlocks) => feerateOf(rpc, { targetBlocks, fallbackSatVb: options.fallbackSatVb }),
    broadcast: (raws) => broadcast({ rpc, lookup }, raws),
    async block(hash) {
      const block = await readBlock(rpc, readHex32(hash, 'hash'));
      return block === undefined ? undefined : transactionsIn(block);
    },
  };
}
