/**
 * Names of what must never be repeated to anyone, in a log or in an answer, whatever holds it: the preimage settles a
 * payment, all others open something.
 */
export const secretNames = [
  'authorization',
  'cookie',
  'set-cookie',
  'preimage',
  'payment_preimage',
  'paymentPreimage',
  'macaroon',
  'rune',
  'nwc',
  'phrase',
  'mnemonic',
  'seed',
  'secret',
  'password',
  'pass',
  'token',
  'trade_token',
  'access_token',
  'admin_token',
  'accessToken',
  'adminToken',
] as const;

const SECRET_NAME = /preimage|macaroon|nwc|phrase|mnemonic|secret|passw|token|authorization|cookie|api_?key/i;

/** Whether a field of this name, or of a name that contains one of those, may hold a secret. */
export const isSecretName = (name: string): boolean =>
  SECRET_NAME.test(name) || (secretNames as readonly string[]).includes(name.toLowerCase());
