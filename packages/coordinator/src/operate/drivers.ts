import { readFileSync } from 'node:fs';
import { bitcoindChain } from 'sparkle-protocol/chain/bitcoind';
import { bitcoindWallet } from 'sparkle-protocol/chain/bitcoind-wallet';
import { cln } from 'sparkle-protocol/lightning/cln/cln';
import type { Lightning, LightningCapabilities } from 'sparkle-protocol/lightning/lightning';
import { LND_HOLD_EXPIRY_MARGIN_BLOCKS } from 'sparkle-protocol/lightning/lnd/credentials';
import { lnd } from 'sparkle-protocol/lightning/lnd/node';
import { connectNwc } from 'sparkle-protocol/lightning/nwc/nwc';
import { localOrdinals } from 'sparkle-protocol/ordinals/local';
import { ordOrdinals } from 'sparkle-protocol/ordinals/ord';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Log } from 'sparkle-protocol/trader/log';
import { lacking } from 'sparkle-protocol/trader/needs';
import type { Config } from '../config/config.ts';
import { assertCanPayOut } from '../royalties/payouts.ts';

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

type LightningConfig = Pick<Config, 'lightning' | 'network'> & {
  limits: Pick<Config['limits'], 'forwardSats'>;
  royalties: Pick<Config['royalties'], 'overLightning'>;
};

/**
 * The Lightning node that the configuration names, to receive, and where sales are passed on or creators paid to pay as well.
 * Throws `bad_config`, `wrong_network`, `lightning_unavailable`.
 */
export async function openLightning(config: LightningConfig, log: Log): Promise<Lightning> {
  const lightning = await openNode(config, log);
  try {
    assertForwards(lightning.capabilities, config.limits);
    if (config.royalties.overLightning) assertCanPayOut(lightning.capabilities);
    return lightning;
  } catch (error) {
    await lightning.close();
    throw error;
  }
}

/** Throws `bad_config` where sales are to be passed on by a node that cannot do it. */
export function assertForwards(capabilities: LightningCapabilities, { forwardSats }: LightningConfig['limits']): void {
  const missing = forwardSats > 0n ? lacking('forward hold-first', capabilities) : [];
  if (missing.length === 0) return;
  const sentence = `FORWARD_SATS must be 0 with a Lightning node that lacks ${missing.join(', ')}; got ${forwardSats}`;
  throw new SparkleError('bad_config', sentence, { field: 'FORWARD_SATS', missing });
}

async function openNode({ lightning, network, limits, royalties }: LightningConfig, log: Log): Promise<Lightning> {
  const pays = limits.forwardSats > 0n || royalties.overLightning;
  const warn = (words: string) => log.warn({ part: lightning.type }, words);
  const nowMilliseconds = () => Date.now();
  switch (lightning.type) {
    case 'lnd':
      return lnd({
        access: {
          ...{ socket: lightning.host, macaroon: { path: lightning.macaroonPath } },
          ...(lightning.certPath === undefined ? {} : { cert: { path: lightning.certPath } }),
        },
        uses: pays ? ['receive', 'pay'] : ['receive'],
        ...{ adminMacaroon: lightning.adminMacaroon, privateChannels: 'named' },
        ...{ holdExpiryMarginBlocks: LND_HOLD_EXPIRY_MARGIN_BLOCKS, nowMilliseconds, warn },
      });
    case 'cln': {
      const { url, runePath, caPath } = lightning;
      const files = { rune: { path: runePath }, ca: { path: caPath } };
      const use = pays ? 'all' : 'receive';
      return cln({ url, ...files, network, use, timeoutMilliseconds: LIGHTNING_MILLISECONDS });
    }
    case 'nwc': {
      const connection = readFileSync(lightning.connectionPath, 'utf8').trim();
      return connectNwc({ connection, network, nowMilliseconds, warn });
    }
  }
}
