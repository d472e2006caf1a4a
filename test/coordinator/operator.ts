import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bitcoind } from '../../scripts/bitcoind.mjs';
import type { Lnd } from '../regtest/lnd.ts';

/** The program's main file, and what Node is told to run it from its sources. */
export const MAIN = fileURLToPath(new URL('../../packages/coordinator/src/main.ts', import.meta.url));
export const flags = ['--conditions=sparkle-source', '--import', import.meta.resolve('tsx')];

export const WALLET = 'coordinator';
export const ADMIN_TOKEN = 'a-token-of-an-operator-long-enough-to-be-one';

type Operated = {
  node: Pick<Bitcoind, 'rpcUrl' | 'rpcUser' | 'rpcPassword'>;
  lnd: Pick<Lnd, 'socket' | 'certPath' | 'macaroonPath'>;
  databaseUrl: string;
  folder: string;
  /** Of the API and of the admin API. */
  ports: readonly (number | undefined)[];
};

/** What an operator on regtest sets: a bitcoind with his wallet, his LND, his database, and no rate that tests would reach. */
export function operatorEnv({ node, lnd, databaseUrl, folder, ports }: Operated): Record<string, string> {
  const rpc = new URL(node.rpcUrl);
  const [port, adminPort] = ports;
  return {
    ...{ NETWORK: 'regtest', HOST: '127.0.0.1', PORT: String(port), ADMIN_PORT: String(adminPort), ADMIN_TOKEN },
    ...{ BITCOIN_RPC_HOST: rpc.hostname, BITCOIN_RPC_PORT: rpc.port, BITCOIN_WALLET: WALLET },
    ...{ BITCOIN_RPC_USER: node.rpcUser, BITCOIN_RPC_PASS: node.rpcPassword },
    ...{ LND_HOST: lnd.socket, LND_CERT_PATH: lnd.certPath },
    ...{ LND_MACAROON_PATH: lnd.macaroonPath, LND_ADMIN_MACAROON: 'yes' },
    ...{ DATABASE_URL: databaseUrl, RESCUE_PHRASE_FILE: join(folder, 'phrase') },
    ...{ RATE_READ_PER_MINUTE: '100000', MARKET_FEE_BPS: '100', LISTERS: 'anyone' },
  };
}
