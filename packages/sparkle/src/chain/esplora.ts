import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { outpointText, readOutpoint } from '../protocol/inscription.ts';
import { readHex32, readIntegerIn } from '../protocol/json.ts';
import { networkOfGenesis, networks, type NetworkName } from '../protocol/network.ts';
import { readTransaction } from '../protocol/transaction.ts';
import type { Chain } from './chain.ts';
import { EsploraBlocks, SMALL_BYTES } from './esplora-blocks.ts';
import { broadcastThrough, type EsploraServer } from './esplora-broadcast.ts';
import { esploraHttp, type EsploraHttp, type EsploraHttpOptions } from './esplora-http.ts';
import { EsploraLookup } from './esplora-lookup.ts';
import { EsploraWatch } from './esplora-watch.ts';
import { Listeners } from './listeners.ts';

export type EsploraChainOptions = EsploraHttpOptions & {
  /** Decides how much work a block must show; that the server is of this network, `network()` tells. */
  network: NetworkName;
  /** A best block older than this is no answer: 3600 for R3, `Infinity` on regtest, where blocks come when asked for. */
  maxTipAgeSeconds: number;
  /** How often to look for changes while somebody listens. */
  pollMilliseconds: number;
  /**
   * Which unconfirmed transactions are told: `watched` are the spends of outputs that were asked for or broadcast, for
   * servers of others; `recent` also whatever the server names as its last arrivals, one request for each, for one's own.
   */
  mempool: 'recent' | 'watched';
  /** The feerate (sat/vB) while the server has seen too little to estimate one. */
  fallbackSatVb: number;
};

/** What nodes relay by default; a server does not tell what its own node does. */
const LEAST_SAT_VB = 1;
/** Dearer than any block ever was: no estimate. */
const MOST_SAT_VB = 100_000;

const estimatesShape = z.record(z.string().regex(/^[1-9]\d{0,4}$/), z.number().positive().max(MOST_SAT_VB));

async function feerateOf(http: EsploraHttp, wanted: { targetBlocks: number; fallbackSatVb: number }): Promise<number> {
  const range = { min: 1, max: Number.MAX_SAFE_INTEGER };
  const target = readIntegerIn({ value: wanted.targetBlocks, field: 'targetBlocks', ...range, code: 'bad_height' });
  const estimates = await http.json({ path: '/fee-estimates', maxBytes: SMALL_BYTES, shape: estimatesShape });
  const known = Object.entries(estimates ?? {})
    .map(([blocks, satVb]) => ({ blocks: Number(blocks), satVb }))
    .sort((a, b) => a.blocks - b.blocks);
  const nearest = known.findLast(({ blocks }) => blocks <= target) ?? known[0];
  return Math.max(LEAST_SAT_VB, nearest?.satVb ?? wanted.fallbackSatVb);
}

/** The first block is known by its hash; every other must show its work and its height. */
async function blockHashAt({ blocks }: EsploraServer, height: number, network: NetworkName) {
  readIntegerIn({ value: height, field: 'height', min: 0, max: Number.MAX_SAFE_INTEGER, code: 'bad_height' });
  const hash = await blocks.claimedAt(height);
  if (hash === undefined || hash === networks[network].genesisHash) return hash;
  const block = await blocks.block(hash);
  if (block === undefined) throw blocks.silent('changing', `it knows block ${hash} no more`, {});
  if (block.height === height) return hash;
  throw blocks.lie('fake_height', `block ${hash} has height ${block.height}; it says ${height}`);
}

async function networkOf({ blocks }: EsploraServer): Promise<NetworkName> {
  const genesis = await blocks.claimedAt(0);
  if (genesis === undefined) throw blocks.silent('garbage', 'it has no first block', {});
  return networkOfGenesis(genesis);
}

/** What is handed over is watched: whether it is replaced shows at the outputs that it spends. */
function noteInputs(watch: EsploraWatch, raws: readonly string[]): void {
  for (const raw of raws)
    try {
      for (const input of readTransaction(raw).inputs) watch.note(outpointText(input));
    } catch (error) {
      if (!(error instanceof SparkleError)) throw error;
    }
}

/**
 * A view of Bitcoin through somebody's Esplora server, for browsers and whoever has no node. What can be shown must be
 * shown: bytes hash to their txid, blocks have their work, their height in their coinbase and the tip above them, a
 * confirmed transaction its merkle proof; who fails is a `dishonest_source`, and `detail.what` names the lie. What no
 * server can show, that an output is *not* spent or a transaction not there, is believed: for that take a `quorum`.
 * Throws `bad_config` for a URL that is none, and `chain_unavailable` with `detail.reason` for everything else.
 */
export function esploraChain(options: EsploraChainOptions): Chain {
  const http = esploraHttp(options);
  const blocks = new EsploraBlocks(http, options);
  const lookup = new EsploraLookup(http, blocks);
  const server = { http, blocks, lookup };
  const listeners = new Listeners();
  const { pollMilliseconds, mempool, network, fallbackSatVb } = options;
  const watch = new EsploraWatch({ server, pollMilliseconds, mempool, tell: (event) => listeners.tell(event) });
  const noted = (outpoint: string) => {
    const place = readOutpoint(outpoint);
    watch.note(outpoint);
    return place;
  };
  return {
    network: () => networkOf(server),
    tip: () => blocks.tip(),
    blockHash: (height) => blockHashAt(server, height, network),
    transaction: async (txid) => lookup.transaction(readHex32(txid, 'txid')),
    unspent: async (outpoint) => lookup.unspent(noted(outpoint)),
    spender: async (outpoint, fromHeight) => lookup.spender(noted(outpoint), fromHeight),
    feerate: (targetBlocks) => feerateOf(http, { targetBlocks, fallbackSatVb }),
    async broadcast(raws) {
      noteInputs(watch, raws);
      await broadcastThrough(server, raws);
    },
    subscribe: listeners.subscription(watch),
    async close() {
      listeners.clear();
      http.close();
      await watch.stop();
    },
  };
}
