import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import type { FastifyInstance } from 'fastify';
import { finalizeEvent } from 'nostr-tools/pure';
import { pino } from 'pino';
import type { CoordinatorSigner } from 'sparkle-protocol/market/coordinator-http';
import { authDigest, offerDigest } from 'sparkle-protocol/market/coordinator-signing';
import type { OfferWire } from 'sparkle-protocol/market/coordinator-wire';
import { type Clock, systemClock } from 'sparkle-protocol/trader/clock';
import { type Log, silentLog } from 'sparkle-protocol/trader/log';
import { freePorts } from '../../../../scripts/ports.mjs';
import { Auth, authLimits } from '../access/auth.ts';
import { type AppParts, createApp } from '../api/app.ts';
import { type SocketLimits, socketLimits } from '../api/socket.ts';
import { type Database, openDatabase } from '../database/database.ts';
import { Hub, type HubOptions } from './hub.ts';
import { mailLimits } from './hub-mail.ts';
import { offerLimits } from './hub-offers.ts';
import { noPressureLimits } from '../http/limits.ts';
import type { TradeFeed } from '../news/feed.ts';

export const network = 'regtest';

export type Person = { secret: Uint8Array; public: string };

/** A key that is the same in every run. */
export function person(name: string): Person {
  const secret = sha256(utf8.decode(name));
  return { secret, public: hex.encode(schnorr.getPublicKey(secret)) };
}

export const signerOf = ({ secret, public: publicKey }: Person): CoordinatorSigner => ({
  publicKey,
  sign: (digest) => schnorr.sign(digest, secret, new Uint8Array(32)),
});

export function offerBy(seller: Person, change: Partial<OfferWire> = {}): OfferWire {
  const offer = {
    ...{ id: 'one', seller: seller.public, network: 'regtest' as const, inscription_id: `${'1d'.repeat(32)}i0` },
    ...{ price_sats: 50_000, modes: ['hold-first' as const], expires_at: 4_000_000_000 },
    ...change,
  };
  return { ...offer, sig: hex.encode(schnorr.sign(offerDigest(offer), seller.secret, new Uint8Array(32))) };
}

/** A clock that stands still until it is told otherwise; timers run in real time. */
export function handClock(nowSeconds: number): Clock & { now: number } {
  const real = systemClock();
  const clock = { ...real, now: nowSeconds, nowSeconds: () => clock.now };
  return clock;
}

const MANY = 1_000_000;
const ratesPerMinute = { quote: MANY, create: MANY, read: MANY, auth: MANY };
let requests = 0;
const nameOfRequest = (): string => `request-${(requests += 1)}`;
/** For a part that no request of a test reaches. */
export const nothing = <Part>(): Part => ({}) as Part;

export type ServiceChange = {
  limits?: Partial<HubOptions['limits']>;
  sockets?: Partial<SocketLimits>;
  clock?: Clock;
  feed?: TradeFeed;
  trustedProxies?: string[];
  /** What the hub logs. */
  log?: Log;
  /** Another database than a file of its own. */
  databaseUrl?: string;
};

/** A listening coordinator that only passes letters and shows offers, on a file of its own; it can be stopped and started. */
export class Service {
  readonly folder = mkdtempSync(join(tmpdir(), 'sparkle-hub-'));
  readonly clock: Clock;
  readonly log: Log;
  readonly #change: ServiceChange;
  readonly #port: number;
  app!: FastifyInstance;
  auth!: Auth;
  hub!: Hub;
  database!: Database;

  private constructor(port: number, change: ServiceChange) {
    this.#port = port;
    this.#change = change;
    this.clock = change.clock ?? systemClock();
    this.log = change.log ?? silentLog;
  }

  static async start(change: ServiceChange = {}): Promise<Service> {
    const service = new Service((await freePorts(1))[0] ?? 0, change);
    await service.begin();
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  async begin(): Promise<void> {
    const { clock } = this;
    const { limits, sockets, feed, trustedProxies = [] } = this.#change;
    const { databaseUrl: url = `sqlite:${join(this.folder, 'hub.db')}` } = this.#change;
    const database = await openDatabase({ url, network });
    const hub = new Hub({
      database,
      clock,
      network,
      log: this.log,
      limits: { ...mailLimits, ...offerLimits, ...limits },
    });
    const auth = new Auth({ ...authLimits, database, clock, publicUrl: this.url });
    const api = { host: '127.0.0.1', port: this.#port, publicUrl: this.url, trustedProxies, corsOrigins: [] };
    const app = await createApp({
      ...{ database, clock, hub, auth, feed, version: '2.0.0', newId: nameOfRequest, log: pino({ level: 'silent' }) },
      config: { api, ratesPerMinute, idempotencySeconds: 60 },
      ...{ desk: nothing(), trades: nothing(), delivery: nothing() },
      ops: { health: async () => nothing(), waitingFor: async () => [], isDraining: () => false },
      ...{ pressure: noPressureLimits, sockets: { ...socketLimits, ...sockets } },
    } satisfies AppParts);
    await app.listen({ host: '127.0.0.1', port: this.#port });
    Object.assign(this, { database, hub, auth, app });
  }

  async end(): Promise<void> {
    await this.app.close();
    this.hub.close();
    await this.database.close();
  }

  async remove(): Promise<void> {
    await this.end();
    rmSync(this.folder, { recursive: true });
  }

  /** A session of this person, got as any client gets it. */
  async session(of: Person): Promise<string> {
    const { challenge } = await this.auth.challenge(of.public);
    const digest = authDigest({ challenge, host: this.host });
    const signature = hex.encode(schnorr.sign(digest, of.secret, new Uint8Array(32)));
    return (await this.auth.session({ publicKey: of.public, challenge, signature })).token;
  }
}

export const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });

/** The header of NIP-98 for one request; `tags` and `at` can be bent. */
export function nip98(of: {
  by: Person;
  url: string;
  method: string;
  at: number;
  body?: string;
  tags?: string[][];
  kind?: number;
}): { authorization: string } {
  const { by, url, method, at, body, kind = 27_235 } = of;
  const payload = body === undefined ? [] : [['payload', hex.encode(sha256(utf8.decode(body)))]];
  const tags = of.tags ?? [['u', url], ['method', method], ...payload];
  const event = finalizeEvent({ kind, created_at: at, tags, content: '' }, by.secret);
  const { id, pubkey, created_at, content, sig } = event;
  const json = JSON.stringify({ id, pubkey, created_at, kind, tags, content, sig });
  return { authorization: `Nostr ${Buffer.from(json).toString('base64')}` };
}
