import { networkNames } from 'sparkle-protocol/protocol/network';
import {
  addresses,
  databaseUrl,
  host,
  hostAndPort,
  integer,
  keysOrAnyone,
  oneOf,
  origins,
  path,
  port,
  type Reader,
  sats,
  secretText,
  text,
  webUrl,
  yesOrNo,
} from './config-readers.ts';

/** One variable of the environment: how it is read, what holds when it is absent, and what it is for. */
export type Variable<T> = {
  reader: Reader<T>;
  absent: { preset: string } | 'optional' | 'refused';
  about: string;
  /** What came is never repeated. */
  isSecret: boolean;
};

const preset = <T>(reader: Reader<T>, value: string, about: string): Variable<T> => ({
  reader,
  absent: { preset: value },
  about,
  isSecret: false,
});
const optional = <T>(reader: Reader<T>, about: string): Variable<T | undefined> => ({
  reader,
  absent: 'optional',
  about,
  isSecret: false,
});
const required = <T>(reader: Reader<T>, about: string): Variable<T> => ({
  reader,
  absent: 'refused',
  about,
  isSecret: false,
});
const secret = <T>(variable: Variable<T>): Variable<T> => ({ ...variable, isSecret: true });

const perMinute = integer({ min: 1, max: 1_000_000, unit: 'requests per minute' });

/** Every variable there is, in the order in which the documentation shows them. */
export const variables = {
  NETWORK: required(oneOf(networkNames), 'The network that coins, node and index are on. There is no default.'),
  HOST: preset(host, '127.0.0.1', 'Address that the public API listens on.'),
  PORT: preset(port, '8080', 'Port of the public API.'),
  PUBLIC_URL: optional(webUrl, 'Address by which others reach the public API; https but on regtest.'),
  TRUSTED_PROXIES: optional(addresses, "Proxies whose X-Forwarded-For is believed; nobody else's is."),
  CORS_ORIGINS: optional(origins, 'Pages that may call the API from a browser.'),
  ADMIN_HOST: preset(host, '127.0.0.1', 'Address that the admin API listens on.'),
  ADMIN_PORT: preset(port, '8081', 'Port of the admin API.'),
  ADMIN_TOKEN: secret(optional(secretText(32), 'Bearer token of the admin API; without it there is no admin API.')),
  LOG_LEVEL: preset(oneOf(['error', 'warn', 'info', 'debug']), 'info', 'Least severe line that is logged.'),
  DRAIN_SECONDS: preset(integer({ min: 1, max: 600, unit: 'seconds' }), '20', 'Longest a shutdown waits for requests.'),

  DATABASE_URL: secret(preset(databaseUrl, 'sqlite:data/coordinator.sqlite', 'Where trades are kept.')),
  INSTANCE_NAME: optional(text, 'Name of this instance among several on one database; made up when absent.'),
  RESCUE_PHRASE_FILE: preset(path, 'data/rescue-phrase', 'File with the phrase from which all keys are derived.'),

  BITCOIN_RPC_HOST: preset(host, 'localhost', 'Host of the Bitcoin node.'),
  BITCOIN_RPC_PORT: optional(port, 'Port of its RPC; that of the network when absent.'),
  BITCOIN_RPC_USER: optional(text, 'User of its RPC.'),
  BITCOIN_RPC_PASS: secret(optional(text, 'Password of its RPC.')),
  BITCOIN_RPC_COOKIE_FILE: optional(path, "The node's .cookie file, in place of user and password."),
  BITCOIN_WALLET: preset(text, 'sparkle', "Wallet of the node that holds the coordinator's coins."),
  BITCOIN_ZMQ_BLOCKS: optional(text, 'zmqpubrawblock of the node (tcp://host:port); polled when absent.'),
  BITCOIN_ZMQ_TRANSACTIONS: optional(text, 'zmqpubrawtx of the node (tcp://host:port); polled when absent.'),
  ORD_URL: optional(webUrl, 'An ord server; without one inscriptions are traced through the chain itself.'),

  LIGHTNING: optional(
    oneOf(['lnd', 'cln', 'nwc']),
    'The Lightning node; must be given but where LND_MACAROON_PATH is, which means lnd.',
  ),
  LND_HOST: preset(hostAndPort, 'localhost:10009', 'gRPC address of LND.'),
  LND_MACAROON_PATH: optional(path, 'Macaroon for LND; docs/nodes.md says which rights it needs.'),
  LND_CERT_PATH: optional(path, "TLS certificate of LND; the system's authorities when absent."),
  LND_ADMIN_MACAROON: preset(yesOrNo, 'no', 'Accept a macaroon that can do more than is needed.'),
  CLN_URL: optional(webUrl, 'Address of clnrest of Core Lightning.'),
  CLN_RUNE_PATH: optional(path, 'File with the rune for it.'),
  CLN_CA_PATH: optional(path, 'ca.pem of the node.'),
  NWC_CONNECTION_PATH: optional(path, 'File with the connection string of a NIP-47 wallet.'),

  COORDINATOR_FEE_SATS: preset(sats, '1000', 'Fixed part of the market fee of one trade.'),
  MARKET_FEE_BPS: preset(
    integer({ min: 0, max: 10_000, unit: 'basis points' }),
    '0',
    'Part of the price that is market fee.',
  ),
  LIGHTNING_ROYALTIES: preset(
    yesOrNo,
    'no',
    'Pay creators who have named a Lightning address alone: the node must be able to pay.',
  ),
  ROYALTY_ROUTE_FEE_BPS: preset(
    integer({ min: 0, max: 10_000, unit: 'basis points' }),
    '100',
    'Part of such a royalty that the way to its creator may cost the coordinator, and 5 sats more; half of the market fee at most.',
  ),
  LNURL_PRIVATE_ORIGINS: optional(
    origins,
    'Origins in private networks that Lightning addresses may be at; refused on mainnet.',
  ),
  MIN_TRADE_SATS: preset(sats, '10000', 'Smallest price; HTLCs far below are promises and no escrow.'),
  MAX_TRADE_AMOUNT_SATS: preset(sats, '10000000', 'Largest total of one trade.'),
  LISTERS: optional(
    keysOrAnyone,
    'Whose listings are filled with its own coins; nobody’s when absent. Whoever lists for more than a thing is worth, and buys it himself and walks away, has sold it to the coordinator.',
  ),
  CAPITAL_AT_RISK_SATS: preset(
    sats,
    '10000000',
    'Most of its own coins that may be in items for buyers; 0 turns that off.',
  ),
  FORWARD_SATS: preset(
    sats,
    '0',
    'Most sats of buyers’ payments that may be on their way to sellers at one time; 0 turns forwarding off.',
  ),
  MAX_OPEN_HOLDS_PER_BUYER: preset(
    integer({ min: 1, max: 1_000_000, unit: 'payments' }),
    '20',
    'Payments that one buyer may have open or held: one key that was proven, else one address.',
  ),
  MAX_OPEN_TRADES: preset(
    integer({ min: 1, max: 100_000, unit: 'trades' }),
    '10000',
    'Trades that may be open at one time: each has an invoice at the Lightning node.',
  ),
  QUOTE_TTL_SECONDS: preset(integer({ min: 10, max: 900, unit: 'seconds' }), '90', 'How long a quote holds.'),
  MAX_CHAIN_FEE_BPS: preset(
    integer({ min: 1, max: 1_000_000, unit: 'basis points' }),
    '10000',
    'Most that the chain may cost, fill, claim and refund at today’s feerate, as a part of the price; dearer sales wait for cheaper blocks.',
  ),
  MIN_LOCKTIME_BLOCKS: preset(
    integer({ min: 1, max: 171, unit: 'blocks' }),
    '6',
    'Least distance of the refund height from the quote; never below 99.',
  ),

  RATE_QUOTE_PER_MINUTE: preset(perMinute, '120', 'Quotes of one key or address.'),
  RATE_CREATE_PER_MINUTE: preset(perMinute, '30', 'Trades and offers made by one key or address.'),
  RATE_READ_PER_MINUTE: preset(perMinute, '600', 'Reads of one key or address.'),
  RATE_AUTH_PER_MINUTE: preset(perMinute, '30', 'Challenges and logins of one key or address.'),
  IDEMPOTENCY_HOURS: preset(
    integer({ min: 1, max: 720, unit: 'hours' }),
    '24',
    'How long an answer is kept for its Idempotency-Key.',
  ),

  WEBHOOK_URL: optional(webUrl, 'Where alerts for the operator are posted.'),
  WEBHOOK_SECRET: secret(optional(secretText(16), 'Key of the signature of those alerts.')),
  WEBHOOK_PRIVATE_ORIGINS: optional(
    origins,
    'Origins in private networks that webhooks may go to; refused on mainnet.',
  ),
} as const satisfies Readonly<Record<string, Variable<unknown>>>;

export type VariableName = keyof typeof variables;

export type Values = {
  [Name in VariableName]: (typeof variables)[Name] extends Variable<infer T> ? T : never;
};
