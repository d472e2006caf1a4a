import { createHash, timingSafeEqual } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { z } from 'zod';
import { type OwedRoyalty, type Reserve, viewsOf } from './admin-view.ts';
import { type DeadLetter } from '../news/webhooks.ts';
import { pageHeaders } from '../http/html.ts';
import { installJson } from '../http/limits-json.ts';
import type { MonthWire } from './ledger-report.ts';
import type { Metrics } from './metrics.ts';
import { newServer } from '../http/server.ts';
import type { Health } from './health.ts';
import { statusPage } from './status-page.ts';

export type AdminParts = {
  token: string;
  log: FastifyBaseLogger;
  newId(): string;
  metrics: Metrics;
  health(): Promise<Health>;
  liveTrades(): Promise<readonly Trade[]>;
  reserve(): Promise<Reserve>;
  royalties: {
    owed(): Promise<readonly OwedRoyalty[]>;
    /** Tries anew what was given up. Throws `not_found`. */
    tryAgain(id: string): Promise<void>;
  };
  deadLetters: {
    list(): Promise<readonly DeadLetter[]>;
    /** Makes it due again. Throws `not_found`. */
    replay(seq: number): Promise<void>;
  };
  /** The books of a month. Throws `bad_message`. */
  report(of: { month: string }): Promise<MonthWire>;
  /** A copy of the database as of now, and its size. Throws `in_progress` while another is made. */
  backup(): Promise<{ bytes: number; stream: Readable }>;
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Bearer is for programs; Basic, with any name, lets an operator's browser ask for the token. */
function tokenIn({ headers: { authorization = '' } }: FastifyRequest): string {
  const [, scheme = '', given = ''] = /^(\S+) +(\S+)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return given;
  if (scheme.toLowerCase() !== 'basic') return '';
  const text = Buffer.from(given, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
}

/** Nothing is answered to who has no token. Digests are compared, so that time tells neither length nor beginning. */
function installGate(app: FastifyInstance, token: string): void {
  const expected = digest(token);
  app.addHook('onRequest', async (request, reply) => {
    // A browser that knows the token sends it along from any page: only our own page may make it ask.
    const isForeign = ['cross-site', 'same-site'].includes(String(request.headers['sec-fetch-site'] ?? ''));
    if (isForeign) throw new SparkleError('forbidden', 'a page of another site may not ask this');
    if (timingSafeEqual(digest(tokenIn(request)), expected)) return;
    void reply.header('www-authenticate', 'Bearer, Basic realm="coordinator"');
    throw new SparkleError('unauthorized', 'authorization must be Bearer and the admin token; got something else');
  });
  app.addHook('onSend', async (_request, reply) => {
    void reply.headers({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    if (!reply.hasHeader('content-security-policy'))
      void reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  });
}

/** What is asked with a number, a name or a month. */
function installAsked(app: FastifyInstance, { deadLetters, royalties, report }: AdminParts): void {
  app
    .withTypeProvider<ZodTypeProvider>()
    .post(
      '/admin/dead-letters/:seq/replay',
      { schema: { params: z.strictObject({ seq: z.coerce.number().int().min(1) }) } },
      async ({ params: { seq } }) => {
        await deadLetters.replay(seq);
        return { seq, state: 'due' };
      },
    );
  app
    .withTypeProvider<ZodTypeProvider>()
    .post(
      '/admin/royalties/:id/retry',
      { schema: { params: z.strictObject({ id: z.string().max(100) }) } },
      async ({ params: { id } }) => {
        await royalties.tryAgain(id);
        return { id, state: 'owed' };
      },
    );
  app
    .withTypeProvider<ZodTypeProvider>()
    .get('/admin/report', { schema: { querystring: z.strictObject({ month: z.string().max(20) }) } }, ({ query }) =>
      report(query),
    );
}

/** What could be asked. */
const known = <Answer>(answer: Promise<Answer>): Promise<Answer | undefined> => answer.catch(() => undefined);

/** What operators see and do, on a port of its own that the Internet does not reach. Reading changes nothing. */
export function adminApp(parts: AdminParts): FastifyInstance {
  const app = newServer({ log: parts.log, trustedProxies: [], newId: parts.newId });
  installJson(app);
  installGate(app, parts.token);
  const { metrics, health, liveTrades, reserve, deadLetters, royalties, backup } = parts;

  const trades = async (now = health()) => viewsOf(await liveTrades(), (await now).bitcoin.block_height ?? undefined);

  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  app.get('/admin/trades', async () => ({ trades: await trades() }));
  app.get('/admin/reserve', reserve);
  app.get('/admin/royalties', async () => ({ owed: await royalties.owed() }));
  app.get('/admin/dead-letters', async () => ({ dead_letters: await deadLetters.list() }));
  installAsked(app, parts);
  app.post('/admin/backup', async (_, reply) => {
    const { bytes, stream } = await backup();
    return reply.headers({ 'content-length': bytes }).type('application/octet-stream').send(stream);
  });
  app.get('/', async (_, reply) => {
    const now = health();
    const asked = [known(reserve()), known(trades(now)), known(deadLetters.list()), known(royalties.owed())] as const;
    const [reserves, live, letters, owed] = await Promise.all(asked);
    const view = { health: await now, reserve: reserves, trades: live, deadLetters: letters, owed };
    return reply.headers(pageHeaders).send(statusPage(view));
  });
  return app;
}
