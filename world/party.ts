import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { bitcoindChain } from 'sparkle-protocol/chain/bitcoind';
import { bitcoindWallet } from 'sparkle-protocol/chain/bitcoind-wallet';
import type { Chain } from 'sparkle-protocol/chain/chain';
import type { Wallet } from 'sparkle-protocol/chain/wallet';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { memoryMarket, type Square } from 'sparkle-protocol/market/memory';
import { localOrdinals } from 'sparkle-protocol/ordinals/local';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { newPhrase, rescueSeed } from 'sparkle-protocol/protocol/keys';
import { sqliteStore } from 'sparkle-protocol/store/sqlite';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { silentLog } from 'sparkle-protocol/trader/log';
import { Trader } from 'sparkle-protocol/trader/trader';
import type { Regtest } from '../test/regtest/bitcoind.ts';

/** One side of a trade with everything that is its own: keys, coins, node, database. They share the chain and the square. */
export type Party = {
  name: 'seller' | 'buyer';
  chain: Chain;
  wallet: Wallet;
  walletName: string;
  lightning: Lightning;
  ordinals: Ordinals;
  trader: Trader;
  stop(): Promise<void>;
};

const FUNDS_SATS = 50_000_000n;

export function connection({ node }: Regtest) {
  const credentials = { user: node.rpcUser, password: node.rpcPassword };
  return { url: node.rpcUrl, credentials, timeoutMilliseconds: 30_000 };
}

export async function createParty(given: {
  regtest: Regtest;
  square: Square;
  lightning: Lightning;
  name: Party['name'];
  dir: string;
}): Promise<Party> {
  const { regtest, square, lightning, name, dir } = given;
  const walletName = await regtest.fundedWallet({ name, sats: FUNDS_SATS });
  const zmq = regtest.node.zmq;
  const chain = bitcoindChain({ ...connection(regtest), zmq, pollMilliseconds: 1_000, fallbackSatVb: 2 });
  const wallet = bitcoindWallet({ ...connection(regtest), wallet: walletName });
  const ordinals = localOrdinals({ chain });
  await mkdir(dir, { recursive: true });
  const store = await sqliteStore({ path: join(dir, 'trades.sqlite'), network: 'regtest' });
  const market = memoryMarket(square);
  const trader = new Trader({
    network: 'regtest',
    seed: rescueSeed(newPhrase(randomBytes(16))),
    chain,
    wallet,
    lightning,
    ordinals,
    market,
    store,
    clock: systemClock(),
    log: silentLog,
    tickMilliseconds: 1_000,
  });
  await trader.start();
  const stop = async () => {
    await trader.stop();
    await market.close();
    await lightning.close();
    await chain.close();
    await store.close();
  };
  return { name, chain, wallet, walletName, lightning, ordinals, trader, stop };
}
