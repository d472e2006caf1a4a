import { readFile } from 'node:fs/promises';
import { SparkleError } from '../../protocol/errors.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { Lightning } from '../lightning.ts';
import { type ClnClock, ClnNode } from './node.ts';
import { ClnRest, readResult, refused } from './rest.ts';
import { readRune, type RuneUse } from './rune.ts';
import { getinfoShape, HOLD_EXPIRY_OPTION, listconfigsShape } from './wire.ts';

export type { ClnClock } from './node.ts';
export { createRuneLine, runeRestrictions, type RuneUse } from './rune.ts';

/** A credential, or the file that holds it. */
export type Given = { text: string } | { path: string };

export type ClnOptions = {
  /** Where clnrest listens: `https://host:port`, port 3010 unless the node says otherwise. */
  url: string;
  /** What `createRuneLine` makes the node print. */
  rune: Given;
  /** `ca.pem` from the node's folder. The certificate must be by this authority; there is no way round it. */
  ca: Given;
  network: NetworkName;
  /** What the rune was made for: what it does not grant is not offered. */
  use: RuneUse;
  /** The plugin's `hold-expiry-deadline`, for a node that does not tell it; what the node tells counts. */
  holdExpiryDeadline?: number;
  /** Limit of one answer; payments have none. */
  timeoutMilliseconds: number;
  clock?: ClnClock;
};

const systemClock: ClnClock = {
  nowSeconds: () => Math.floor(Date.now() / 1000),
  nowMilliseconds: () => performance.now(),
};

/** lightning-getinfo(7): Bitcoin Core's names of the chains, mainnet being `bitcoin`. */
const NETWORK_OF: Readonly<Record<string, NetworkName>> = {
  bitcoin: 'mainnet',
  testnet: 'testnet',
  testnet4: 'testnet4',
  signet: 'signet',
  regtest: 'regtest',
};

/** common/jsonrpc_errors.h. */
const BAD_PARAMETER = -32602;
const NO_SUCH_METHOD = -32601;

/**
 * Core Lightning from 25.02 over clnrest, holding by the `hold` plugin from 0.3. Without the plugin it pays and makes
 * plain invoices, and says so. Throws `bad_config` for options that cannot be, `wrong_network`, and
 * `lightning_unavailable` when the node does not answer as expected.
 */
export async function cln(options: ClnOptions): Promise<Lightning> {
  const { url, network, use, timeoutMilliseconds, clock = systemClock } = options;
  const rune = readRune(await readGiven(options.rune, 'rune'));
  const rest = new ClnRest({ url, rune, ca: await readCa(options.ca), timeoutMilliseconds });
  try {
    const nodeId = await readNodeId(rest, network);
    const margin = use === 'pay' ? undefined : await readHoldMargin(rest, options.holdExpiryDeadline);
    return new ClnNode({ rest, nodeId, network, use, margin, clock });
  } catch (error) {
    rest.close();
    throw error;
  }
}

async function readGiven(given: Given, field: string): Promise<string> {
  if ('text' in given) return given.text;
  try {
    return await readFile(given.path, 'utf8');
  } catch {
    throw new SparkleError('bad_config', `${field} must be a file that can be read; got ${given.path}`, { field });
  }
}

async function readCa(given: Given): Promise<string> {
  const pem = await readGiven(given, 'ca');
  if (/-----BEGIN CERTIFICATE-----/.test(pem)) return pem;
  throw new SparkleError('bad_config', 'ca must be a certificate in PEM form; got another text', { field: 'ca' });
}

async function readNodeId(rest: ClnRest, wanted: NetworkName): Promise<string> {
  const info = await rest.call({ method: 'getinfo', params: {} }, getinfoShape);
  if (NETWORK_OF[info.network] === wanted) return info.id;
  throw new SparkleError('wrong_network', `the Core Lightning node must be on ${wanted}; it is on ${info.network}`, {
    wanted,
    came: info.network,
  });
}

/** Blocks before its expiry at which the plugin gives a held payment back; `undefined` where there is no plugin. */
async function readHoldMargin(rest: ClnRest, given: number | undefined): Promise<number | undefined> {
  const plugin = await rest.ask({ method: 'listholdinvoices', params: { payment_hash: '00'.repeat(32) } });
  if ('refusal' in plugin && plugin.refusal.code === NO_SUCH_METHOD) return undefined;
  if ('refusal' in plugin) throw refused('listholdinvoices', plugin.refusal);
  const margin = (await toldMargin(rest)) ?? given;
  if (margin !== undefined) return margin;
  throw new SparkleError('bad_config', `the node does not tell its ${HOLD_EXPIRY_OPTION}: it must be given`, {
    field: 'holdExpiryDeadline',
  });
}

async function toldMargin(rest: ClnRest): Promise<number | undefined> {
  const answer = await rest.ask({ method: 'listconfigs', params: { config: HOLD_EXPIRY_OPTION } });
  if (!('refusal' in answer))
    return readResult('listconfigs', answer.result, listconfigsShape).configs[HOLD_EXPIRY_OPTION]?.value_int;
  // lightning-listconfigs(7): a name that no one has registered is a bad parameter.
  if (answer.refusal.code === BAD_PARAMETER) return undefined;
  throw refused('listconfigs', answer.refusal);
}
