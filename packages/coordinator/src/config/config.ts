import { readFileSync, statSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { claimWindowFor } from 'sparkle-protocol/protocol/deadlines';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { shown } from 'sparkle-protocol/protocol/json';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { complaintsOf, lightningTypeOf } from './config-rules.ts';
import { type Values, type Variable, type VariableName, variables } from './config-variables.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export type LightningPlace =
  | {
      type: 'lnd';
      host: string;
      macaroonPath: string;
      certPath: string | undefined;
      adminMacaroon: 'allowed' | 'refused';
    }
  | { type: 'cln'; url: string; runePath: string; caPath: string }
  | { type: 'nwc'; connectionPath: string };

/** Everything an operator decides. Amounts in sats. */
export type Config = {
  network: NetworkName;
  api: {
    host: string;
    port: number;
    publicUrl: string;
    trustedProxies: readonly string[];
    corsOrigins: readonly string[];
  };
  /** `undefined` without a token: then there is no admin API. */
  admin: { host: string; port: number; token: string } | undefined;
  logLevel: Values['LOG_LEVEL'];
  drainSeconds: number;
  /** `sqlite:PATH`, or the address of a PostgreSQL database with its password. */
  databaseUrl: string;
  instanceName: string | undefined;
  rescuePhraseFile: string;
  bitcoin: {
    host: string;
    port: number;
    wallet: string;
    auth: { type: 'password'; user: string; pass: string } | { type: 'cookie'; path: string };
    zmq: { blocks: string | undefined; transactions: string | undefined };
  };
  ordUrl: string | undefined;
  lightning: LightningPlace;
  fees: { fixedSats: bigint; bps: number };
  /** Royalties to Lightning addresses. */
  royalties: { overLightning: boolean; routeFeeBps: number; privateOrigins: readonly string[] };
  /** Whose listings are filled with the coordinator's own coins. */
  listers: readonly string[] | 'anyone';
  limits: {
    minTradeSats: bigint;
    maxTradeSats: bigint;
    capitalAtRiskSats: bigint;
    /** Of buyers' payments that are passed on to sellers, at one time; 0 passes nothing on. */
    forwardSats: bigint;
    maxOpenHoldsPerBuyer: number;
    maxOpenTrades: number;
    quoteTtlSeconds: number;
    /** Most that fill, claim and refund together may cost, as a part of the price. */
    maxChainFeeBps: number;
    /** W of every trade, see `holdFirstHeights`. */
    claimWindowBlocks: number;
  };
  ratesPerMinute: { quote: number; create: number; read: number; auth: number };
  idempotencySeconds: number;
  alerts: { url: string; secret: string } | undefined;
  webhookPrivateOrigins: readonly string[];
};

/** Ports of Bitcoin Core's RPC (chainparamsbase.cpp). */
const RPC_PORTS: Readonly<Record<NetworkName, number>> = {
  mainnet: 8332,
  testnet: 18_332,
  testnet4: 48_332,
  signet: 38_332,
  regtest: 18_443,
};

function complaint(name: string, { reader, isSecret }: Variable<unknown>, came: string | undefined): string {
  const what = came === undefined ? 'nothing' : isSecret ? 'something else, which is not shown' : shown(came);
  return `${name} must be ${reader.expected}; got ${what}`;
}

/** What the variables hold, or why they cannot. A variable that is empty counts as absent, as in every `.env` file. */
function readValues(env: Env): { values: Partial<Values>; complaints: string[] } {
  const values: Record<string, unknown> = {};
  const complaints: string[] = [];
  for (const [name, variable] of Object.entries(variables) as [VariableName, Variable<unknown>][]) {
    const { absent, reader } = variable;
    const came = env[name] === '' ? undefined : env[name];
    const text = came ?? (typeof absent === 'object' ? absent.preset : undefined);
    const value = text === undefined ? undefined : reader.read(text);
    if (value === undefined && (text !== undefined || absent === 'refused'))
      complaints.push(complaint(name, variable, text));
    else values[name] = value;
  }
  return { values, complaints };
}

const badConfig = (complaints: readonly string[]): SparkleError =>
  new SparkleError('bad_config', `the configuration must be changed:\n- ${complaints.join('\n- ')}`, { complaints });

/**
 * Reads the configuration. Throws one `bad_config` that names every variable which is missing, wrong, or contradicts
 * another, with what was expected and what came; a secret is never repeated.
 */
export function readConfig(env: Env): Config {
  const { values, complaints } = readValues(env);
  const all = [...complaints, ...complaintsOf(values)];
  if (all.length > 0) throw badConfig(all);
  return configOf(values as Values);
}

function configOf(values: Values): Config {
  return {
    network: values.NETWORK,
    ...serviceOf(values),
    ...partsOf(values),
    fees: { fixedSats: values.COORDINATOR_FEE_SATS, bps: values.MARKET_FEE_BPS },
    royalties: {
      overLightning: values.LIGHTNING_ROYALTIES,
      routeFeeBps: values.ROYALTY_ROUTE_FEE_BPS,
      privateOrigins: values.LNURL_PRIVATE_ORIGINS ?? [],
    },
    listers: values.LISTERS ?? [],
    limits: {
      minTradeSats: values.MIN_TRADE_SATS,
      maxTradeSats: values.MAX_TRADE_AMOUNT_SATS,
      capitalAtRiskSats: values.CAPITAL_AT_RISK_SATS,
      forwardSats: values.FORWARD_SATS,
      maxOpenHoldsPerBuyer: values.MAX_OPEN_HOLDS_PER_BUYER,
      maxOpenTrades: values.MAX_OPEN_TRADES,
      quoteTtlSeconds: values.QUOTE_TTL_SECONDS,
      maxChainFeeBps: values.MAX_CHAIN_FEE_BPS,
      claimWindowBlocks: claimWindowFor({ leastDistance: values.MIN_LOCKTIME_BLOCKS }),
    },
    ratesPerMinute: {
      quote: values.RATE_QUOTE_PER_MINUTE,
      create: values.RATE_CREATE_PER_MINUTE,
      read: values.RATE_READ_PER_MINUTE,
      auth: values.RATE_AUTH_PER_MINUTE,
    },
    idempotencySeconds: values.IDEMPOTENCY_HOURS * 3600,
    webhookPrivateOrigins: values.WEBHOOK_PRIVATE_ORIGINS ?? [],
  };
}

type ServicePart = 'api' | 'admin' | 'alerts' | 'logLevel' | 'drainSeconds';

function serviceOf(values: Values): Pick<Config, ServicePart> {
  const { HOST, PORT, ADMIN_TOKEN, WEBHOOK_URL, WEBHOOK_SECRET } = values;
  return {
    api: {
      host: HOST,
      port: PORT,
      publicUrl: values.PUBLIC_URL ?? `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${PORT}`,
      trustedProxies: values.TRUSTED_PROXIES ?? [],
      corsOrigins: values.CORS_ORIGINS ?? [],
    },
    admin:
      ADMIN_TOKEN === undefined ? undefined : { host: values.ADMIN_HOST, port: values.ADMIN_PORT, token: ADMIN_TOKEN },
    alerts:
      WEBHOOK_URL === undefined || WEBHOOK_SECRET === undefined
        ? undefined
        : { url: WEBHOOK_URL, secret: WEBHOOK_SECRET },
    logLevel: values.LOG_LEVEL,
    drainSeconds: values.DRAIN_SECONDS,
  };
}

type OwnPart = 'databaseUrl' | 'instanceName' | 'rescuePhraseFile' | 'bitcoin' | 'ordUrl' | 'lightning';

function partsOf(values: Values): Pick<Config, OwnPart> {
  const { BITCOIN_RPC_COOKIE_FILE: cookie, BITCOIN_RPC_USER: user = '', BITCOIN_RPC_PASS: pass = '' } = values;
  return {
    databaseUrl: values.DATABASE_URL,
    instanceName: values.INSTANCE_NAME,
    rescuePhraseFile: values.RESCUE_PHRASE_FILE,
    bitcoin: {
      host: values.BITCOIN_RPC_HOST,
      port: values.BITCOIN_RPC_PORT ?? RPC_PORTS[values.NETWORK],
      wallet: values.BITCOIN_WALLET,
      auth: cookie === undefined ? { type: 'password', user, pass } : { type: 'cookie', path: cookie },
      zmq: { blocks: values.BITCOIN_ZMQ_BLOCKS, transactions: values.BITCOIN_ZMQ_TRANSACTIONS },
    },
    ordUrl: values.ORD_URL,
    lightning: lightningOf(values),
  };
}

/** The rules have seen to it that what the chosen node needs is there. */
function lightningOf(values: Values): LightningPlace {
  const { LND_MACAROON_PATH, LND_CERT_PATH, LND_HOST, CLN_URL, CLN_RUNE_PATH, CLN_CA_PATH, NWC_CONNECTION_PATH } =
    values;
  switch (lightningTypeOf(values)) {
    case 'lnd':
      return {
        type: 'lnd',
        host: LND_HOST,
        macaroonPath: LND_MACAROON_PATH ?? '',
        certPath: LND_CERT_PATH,
        adminMacaroon: values.LND_ADMIN_MACAROON ? 'allowed' : 'refused',
      };
    case 'cln':
      return { type: 'cln', url: CLN_URL ?? '', runePath: CLN_RUNE_PATH ?? '', caPath: CLN_CA_PATH ?? '' };
    case 'nwc':
      return { type: 'nwc', connectionPath: NWC_CONNECTION_PATH ?? '' };
    case undefined:
      throw badConfig(['LIGHTNING must be given; got nothing']);
  }
}

/** The variables of a `.env` file; those of the process, where given, count more. Throws `bad_config`. */
export function withEnvFile({ path, env }: { path: string; env: Env }): Env {
  let file: Env;
  try {
    file = parseEnv(readFileSync(path, 'utf8')) as Env;
  } catch (cause) {
    throw new SparkleError('bad_config', `${path} must be a readable .env file; it is not`, { path }, { cause });
  }
  return { ...file, ...env };
}

/** So long is no secret: whoever names a database or a device by mistake is told, and it is not read. */
const MOST_SECRET_BYTES = 65_536;

function secretIn(name: string, path: string): { text: string } | { complaint: string } {
  const wrong = (came: string) => ({
    complaint: `${name}_FILE must name a readable file with one secret; ${path} ${came}`,
  });
  try {
    const { size } = statSync(path);
    if (size > MOST_SECRET_BYTES) return wrong(`has ${size} bytes`);
    // An editor ends the line, and the secret does not have that end.
    return { text: readFileSync(path, 'utf8').replace(/\r?\n$/, '') };
  } catch (error) {
    return wrong(`cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/**
 * The same with each secret that is given as a file: `NAME_FILE` names it, as containers and systemd hand secrets over.
 * Throws one `bad_config` that names every file which cannot be read, and every secret that is given twice.
 */
export function withSecretFiles(env: Env): Env {
  const complaints: string[] = [];
  const found: Record<string, string> = {};
  for (const [name, { isSecret }] of Object.entries(variables) as [VariableName, Variable<unknown>][]) {
    const path = env[`${name}_FILE`] ?? '';
    if (!isSecret || path === '') continue;
    const secret = secretIn(name, path);
    if (env[name] !== undefined && env[name] !== '')
      complaints.push(`${name} must be given as itself or as ${name}_FILE; got both`);
    else if ('complaint' in secret) complaints.push(secret.complaint);
    else found[name] = secret.text;
  }
  if (complaints.length > 0) throw badConfig(complaints);
  return { ...env, ...found };
}

const presetOf = ({ absent }: Variable<unknown>): string =>
  absent === 'refused' ? 'must be given' : absent === 'optional' ? '' : `\`${absent.preset}\``;

const fileOf = (name: string, { isSecret }: Variable<unknown>): string =>
  isSecret ? ` \`${name}_FILE\` may name a file with it instead.` : '';

/** The table of all variables for the documentation, in Markdown. */
export function configTable(): string {
  const rows = Object.entries(variables).map(
    ([name, variable]) =>
      `| \`${name}\` | ${presetOf(variable)} | ${variable.about} Expected: ${variable.reader.expected}.${fileOf(name, variable)} |`,
  );
  return ['| variable | default | what it is |', '|---|---|---|', ...rows].join('\n');
}

/** The file that an operator copies to `.env`: every variable with what it is, those with a default commented out. */
export function envExample(): string {
  const parts = Object.entries(variables).map(([name, { about, reader, absent }]: [string, Variable<unknown>]) => {
    const line = absent === 'refused' ? `${name}=` : `#${name}=${absent === 'optional' ? '' : absent.preset}`;
    return `# ${about}\n# Expected: ${reader.expected}.\n${line}\n`;
  });
  return `# Copy this file to .env. An empty variable is an absent one.\n\n${parts.join('\n')}`;
}
