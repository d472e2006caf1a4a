import { bech32, utf8 } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';

/** Where to ask, and for a Lightning address the name that the service must answer for. */
export type LnurlTarget = { url: URL; identifier: string | undefined };

/** LUD-01 sets no limit; a URL that is longer than this is no payee. */
const MAX_LNURL_CHARACTERS = 2000;
/** LUD-16: `a-z0-9-_.`, and `+` for a tag. */
const NAME = /^[a-z0-9._-]+(?:\+[a-z0-9._+-]+)?$/;
/** RFC 1123, and a port for services of one's own. */
const DOMAIN = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?$/;

/**
 * A Lightning address (`alice@example.com`, LUD-16), a UMA address (`$alice@example.com`, resolved by the plain LUD-16
 * request) or a bech32 LNURL (LUD-01), each with or without `lightning:`. Throws `bad_config`.
 */
export function readLnurlTarget(text: string): LnurlTarget {
  const bare = text.trim().replace(/^lightning:/i, '');
  return bare.includes('@') ? ofAddress(bare) : { url: ofBech32(bare), identifier: undefined };
}

function ofAddress(text: string): LnurlTarget {
  // UMA: the dollar sign marks the address, it is no part of the name.
  const address = text.toLowerCase().replace(/^\$/, '');
  const [name, domain, ...more] = address.split('@');
  if (name === undefined || domain === undefined || more.length > 0 || !NAME.test(name) || !DOMAIN.test(domain))
    throw refusal('a Lightning address must read name@domain, as LUD-16 has it');
  const request = `https://${domain}/.well-known/lnurlp/${name}`;
  if (!URL.canParse(request)) throw refusal('the domain of the Lightning address is none');
  const url = new URL(request);
  return { url, identifier: `${name.replace(/\+.*$/, '')}@${url.hostname}` };
}

function ofBech32(text: string): URL {
  const url = decoded(text);
  if (url !== undefined && URL.canParse(url)) return new URL(url);
  throw refusal('a payee must be a Lightning address or a bech32 LNURL that holds a URL');
}

function decoded(text: string): string | undefined {
  try {
    const { prefix, words } = bech32.decode(text as `${string}1${string}`, MAX_LNURL_CHARACTERS);
    return prefix === 'lnurl' ? utf8.encode(bech32.fromWords(words)) : undefined;
  } catch {
    return undefined;
  }
}

const refusal = (sentence: string): SparkleError => new SparkleError('bad_config', sentence, { field: 'to' });
