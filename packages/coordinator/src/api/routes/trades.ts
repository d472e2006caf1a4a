import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { FastifyRequest } from 'fastify';
import {
  createdTradeSchema,
  createTradeSchema,
  finalizedSchema,
  finalizeSchema,
  invoiceRequestSchema,
  type PreparedWire,
  proofSchema,
  rescueSchema,
  tradeInvoiceSchema,
  tradeParamsSchema,
  tradeStateSchema,
} from 'sparkle-protocol/market/checkout-wire';
import { readKnownInvoice } from 'sparkle-protocol/protocol/bolt11';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { callerIn, mayHaveIdentity, needsIdentity } from '../../http/auth-http.ts';
import { type Auth, roleIn } from '../../access/auth.ts';
import type { Delivery } from '../../exchange/delivery.ts';
import { tradeIdOf } from '../../exchange/trade-id.ts';
import type { Trades } from '../../exchange/trades.ts';

export type TradeRouteParts = { auth: Auth; trades: Trades; delivery: Delivery };

const secured = { tags: ['trades'], security: [{ bearer: [] }, { nostr: [] }] };
const creating = {
  ...{ tags: ['trades'], operationId: 'createTrade', summary: 'Lists an inscription by a signed PSBT' },
  description:
    'Unless the operator takes listings from anyone, by a key that he has named (LISTERS). POST /v1/trade/create is the same.',
  // OpenAPI: the empty requirement makes the others optional.
  security: [{}, ...secured.security],
  body: createTradeSchema,
  response: { 201: createdTradeSchema },
};
const reading = {
  ...{ ...secured, operationId: 'readTrade', summary: 'Where a trade is' },
  params: tradeParamsSchema,
  response: { 200: tradeStateSchema },
};
const withdrawing = {
  ...{ ...secured, operationId: 'withdrawTrade', summary: 'Takes a listing off the shelf' },
  params: tradeParamsSchema,
  response: { 200: tradeStateSchema },
};
const naming = {
  ...{ ...secured, operationId: 'nameKeys', summary: 'The invoice, for a payment hash and claim key of the buyer' },
  params: tradeParamsSchema,
  body: invoiceRequestSchema,
  response: { 200: tradeInvoiceSchema },
};
const invoicing = {
  ...{ ...secured, operationId: 'readInvoice', summary: 'The invoice once more' },
  params: tradeParamsSchema,
  response: { 200: tradeInvoiceSchema },
};
const finalizing = {
  ...{ ...secured, operationId: 'finalizeTrade', summary: 'The buyer hands over preimage and signed claim' },
  params: tradeParamsSchema,
  body: finalizeSchema,
  response: { 200: finalizedSchema },
};
const proving = {
  ...{ ...secured, operationId: 'proveTrade', summary: 'All by which a buyer checks the lock himself' },
  params: tradeParamsSchema,
  response: { 200: proofSchema },
};

const rescuing = {
  ...{ ...secured, operationId: 'rescueTrade', summary: 'All by which a buyer ends the trade without us' },
  params: tradeParamsSchema,
  response: { 200: rescueSchema },
};

const invoiceOf = (bolt11: string) => {
  const { paymentHash, expiresAt } = readKnownInvoice(bolt11);
  return { payment_request: bolt11, payment_hash: paymentHash, expires_at: expiresAt };
};

function invoiceIn({ invoice }: PreparedWire): string {
  if (invoice !== null) return invoice;
  throw new SparkleError('bad_message', 'payment_hash and claim_key must be given; they are not', {
    field: 'payment_hash',
  });
}

type Side = 'buyer' | 'seller' | 'either';

/** The id in the path, once it is clear that the caller is in this trade, on this side of it. */
const ownTradeOf =
  (trades: Trades) =>
  async (request: FastifyRequest, side: Side): Promise<string> => {
    const tradeId = tradeIdOf((request.params as { id: string }).id);
    const { known } = request;
    if (known === undefined) throw new SparkleError('unauthorized', 'authorization must say who asks; it does not');
    const role = roleIn(tradeId, { sides: await trades.sides(tradeId), who: known.identity });
    if (side === 'either' || role === side) return tradeId;
    throw new SparkleError('forbidden', `this is for the ${side} of the trade; the caller is its ${role}`);
  };

/** `/v1/trade` of SIP-3 v0.1 over hold-first: who may see a trade is who is in it. */
export const tradeRoutes =
  (parts: TradeRouteParts): FastifyPluginAsyncZod =>
  async (app) => {
    await app.register(listingRoutes(parts));
    await app.register(buyingRoutes(parts));
  };

const listingRoutes =
  ({ auth, trades }: TradeRouteParts): FastifyPluginAsyncZod =>
  async (app) => {
    const preValidation = needsIdentity(auth);
    const ownTrade = ownTradeOf(trades);
    // The published document has the second path; both are one.
    for (const path of ['/v1/trade', '/v1/trade/create'])
      app.post(
        path,
        { preValidation: mayHaveIdentity(auth), schema: { ...creating, hide: path !== '/v1/trade' } },
        async (request, reply) => reply.status(201).send(await trades.create(request.body, callerIn(request).key)),
      );
    app.get('/v1/trade/:id', { preValidation, schema: reading }, async (request) =>
      trades.state(await ownTrade(request, 'either')),
    );
    app.delete('/v1/trade/:id', { preValidation, schema: withdrawing }, async (request) =>
      trades.withdraw(await ownTrade(request, 'seller')),
    );
  };

const buyingRoutes =
  ({ auth, trades, delivery }: TradeRouteParts): FastifyPluginAsyncZod =>
  async (app) => {
    const preValidation = needsIdentity(auth);
    const ownTrade = ownTradeOf(trades);
    app.post(
      '/v1/trade/:id/invoice',
      { preValidation: mayHaveIdentity(auth), schema: naming },
      async (request, reply) => {
        // A listing may be bought by anybody; what comes of it is his who has the token.
        const buyer = { named: request.body, caller: callerIn(request) };
        const begun = await trades.buy(tradeIdOf(request.params.id), buyer);
        if (begun !== undefined)
          return { ...invoiceOf(invoiceIn(begun)), trade_id: begun.trade_id, token: begun.token };
        if (request.known === undefined) await preValidation(request, reply);
        return invoiceOf(await trades.invoice(await ownTrade(request, 'buyer'), buyer));
      },
    );
    app.get('/v1/trade/:id/invoice', { preValidation, schema: invoicing }, async (request) =>
      invoiceOf(await trades.invoice(await ownTrade(request, 'buyer'), { named: {}, caller: callerIn(request) })),
    );
    app.post('/v1/trade/:id/finalize', { preValidation, schema: finalizing }, async (request) =>
      delivery.finalize(await ownTrade(request, 'buyer'), request.body),
    );
    app.get('/v1/trade/:id/proof', { preValidation, schema: proving }, async (request) =>
      delivery.proof(await ownTrade(request, 'either')),
    );
    app.get('/v1/trade/:id/rescue', { preValidation, schema: rescuing }, async (request) =>
      delivery.rescue(await ownTrade(request, 'either')),
    );
  };
