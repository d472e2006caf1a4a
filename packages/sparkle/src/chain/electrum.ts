import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { readOutpoint } from '../protocol/inscription.ts';
import { readHex32, readIntegerIn } from '../protocol/json.ts';
import { networkOfGenesis } from '../protocol/network.ts';
import type { Chain, ChainEvent } from './chain.ts';
import { broadcastAll } from './electrum-broadcast.ts';
import type { Checkpoint } from './electrum-checkpoints.ts';
import type { ElectrumLink, ElectrumLinkOptions } from './electrum-link.ts';
import { ElectrumView } from './electrum-view.ts';
import { watchServer } from './electrum-watch.ts';
import { Listeners, restartable } from './listeners.ts';

export type ElectrumChainOptions = ElectrumLinkOptions & {
  /** From where on headers are checked: `firstBlock`, `recentBlock`, or a block known from elsewhere. */
  checkpoint: Checkpoint;
  /** How often a server that tells nothing is asked, while somebody listens. */
  pollMilliseconds: number;
  /** How long `broadcast` waits until the server's index has what it took; ElectrumX asks its node every 5 seconds. */
  indexMilliseconds: number;
  /** The feerate (sat/vB) while the server's node has seen too little to estimate one. */
  fallbackSatVb: number;
};

/** Nodes estimate for up to 1008 blocks. */
const MAX_TARGET_BLOCKS = 1008;
/** 10,000 sat/vB, more than anybody ever had to pay. */
const MOST_BTC_PER_KVB = 0.1;

const estimateShape = z.union([z.literal(-1), z.number().positive().max(MOST_BTC_PER_KVB)]);
const relayShape = z.number().min(0).max(MOST_BTC_PER_KVB);
const mempoolShape = z.object({ mempoolminfee: relayShape, minrelaytxfee: relayShape });

/** BTC/kvB in sat/vB; through whole sat/kvB, so that 0.000001 is 0.1 and not a bit less. */
const satVb = (btcPerKvb: number): number => Math.round(btcPerKvb * 1e8) / 1000;

async function leastFeerate(link: ElectrumLink): Promise<number> {
  if (!(await link.speaks16())) return satVb(await link.call('blockchain.relayfee', [], relayShape));
  const { mempoolminfee, minrelaytxfee } = await link.call('mempool.get_info', [], mempoolShape);
  return Math.max(satVb(mempoolminfee), satVb(minrelaytxfee));
}

async function feerateOf(link: ElectrumLink, wanted: { targetBlocks: number; fallbackSatVb: number }): Promise<number> {
  const target = readIntegerIn({
    ...{ value: wanted.targetBlocks, field: 'targetBlocks', code: 'bad_height' },
    ...{ min: 1, max: Number.MAX_SAFE_INTEGER },
  });
  const [estimate, least] = await Promise.all([
    link.call('blockchain.estimatefee', [Math.min(target, MAX_TARGET_BLOCKS)], estimateShape),
    leastFeerate(link),
  ]);
  return Math.max(estimate === -1 ? wanted.fallbackSatVb : satVb(estimate), least);
}

/**
 * A view of Bitcoin through an Electrum server (protocol 1.4 to 1.6; ElectrumX, Fulcrum, electrs) that is not trusted
 * with what can be checked: headers by linkage, difficulty and work from a checkpoint on, confirmations by merkle
 * branches, transactions by their bytes, histories by the server's own statuses. What it is caught at throws
 * `dishonest_source` with `detail.what`; `chain_unavailable` carries a `detail.reason`.
 *
 * No check finds a transaction that a server consistently hides, an unconfirmed one that it made up, witnesses that it
 * changed, or blocks that it holds back: whoever has much at stake asks two servers (`quorum`) or a node of their own.
 * The server learns which scripts are asked about. Throws `bad_config`.
 */
export function electrumChain(options: ElectrumChainOptions): Chain {
  const view = new ElectrumView(options);
  const { fallbackSatVb, indexMilliseconds, pollMilliseconds, network } = options;
  const listeners = new Listeners();
  const tell = (event: ChainEvent): void => listeners.tell(event);
  const watch = restartable(() => watchServer({ view, pollMilliseconds, tell }));
  return {
    async network() {
      const came = networkOfGenesis(await view.genesisHash());
      if (came === network) return came;
      throw new SparkleError('wrong_network', `the Electrum server must be one of ${network}; it is one of ${came}`);
    },
    tip: () => view.tip(),
    async blockHash(height) {
      readIntegerIn({ value: height, field: 'height', min: 0, max: Number.MAX_SAFE_INTEGER, code: 'bad_height' });
      return view.blockHash(height);
    },
    transaction: async (txid) => view.transaction(readHex32(txid, 'txid')),
    async unspent(outpoint) {
      readOutpoint(outpoint);
      return view.unspent(outpoint);
    },
    async spender(outpoint, fromHeight) {
      readOutpoint(outpoint);
      return view.spender(outpoint, fromHeight);
    },
    feerate: (targetBlocks) => feerateOf(view.link, { targetBlocks, fallbackSatVb }),
    broadcast: (raws) => broadcastAll({ view, indexMilliseconds }, raws),
    subscribe: listeners.subscription(watch),
    async close() {
      listeners.clear();
      view.link.close();
      await watch.stop();
    },
  };
}
