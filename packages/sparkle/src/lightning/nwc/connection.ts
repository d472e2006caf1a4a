import { hex } from '@scure/base';
import { SparkleError } from '../../protocol/errors.ts';
import { Conversation } from './conversation.ts';

const SCHEME = 'nostr+walletconnect://';
const MAX_RELAYS = 8;
const MAX_LENGTH = 4096;

/** What a connection string says. The secret is inside `conversation` and comes out nowhere. */
export type NwcConnection = {
  conversation: Conversation;
  relays: readonly string[];
  /** A Lightning address of the wallet, where it names one. */
  lud16?: string;
};

// The text is a credential: what was wrong with it is said without repeating any of it.
const refuse = (field: string, expected: string): never => {
  throw new SparkleError('bad_config', `the wallet connection: ${field} must be ${expected}`, { field });
};

/**
 * Reads a NIP-47 connection string. Throws `bad_config` naming the field, never repeating what came: whoever has the
 * string can spend. Parameters that the NIP does not name change nothing and are passed over.
 */
export function parseConnection(text: string): NwcConnection {
  if (text.length > MAX_LENGTH) return refuse('the text', `at most ${MAX_LENGTH} characters`);
  const [, walletPubkey = '', query = ''] = /^nostr\+walletconnect:\/\/([0-9a-f]{64})\/?\?([!-~]+)$/.exec(text) ?? [];
  if (walletPubkey === '') return refuse('the text', `${SCHEME}<64 lowercase hex characters>?relay=...&secret=...`);
  const parameters = new URLSearchParams(query);
  const [secret = '', ...more] = parameters.getAll('secret');
  if (!/^[0-9a-f]{64}$/.test(secret) || more.length > 0)
    return refuse('secret', 'given once, 64 lowercase hex characters');
  const lud16 = parameters.get('lud16');
  return {
    conversation: conversationOf({ secret, walletPubkey }),
    relays: readRelays(parameters.getAll('relay')),
    ...(lud16 === null || lud16 === '' ? {} : { lud16 }),
  };
}

function conversationOf({ secret, walletPubkey }: { secret: string; walletPubkey: string }): Conversation {
  try {
    return new Conversation({ secretKey: hex.decode(secret), peer: walletPubkey });
  } catch {
    return refuse('secret and wallet key', 'keys on the curve');
  }
}

/** Relay addresses, each once. Throws `bad_config`. */
export function readRelays(texts: readonly string[]): readonly string[] {
  const relays = [...new Set(texts.map(readRelay))];
  if (relays.length === 0 || relays.length > MAX_RELAYS) refuse('relay', `given 1 to ${MAX_RELAYS} times`);
  return relays;
}

function readRelay(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['ws:', 'wss:'].includes(url.protocol) || url.hostname === '')
    return refuse('relay', 'a ws:// or wss:// address');
  // Names and passwords in an address end up in logs.
  if (url.username !== '' || url.password !== '' || url.hash !== '') refuse('relay', 'without a user, password or #');
  return url.toString();
}

/** Writes the string that a wallet hands to one client. It is a credential: show it once, seal it, never log it. */
export function writeConnection(of: {
  walletPubkey: string;
  clientSecret: Uint8Array;
  relays: readonly string[];
}): string {
  const relays = of.relays.map((relay) => `relay=${encodeURIComponent(relay)}`).join('&');
  return `${SCHEME}${of.walletPubkey}?${relays}&secret=${hex.encode(of.clientSecret)}`;
}
