import { encodeInvoice } from '../../protocol/bolt11.ts';
import { sha256Of } from '../bench.suite.ts';
import { lndOver, type LndNode } from './node.ts';
import type { LndServices } from './rpc.ts';

/** Generator of secp256k1: the node whose secret key is 1. */
export const NODE_ID = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';
const NODE_KEY = new Uint8Array(32).fill(0).with(31, 1);
export const PREIMAGE = sha256Of('00');
export const HASH = sha256Of(PREIMAGE);
export const OTHER_HASH = sha256Of('01');
export const NOW_SECONDS = 1_700_000_000;
export const TERMS = { amountMsat: 7_000_001n, finalCltv: 40, expirySeconds: 3600, description: 'one item' };

export type Answer = object | Error | ((request: Record<string, unknown>) => object);

export const written = (change: Partial<Parameters<typeof encodeInvoice>[0]> = {}, key = NODE_KEY): string =>
  encodeInvoice(
    {
      ...{ network: 'regtest', amountMsat: TERMS.amountMsat, timestampSeconds: NOW_SECONDS, payeeSource: 'recovered' },
      ...{ paymentHash: HASH, paymentSecret: OTHER_HASH, description: TERMS.description, expirySeconds: 3600 },
      ...{ minFinalCltv: TERMS.finalCltv, features: [8, 14], routeHints: [], fallbacks: [] },
      ...change,
    } as Parameters<typeof encodeInvoice>[0],
    key,
  );

export const failure = (code: number, details: string): Error => Object.assign(new Error(details), { code, details });

export const INFO = { identity_pubkey: NODE_ID, version: '0.21.0-beta', chains: [{ network: 'regtest' }] };
export const DENIED = failure(2, 'permission denied');

/** A stream as grpc-js makes them, whose messages come in the next turn. */
function streamOf(messages: readonly Answer[]) {
  const listeners = new Map<string, (value?: unknown) => void>();
  queueMicrotask(() => {
    for (const message of messages)
      if (message instanceof Error) listeners.get('error')?.(message);
      else listeners.get('data')?.(message);
  });
  return { on: (event: string, listener: () => void) => listeners.set(event, listener), cancel: () => undefined };
}

/** An LND that gives these answers: to a call one, to a stream a list of messages. */
export function lndThatSays(answers: Record<string, Answer | readonly Answer[]>): { node: LndNode; asked: object[] } {
  const asked: object[] = [];
  const all: Record<string, Answer | readonly Answer[]> = {
    ...{ getInfo: INFO, checkMacaroonPermissions: DENIED, listChannels: { channels: [] } },
    ...answers,
  };
  const service = new Proxy(
    {},
    {
      get:
        (_, name: string) =>
        (request: Record<string, unknown>, __: object, done?: (e: unknown, a?: unknown) => void) => {
          asked.push({ name, ...request });
          const said = all[name] ?? failure(2, `nobody expected ${name}`);
          if (done === undefined) return streamOf(said as readonly Answer[]);
          const answer = typeof said === 'function' ? said(request) : said;
          return answer instanceof Error ? done(answer) : done(null, answer);
        },
    },
  );
  const services: LndServices = { default: service, invoices: service, router: service };
  const link = { open: async () => ({ services, close: () => undefined }), isReachable: async () => true };
  const options = {
    access: { socket: 'localhost:1', macaroon: { hex: '00' } },
    ...{ uses: ['receive', 'pay'] as const, adminMacaroon: 'refused' as const, holdExpiryMarginBlocks: 18 },
    ...{ privateChannels: 'named' as const, nowMilliseconds: () => NOW_SECONDS * 1000, warn: () => undefined },
  };
  const below = { link, macaroon: async () => new Uint8Array(40), patienceMilliseconds: 1_000 };
  return { node: lndOver(options, below), asked };
}

export const bytes = (hexText: string): Buffer => Buffer.from(hexText, 'hex');
export const htlc = (change: object) => ({
  ...{ chan_id: '1', htlc_index: '0' },
  amt_msat: '1000',
  expiry_height: 900,
  state: 'ACCEPTED',
  ...change,
});
export const channelOf = (change: object) => ({
  ...{ chan_id: '1', alias_scids: [], zero_conf_confirmed_scid: '0', pending_htlcs: [], ...change },
});
/** A channel as far as `balance.ts` reads it. */
export const fundedChannel = (change: object) => ({
  ...{ active: true, local_balance: '4001', commit_fee: '0', fee_per_kw: '0', initiator: false },
  ...{ local_constraints: { chan_reserve_sat: '0' }, ...change },
});
export const pending = (change: object) => ({ incoming: true, hash_lock: bytes(HASH), htlc_index: '0', ...change });
export const invoiceOf = (change: object) => ({
  ...{ payment_request: written(), r_hash: bytes(HASH), r_preimage: bytes(''), state: 'OPEN' },
  ...{ amt_paid_msat: '0', htlcs: [], ...change },
});
export const paymentOf = (change: object) => ({
  ...{ payment_hash: HASH, payment_preimage: '0'.repeat(64), status: 'IN_FLIGHT', fee_msat: '0' },
  ...{ failure_reason: 'FAILURE_REASON_NONE', htlcs: [], ...change },
});
/** An invoice of somebody else. */
export const PAYABLE = (change = {}): string => written(change, new Uint8Array(32).fill(5));
export const order = (bolt11 = PAYABLE()) => ({ bolt11, maxFeeMsat: 5n, maxCltvBlocks: 77, timeoutSeconds: 30 });
export const inFlight = (height: number, status = 'IN_FLIGHT') => ({ status, route: { total_time_lock: height } });
