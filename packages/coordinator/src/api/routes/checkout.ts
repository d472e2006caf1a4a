import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import {
  checkoutIdSchema,
  checkoutStateSchema,
  preparedSchema,
  prepareSchema,
  quoteRequestSchema,
  quoteSchema,
} from 'sparkle-protocol/market/checkout-wire';
import { callerIn, mayHaveIdentity } from '../../http/auth-http.ts';
import type { Auth } from '../../access/auth.ts';
import type { Desk } from '../../exchange/desk.ts';

const tags = ['checkout'];
const preparing = {
  ...{ tags, operationId: 'prepareCheckout', summary: 'Begins to buy an inscription for a Lightning payment' },
  body: prepareSchema,
  response: { 200: preparedSchema },
};
const asking = {
  ...{ tags, operationId: 'checkoutStatus', summary: 'Where a checkout is; its id is known to the buyer alone' },
  body: checkoutIdSchema,
  response: { 200: checkoutStateSchema },
};
const quoting = {
  ...{ tags, operationId: 'quote', summary: 'What an inscription costs now, each part of it' },
  body: quoteRequestSchema,
  response: { 200: quoteSchema },
};

/** The published checkout API (coordinator API of v0.3, part 2), and the quote that a buyer takes his prices from. */
export const checkoutRoutes =
  ({ desk, auth }: { desk: Desk; auth: Auth }): FastifyPluginAsyncZod =>
  async (app) => {
    app.post('/v1/quote', { schema: quoting }, ({ body }) => desk.quote(body.inscription_id));
    const preValidation = mayHaveIdentity(auth);
    app.post('/api/checkout/prepare', { preValidation, schema: preparing }, (request) =>
      desk.prepare(request.body, callerIn(request)),
    );
    app.post('/api/checkout/status', { schema: asking }, ({ body }) => desk.state(body.checkout_id));
  };
