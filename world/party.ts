import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bitcoindChain } from 'sparkle-protocol/chain/bitcoind';
import { bitcoindWallet } from 'sparkle-protocol/chain/bitcoind-wallet';
import type { BlockSource, Chain } from 'sparkle-protocol/chain/chain';
import type { Wallet } from 'sparkle-protocol/chain/wallet';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import type { Market } from 'sparkle-protocol/market/market';
import { localOrdinals } from 'sparkle-protocol/ordinals/local';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { sqliteStore } from 'sparkle-protocol/store/sqlite';
import { systemClock } from 'sparkle-protocol/trader/clock';
import type { Checkpoint } from 'sparkle-protocol/trader/engine';
import type { Log } from 'sparkle-protocol/trader/log';
import { Trader } from 'sparkle-protocol/trader/trader';
import type { Regtest } from '../test/regtest/bitcoind.ts';

export type Name = 'seller' | 'buyer';

/** How to reach the regtest node: plain data, so that it can be handed to another process. */
export type NodeAccess = {
  url: string;
  credentials: { user: string; password: string };
  zmq: { rawblock: string; rawtx: string; sequence: string };
};

/** How to reach the node of a regtest. */
export const accessOf = ({ node }: Regtest): NodeAccess => ({
  url: node.rpcUrl,
  credentials: { user: node.rpcUser, password: node.rpcPassword },
  zmq: node.zmq,
});

/** One side of a trade with everything that is its own: keys, coins, node, database. */
export type Party = {
  name: Name;
  chain: Chain & BlockSource;
  wallet: Wallet;
  lightning: Lightning;
  ordinals: Ordinals;
  trader: Trader;
  stop(): Promise<void>;
};

const TIMEOUT_MILLISECONDS = 30_000;
/** Coins of a wallet are never far from a coinbase on a young chain. */
const MOST_TRACED = 10_000;

/** Opens what belongs to one side; `name` is also the name of its wallet in the node. The trader is not started. */
export async function createParty(given: {
  name: Name;
  node: NodeAccess;
  market: Market;
  lightning: Lightning;
  dir: string;
  seed: Uint8Array;
  log: Log;
  checkpoint?: Checkpoint;
}): Promise<Party> {
  const { name, node, market, lightning, dir, seed, log, checkpoint } = given;
  const { url, credentials, zmq } = node;
  const access = { url, credentials, timeoutMilliseconds: TIMEOUT_MILLISECONDS };
  const chain = bitcoindChain({ ...access, zmq, pollMilliseconds: 1_000, fallbackSatVb: 2 });
  const wallet = bitcoindWallet({ ...access, wallet: name });
  const ordinals = localOrdinals({ chain, blocks: chain, maxTransactions: MOST_TRACED });
  await mkdir(dir, { recursive: true });
  const store = await sqliteStore({ path: join(dir, 'trades.sqlite'), network: 'regtest' });
  const parts = { chain, wallet, lightning, ordinals, market, store, seed, log };
  const trader = new Trader(
    { network: 'regtest', clock: systemClock(), tickMilliseconds: 1_000, ...parts },
    checkpoint,
  );
  const stop = async () => {
    await trader.stop();
    await market.close();
    await lightning.close();
    await chain.close();
    await store.close();
  };
  return { name, chain, wallet, lightning, ordinals, trader, stop };
}
