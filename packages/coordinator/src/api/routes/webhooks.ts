import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { needsIdentity } from '../../http/auth-http.ts';
import type { Auth } from '../../access/auth.ts';
import { webhookOwner, type Webhooks } from '../../news/webhooks.ts';

/** What may be asked to be told of: `trade` of each change of its state. */
const webhookEvents = ['trade'] as const;

const url = z.string().max(500).describe('An https address on the open Internet');
const events = z.array(z.enum(webhookEvents)).min(1).max(webhookEvents.length);
const webhook = z.object({ webhook_id: z.string(), url, events, created_at: z.int() });
const made = webhook.extend({
  secret: z.string().describe('Key of the signature in Sparkle-Signature; told this once'),
});
const params = z.strictObject({ id: z.string().max(64) });

const common = { tags: ['webhooks'], security: [{ bearer: [] }, { nostr: [] }] };
const making = {
  ...common,
  operationId: 'makeWebhook',
  summary: 'Has an address told of changes: signed, in order for each subject, tried for about four hours',
  body: z.strictObject({ url, events }),
  response: { 201: made },
};
const listing = {
  ...common,
  operationId: 'listWebhooks',
  summary: "The caller's own webhooks",
  response: { 200: z.object({ webhooks: z.array(webhook) }) },
};
const removing = {
  ...common,
  operationId: 'removeWebhook',
  summary: "Removes one of the caller's webhooks and what it was still to be told",
  params,
  response: { 200: z.object({ webhook_id: z.string() }) },
};

function ownerIn({ known }: FastifyRequest): string {
  if (known === undefined) throw new Error('a route of webhooks is not behind the door');
  return webhookOwner(known.identity);
}

export const webhookRoutes =
  ({ webhooks, auth }: { webhooks: Webhooks; auth: Auth }): FastifyPluginAsyncZod =>
  async (app) => {
    const preValidation = needsIdentity(auth);
    app.post('/v1/webhooks', { preValidation, schema: making }, async (request, reply) => {
      const { secret, webhook_id, created_at, ...given } = await webhooks.register({
        owner: ownerIn(request),
        ...request.body,
      });
      return reply.status(201).send({ webhook_id, created_at, secret, url: given.url, events: request.body.events });
    });

    app.get('/v1/webhooks', { preValidation, schema: listing }, async (request) => ({
      webhooks: (await webhooks.of(ownerIn(request))).map((each) => ({ ...each, events: events.parse(each.events) })),
    }));

    app.delete('/v1/webhooks/:id', { preValidation, schema: removing }, async (request) => {
      const webhookId = request.params.id;
      await webhooks.remove({ owner: ownerIn(request), webhookId });
      return { webhook_id: webhookId };
    });
  };
