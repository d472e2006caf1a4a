import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import { systemClock } from '../trader/clock.ts';
import { coordinatorMarket, type CoordinatorMarketOptions, coordinatorTiming } from './coordinator.ts';

export const secret = sha256(utf8.decode('alice'));
export const alice = hex.encode(schnorr.getPublicKey(secret));
export const bob = hex.encode(schnorr.getPublicKey(sha256(utf8.decode('bob'))));
export const sign = (digest: Uint8Array): Uint8Array => schnorr.sign(digest, secret, new Uint8Array(32));
export const TOKEN = 'ab'.repeat(32);
export const CHALLENGE = 'cd'.repeat(32);
export const timing = {
  ...coordinatorTiming,
  ...{ answerMilliseconds: 2_000, readyMilliseconds: 500, pingMilliseconds: 40, ackMilliseconds: 1 },
  ...{ firstRetryMilliseconds: 1, lastRetryMilliseconds: 5, pollSeconds: 0 },
};

export type Asked = { method: string; path: string; body: unknown; authorization: string | null };
export type Said = { status?: number; json?: unknown; text?: string };

/** A coordinator that says what a test wants; a login it answers by itself unless the test does. */
export function paper(answer: (asked: Asked) => Said | undefined) {
  const asked: Asked[] = [];
  const fetch = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { pathname, search } = new URL(String(url as string));
    const body: unknown = init.body === undefined ? undefined : JSON.parse(String(init.body as string));
    const authorization = new Headers(init.headers).get('authorization');
    const one = { method: init.method ?? 'GET', path: `${pathname}${search}`, body, authorization };
    asked.push(one);
    const said = answer(one) ?? login(one) ?? { status: 404, json: { error: 'not_found', message: 'no such path' } };
    return new Response(said.text ?? JSON.stringify(said.json), { status: said.status ?? 200 });
  };
  return { asked, fetch };
}

export function login({ path }: Asked): Said | undefined {
  if (path === '/v1/auth/challenge') return { json: { challenge: CHALLENGE, expires_at: 1 } };
  if (path === '/v1/auth/session') return { json: { token: TOKEN, expires_at: 1 } };
  return undefined;
}

export function market(fetch: typeof globalThis.fetch, change: Partial<CoordinatorMarketOptions> = {}) {
  const options = { url: 'https://market.example', network: 'regtest', signer: { publicKey: alice, sign } } as const;
  return coordinatorMarket({ ...options, clock: systemClock(), timing, fetch, ...change });
}
