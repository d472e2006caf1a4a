import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { SparkleError } from '../protocol/errors.ts';
import { checkedAddresses, type Resolve, unanswered } from './lnurl-guard.ts';
import { readText } from './http-answer.ts';

export type GetOptions = {
  /** Origins that may be private: `https://host:port`. */
  allowedOrigins: readonly string[];
  resolve: Resolve;
  /** A certificate authority of one's own, in place of those of the system. */
  ca: string | undefined;
  /** What is done where a service leads on to another address. */
  redirects: 'followed' | 'refused';
  timeoutMilliseconds: number;
};

const answerLimit = { maxBytes: 64 * 1024, tooLong: (said: string) => unanswered('too_large', said) };
const MOST_REDIRECTS = 3;
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * JSON from a URL that a stranger gave, within `timeoutMilliseconds` in all and 64 kB. Status and headers mean nothing
 * (LUD-01) but for redirects, each of which is checked as the first URL was. Throws `lightning_unavailable`.
 */
export async function getJson(url: URL, options: GetOptions): Promise<unknown> {
  const limit = AbortSignal.timeout(options.timeoutMilliseconds);
  const late = new Promise<never>((_, reject) => {
    limit.addEventListener('abort', () => reject(unanswered('timeout_unknown', 'it has not in time')));
  });
  const text = await Promise.race([follow(url, options, limit), late]);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw unanswered('garbage', 'its answer is not JSON');
  }
}

async function follow(first: URL, options: GetOptions, limit: AbortSignal): Promise<string> {
  let url = first;
  for (let hop = 0; hop <= MOST_REDIRECTS; hop += 1) {
    const addresses = await checkedAddresses({ url, ...options });
    const answer = await get({ url, addresses, ca: options.ca, limit });
    if (typeof answer === 'string') return answer;
    if (options.redirects === 'refused') throw unanswered('redirected', 'it leads on to another address');
    if (!URL.canParse(answer.location, url.href)) throw unanswered('garbage', 'it leads on to what is no address');
    url = new URL(answer.location, url);
  }
  throw unanswered('garbage', `it leads on more than ${MOST_REDIRECTS} times`);
}

type Get = { url: URL; addresses: readonly string[]; ca: string | undefined; limit: AbortSignal };

async function get({ url, addresses, ca, limit }: Get): Promise<string | { location: string }> {
  try {
    const response = await respond({ url, addresses, ca, limit });
    const { location } = response.headers;
    if (REDIRECTS.includes(response.statusCode ?? 0) && location !== undefined) {
      response.destroy();
      return { location };
    }
    return await readText(response, answerLimit);
  } catch (error) {
    if (error instanceof SparkleError) throw error;
    throw unanswered('unreachable', `it cannot be reached at ${url.host}`);
  }
}

function respond({ url, addresses, ca, limit }: Get): Promise<IncomingMessage> {
  const headers = { accept: 'application/json', 'accept-encoding': 'identity' };
  return new Promise((resolve, reject) => {
    // No agent: a connection that was kept would go to an address that was checked for another request.
    const options = { agent: false, headers, signal: limit, lookup: onlyTo(addresses) } as const;
    const request = httpsRequest(url, ca === undefined ? options : { ...options, ca }, resolve);
    request.on('error', reject);
    request.end();
  });
}

/** For a connection's `lookup`: the name is not asked for again, it goes to an address that was checked. */
export const onlyTo =
  (addresses: readonly string[]): LookupFunction =>
  (_host, options, answer) => {
    const all = addresses.map((address) => ({ address, family: isIP(address) }));
    const [first] = all;
    if (options.all === true) answer(null, all);
    else answer(null, first?.address ?? '', first?.family);
  };
