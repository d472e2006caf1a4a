import { readFileSync } from 'node:fs';
import { bitcoindChain } from 'sparkle-protocol/chain/bitcoind';
import { bitcoindWallet } from 'sparkle-protocol/chain/bitcoind-wallet';
import { cln } from 'sparkle-protocol/lightning/cln/cln';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { LND_HOLD_EXPIRY_MARGIN_BLOCKS } from 'sparkle-protocol/lightning/lnd/credentials';
import { lnd } from 'sparkle-protocol/lightning/lnd/node';
import { connectNwc } from 'sparkle-protocol/lightning/nwc/nwc';
import { localOrdinals } from 'sparkle-protocol/ordinals/local';
import { ordOrdinals } from 'sparkle-protocol/ordinals/ord';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Log } from 'sparkle-protocol/trader/log';
import type { Config } from './config.ts';

const RPC_MILLISECONDS = 30_000;
const POLL_MILLISECONDS = 5_000;
const LIGHTNING_MILLISECONDS = 30_000;
const ORD = { timeoutMilliseconds: 15_000, maxAnswerBytes: 20_000_000, maxInFlight: 8 };
/** What one trace may look at: an inscription that moved more often than that needs an ord server. */
const MOST_TRACED = 20_000;
/** While the node has seen too little to estimate one. */
const FALLBACK_SAT_VB = 10;

type Chain = ReturnType<typeof bitcoindChain>;

/** The node and the wallet in it that the configuration names. */
export function openBitcoin({ bitcoin }: Pick<Config, 'bitcoin'>): {
  chain: Chain;
  wallet: ReturnType<typeof bitcoindWallet>;
} {
  const { host, port, auth, zmq, wallet } = bitcoin;
  const credentials = auth.type === 'cookie' ? { cookieFile: auth.path } : { user: auth.user, password: auth.pass };
  const access = { url: `http://${host}:${port}`, credentials, timeoutMilliseconds: RPC_MILLISECONDS };
  const endpoints = {
    ...(zmq.blocks === undefined ? {} : { rawblock: zmq.blocks }),
    ...(zmq.transactions === undefined ? {} : { rawtx: zmq.transactions }),
  };
  const options = { zmq: endpoints, pollMilliseconds: POLL_MILLISECONDS, fallbackSatVb: FALLBACK_SAT_VB };
  return { chain: bitcoindChain({ ...access, ...options }), wallet: bitcoindWallet({ ...access, wallet }) };
}

/** An `ord` server where there is one, the trace over the own chain otherwise. */
export function openOrdinals({ ordUrl }: Pick<Config, 'ordUrl'>, chain: Chain): Ordinals {
  if (ordUrl === undefined) return localOrdinals({ chain, blocks: chain, maxTransactions: MOST_TRACED });
  return ordOrdinals(ordOptions(ordUrl, chain));
}

/** How patiently an ord server at `url` is asked. */
export const ordOptions = (url: string, chain: Chain) => ({ url, chain, ...ORD });

/** The Lightning node that the configuration names. Throws `bad_config`, `wrong_network`, `lightning_unavailable`. */
export async function openLightning(
  { lightning, network }: Pick<Config, 'lightning' | 'network'>,
  log: Log,
): Promise<Lightning> {
  const warn = (words: string) => log.warn({ part: lightning.type }, words);
  const nowMilliseconds = () => Date.now();
  switch (lightning.type) {
    case 'lnd':
      return lnd({
        access: {
          ...{ socket: lightning.host, macaroon: { path: lightning.macaroonPath } },
          ...(lightning.certPath === undefined ? {} : { cert: { path: lightning.certPath } }),
        },
        ...{ uses: ['receive'], adminMacaroon: lightning.adminMacaroon, privateChannels: 'named' },
        ...{ holdExpiryMarginBlocks: LND_HOLD_EXPIRY_MARGIN_BLOCKS, nowMilliseconds, warn },
      });
    case 'cln': {
      const { url, runePath, caPath } = lightning;
      const files = { rune: { path: runePath }, ca: { path: caPath } };
      return cln({ url, ...files, network, use: 'receive', timeoutMilliseconds: LIGHTNING_MILLISECONDS });
    }
    case 'nwc':
      return connectNwc({
        connection: readFileSync(lightning.connectionPath, 'utf8').trim(),
        network,
        nowMilliseconds,
        warn,
      });
    case 'ldk':
      throw new SparkleError(
        'bad_config',
        'LIGHTNING must be lnd, cln or nwc: the embedded node has nobody here who opens its channels; got ldk',
        { field: 'LIGHTNING' },
      );
  }
}
