import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import underPressure from '@fastify/under-pressure';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { installJson } from './limits-json.ts';

/** What a route costs us; each class has its own allowance. `unlimited` is for those who watch over the service. */
export type RateClass = 'quote' | 'create' | 'read' | 'auth' | 'unlimited';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** By method and path when absent, see `rateClassOf`. */
    rateClass?: RateClass;
  }
}

/** Nobody is sent away: for tests and demos, whose parts share a slow machine. */
export const noPressureLimits = { maxEventLoopDelayMilliseconds: 0, maxHeapBytes: 0, sampleMilliseconds: 1_000 };

export type LimitParts = {
  ratesPerMinute: Readonly<Record<Exclude<RateClass, 'unlimited'>, number>>;
  corsOrigins: readonly string[];
  publicUrl: string;
  /** Above these the service answers 503 until it has caught up; 0 is no limit. */
  pressure: { maxEventLoopDelayMilliseconds: number; maxHeapBytes: number; sampleMilliseconds: number };
  /** Who asks, once it is known; `undefined` for one who has not said. */
  callerOf(request: FastifyRequest): string | undefined;
};

const MINUTE_MILLISECONDS = 60_000;
const RETRY_AFTER_SECONDS = 10;
/** Addresses and keys that are remembered at a time; a forgotten one begins anew. */
const MOST_REMEMBERED = 50_000;
/** One household or server has a network of this size to itself (RFC 6177), and all its addresses are one. */
const IPV6_SUBNET = 64;

/** The class of a route that names none: reading is cheap, whatever else changes something. */
export function rateClassOf({ method, url, config }: { method: string; url: string; config: object }): RateClass {
  const { rateClass } = config as { rateClass?: RateClass };
  if (rateClass !== undefined) return rateClass;
  if (url.startsWith('/v1/auth')) return 'auth';
  if (/\/quotes?(?:\/|$)/.test(url)) return 'quote';
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || url === '/api/checkout/status'
    ? 'read'
    : 'create';
}

const classOf = ({ routeOptions: { method, url = '', config } }: FastifyRequest): RateClass =>
  rateClassOf({ method: String(method), url, config });

const tooMany = (of: { rateClass: RateClass; max: number; who: string; seconds: number }): SparkleError =>
  new SparkleError(
    'rate_limited',
    `there may be at most ${of.max} requests of kind ${of.rateClass} a minute from one ${of.who}; try again in ${of.seconds} s`,
    { rateClass: of.rateClass, max: of.max },
  );

/** Where a request comes from; an IPv6 network that one household has is one. */
export const addressOf = ({ ip }: FastifyRequest): string => rateLimit.normalizeIP(ip, IPV6_SUBNET);

/** By address, before anything is read. */
async function installAddressRates(app: FastifyInstance, max: (request: FastifyRequest) => number): Promise<void> {
  await app.register(rateLimit, {
    max,
    timeWindow: MINUTE_MILLISECONDS,
    cache: MOST_REMEMBERED,
    enableDraftSpec: true,
    allowList: (request) => classOf(request) === 'unlimited',
    keyGenerator: (request) => `${classOf(request)} ${addressOf(request)}`,
    errorResponseBuilder: (request, { max: most, ttl }) =>
      tooMany({ rateClass: classOf(request), max: most, who: 'address', seconds: Math.ceil(ttl / 1000) }),
  });
}

type Stop = {
  max: (request: FastifyRequest) => number;
  nameOf: (request: FastifyRequest) => string | undefined;
  who: 'key' | 'address';
};

/** A hook that lets through what has no name, and of each name so much in a minute. */
function stopAbove(app: FastifyInstance, { max, nameOf, who }: Stop) {
  const keyGenerator = (request: FastifyRequest) => nameOf(request) ?? '';
  const limiter = app.createRateLimit({ max, timeWindow: MINUTE_MILLISECONDS, keyGenerator });
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (nameOf(request) === undefined) return;
    const rate = await limiter(request);
    if (rate.isAllowed || !rate.isExceeded) return;
    void reply.header('retry-after', rate.ttlInSeconds);
    throw tooMany({ rateClass: classOf(request), max: rate.max, who, seconds: rate.ttlInSeconds });
  };
}

async function installRates(app: FastifyInstance, { ratesPerMinute, callerOf }: LimitParts): Promise<void> {
  const max = (request: FastifyRequest): number => {
    const rateClass = classOf(request);
    return rateClass === 'unlimited' ? Number.MAX_SAFE_INTEGER : ratesPerMinute[rateClass];
  };
  await installAddressRates(app, max);
  // What has no route is not seen by the plugin, and costs as much as reading.
  const nameOfStranger = (request: FastifyRequest) => (request.is404 ? `none ${addressOf(request)}` : undefined);
  app.addHook('onRequest', stopAbove(app, { max: () => ratesPerMinute.read, nameOf: nameOfStranger, who: 'address' }));
  // By key once it is known whose it is: one key may come from many addresses.
  const nameOfCaller = (request: FastifyRequest) => {
    const caller = classOf(request) === 'unlimited' ? undefined : callerOf(request);
    return caller === undefined ? undefined : `${classOf(request)} ${caller}`;
  };
  app.addHook('preHandler', stopAbove(app, { max, nameOf: nameOfCaller, who: 'key' }));
}

async function installHeaders(app: FastifyInstance, { corsOrigins, publicUrl }: LimitParts): Promise<void> {
  await app.register(helmet, {
    // An answer of the API is no page. The two pages there are say themselves what they need.
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"], frameAncestors: ["'none'"] },
    },
    strictTransportSecurity: publicUrl.startsWith('https:') ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    referrerPolicy: { policy: 'no-referrer' },
  });
  await app.register(cors, {
    origin: corsOrigins.length === 0 ? false : [...corsOrigins],
    methods: ['GET', 'POST', 'PUT', 'DELETE'],
    allowedHeaders: ['content-type', 'authorization', 'idempotency-key'],
    exposedHeaders: ['retry-after', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset', 'idempotent-replayed'],
    maxAge: 600,
  });
}

/**
 * What keeps one caller from taking the service from all others. To be installed before any route, and before
 * `installIdempotency`: a request that is refused here holds no key.
 */
export async function installLimits(app: FastifyInstance, parts: LimitParts): Promise<void> {
  installJson(app);
  await installHeaders(app, parts);
  await app.register(underPressure, {
    maxEventLoopDelay: parts.pressure.maxEventLoopDelayMilliseconds,
    maxHeapUsedBytes: parts.pressure.maxHeapBytes,
    sampleInterval: parts.pressure.sampleMilliseconds,
    // Whoever looks whether we live must be told so in a rush as well, or he ends us in the middle of it.
    pressureHandler: async (request, reply) => {
      if (classOf(request) === 'unlimited') return;
      void reply.header('retry-after', RETRY_AFTER_SECONDS);
      throw new SparkleError('busy', 'the coordinator has more to do than it can; try again soon');
    },
  });
  await installRates(app, parts);
}
