import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import {
  acceptedSchema,
  ackSchema,
  messagePageSchema,
  messageQuerySchema,
  messageSchema,
} from 'sparkle-protocol/market/coordinator-wire';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { needsParty, partyOf } from '../../http/auth-http.ts';
import type { Auth } from '../../access/auth.ts';
import type { Letter } from '../../hub/hub-mail.ts';
import type { Hub } from '../../hub/hub.ts';
import { Waits } from '../waits.ts';

export type MessageParts = { hub: Hub; auth: Auth; clock: Clock };

/** The longest text with each of its characters written as an escape. */
const BODY_BYTES = 6 * 65_535 + 1024;
const PAGE = 50;
/** Held answers of one key: each is an open connection. */
const MOST_WAITS = 4;

const tagged = { tags: ['messages'], security: [{ bearer: [] }, { nostr: [] }] };
const sending = {
  ...{ ...tagged, operationId: 'sendMessage', summary: 'Sends a message from the caller to a key' },
  body: messageSchema,
  response: { 201: acceptedSchema },
};
const reading = {
  ...{ ...tagged, operationId: 'readMessages' },
  summary: 'Messages to the caller after number since; waits for one if there is none',
  querystring: messageQuerySchema,
  response: { 200: messagePageSchema },
};
const acking = {
  ...{ ...tagged, operationId: 'ackMessages', summary: 'Tells that all messages up to a number are handled' },
  body: ackSchema,
  response: { 200: acceptedSchema },
};

/** Letters of a trader outside: what he sends is by the key he proved, what he reads is to it. */
export const messageRoutes =
  ({ hub, auth, clock }: MessageParts): FastifyPluginAsyncZod =>
  async (app) => {
    const preValidation = needsParty(auth);
    const waits = new Waits({ mail: hub.mail, clock, mostOfOneKey: MOST_WAITS });
    app.addHook('preClose', async () => waits.close());

    // A sender has a rate of his own (`lettersPerMinute`); that for making trades would be too small for what is said in them.
    const sendingRate = { rateClass: 'read' } as const;
    app.post(
      '/v1/messages',
      { preValidation, config: sendingRate, bodyLimit: BODY_BYTES, schema: sending },
      async (request, reply) => {
        const { to, text } = request.body;
        const seq = await hub.mail.accept({ from: partyOf(request), to, text });
        return reply.status(201).send({ seq });
      },
    );

    app.get('/v1/messages', { preValidation, schema: reading }, async (request) => {
      const { since = '0', limit = String(PAGE), wait_seconds: wait = '0' } = request.query;
      const wanted = { recipient: partyOf(request), since: Number(since), limit: Number(limit) };
      const find = () => hub.mail.after(wanted);
      const milliseconds = Number(wait) * 1000;
      const held = { milliseconds, request: request.raw, find };
      const letters = milliseconds === 0 ? await find() : await waits.forMail(wanted.recipient, held);
      return pageOf(letters, wanted.since);
    });

    // It costs what reading costs: whoever reads acks, once a second at most.
    app.post('/v1/messages/ack', { preValidation, config: { rateClass: 'read' }, schema: acking }, async (request) => {
      const { seq } = request.body;
      await hub.mail.ack({ recipient: partyOf(request), seq });
      return { seq };
    });
  };

const pageOf = (letters: Letter[], since: number) => ({
  messages: letters.map(({ seq, from, text, receivedAt }) => ({ seq, from, text, received_at: receivedAt })),
  next_since: letters.at(-1)?.seq ?? since,
});
