import type { Values, VariableName } from './config-variables.ts';

/** Variables that were wrong by themselves are left out: they were complained about already. */
type Read = Partial<Values>;

/** The seed's `.env` names LND and no kind: where a macaroon is given, LND is meant. */
export const lightningTypeOf = ({ LIGHTNING, LND_MACAROON_PATH }: Read): 'lnd' | 'cln' | 'nwc' | undefined =>
  LIGHTNING ?? (LND_MACAROON_PATH === undefined ? undefined : 'lnd');

const NEEDED_BY = {
  lnd: ['LND_MACAROON_PATH'],
  cln: ['CLN_URL', 'CLN_RUNE_PATH', 'CLN_CA_PATH'],
  nwc: ['NWC_CONNECTION_PATH'],
} as const satisfies Record<string, readonly VariableName[]>;

const missing = (values: Read, name: VariableName): boolean => name in values && values[name] === undefined;

function lightningRules(values: Read): string[] {
  const type = lightningTypeOf(values);
  if (type === undefined)
    return missing(values, 'LIGHTNING') && missing(values, 'LND_MACAROON_PATH')
      ? ['LIGHTNING must be lnd, cln or nwc, or LND_MACAROON_PATH be given; got nothing']
      : [];
  return NEEDED_BY[type]
    .filter((name) => missing(values, name))
    .map((name) => `${name} must be given with LIGHTNING=${type}; got nothing`);
}

function bitcoinRules(values: Read): string[] {
  const { BITCOIN_RPC_COOKIE_FILE: cookie, BITCOIN_RPC_USER: user } = values;
  const hasPassword = user !== undefined && !missing(values, 'BITCOIN_RPC_PASS');
  const hasNeither = user === undefined && missing(values, 'BITCOIN_RPC_PASS');
  if (cookie !== undefined && hasNeither) return [];
  if (cookie === undefined && hasPassword) return [];
  if (!('BITCOIN_RPC_USER' in values)) return [];
  const came = cookie === undefined ? (hasNeither ? 'nothing' : 'one of the two') : 'both';
  return [`BITCOIN_RPC_USER and BITCOIN_RPC_PASS, or else BITCOIN_RPC_COOKIE_FILE, must be given; got ${came}`];
}

function moneyRules({ MIN_TRADE_SATS: least, MAX_TRADE_AMOUNT_SATS: most }: Read): string[] {
  if (least === undefined || most === undefined) return [];
  if (least === 0n) return ['MIN_TRADE_SATS must be above 0; got 0'];
  return least <= most ? [] : [`MAX_TRADE_AMOUNT_SATS must be at least MIN_TRADE_SATS, ${least}; got ${most}`];
}

/** With a stranger's price and a stranger's payment that returns, anybody could empty the wallet. */
const listerRules = ({ NETWORK, LISTERS }: Read): string[] =>
  NETWORK === 'mainnet' && LISTERS === 'anyone'
    ? ['LISTERS must be keys on mainnet, since whoever lists names a price that the coordinator pays; got anyone']
    : [];

function addressRules(values: Read): string[] {
  const { NETWORK, PUBLIC_URL, HOST, PORT, ADMIN_HOST, ADMIN_PORT, ADMIN_TOKEN } = values;
  const complaints: string[] = [];
  if (NETWORK === 'mainnet' && missing(values, 'PUBLIC_URL'))
    complaints.push('PUBLIC_URL must be given on mainnet; got nothing');
  // A preimage, a token and an address to pay to cross this connection. An onion service is encrypted by itself.
  if (
    NETWORK !== 'regtest' &&
    PUBLIC_URL?.startsWith('http:') === true &&
    !new URL(PUBLIC_URL).hostname.endsWith('.onion')
  )
    complaints.push(`PUBLIC_URL must begin with https:// on ${NETWORK ?? 'this network'}; got ${PUBLIC_URL}`);
  if (ADMIN_TOKEN !== undefined && PORT !== undefined && PORT === ADMIN_PORT && HOST === ADMIN_HOST)
    complaints.push(`ADMIN_PORT must be another than PORT; got ${ADMIN_PORT} for both`);
  return complaints;
}

function webhookRules(values: Read): string[] {
  const complaints: string[] = [];
  if (values.WEBHOOK_URL !== undefined && missing(values, 'WEBHOOK_SECRET'))
    complaints.push('WEBHOOK_SECRET must be given with WEBHOOK_URL; got nothing');
  if (values.NETWORK === 'mainnet' && values.WEBHOOK_PRIVATE_ORIGINS !== undefined)
    complaints.push('WEBHOOK_PRIVATE_ORIGINS must be absent on mainnet, where callers could reach into that network');
  if (values.NETWORK === 'mainnet' && values.LNURL_PRIVATE_ORIGINS !== undefined)
    complaints.push('LNURL_PRIVATE_ORIGINS must be absent on mainnet, where creators could reach into that network');
  return complaints;
}

/** What two variables contradict each other in, one sentence each. */
export const complaintsOf = (values: Read): string[] => [
  ...bitcoinRules(values),
  ...lightningRules(values),
  ...moneyRules(values),
  ...addressRules(values),
  ...listerRules(values),
  ...webhookRules(values),
];
