import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import {
  challengeRequestSchema,
  challengeSchema,
  sessionRequestSchema,
  sessionSchema,
} from 'sparkle-protocol/market/coordinator-wire';
import type { Auth } from '../../access/auth.ts';

const asking = {
  ...{ tags: ['auth'], operationId: 'askChallenge' },
  summary: 'A challenge to be signed by a key, good for a minute and once',
  body: challengeRequestSchema,
  response: { 200: challengeSchema },
};
const opening = {
  ...{ tags: ['auth'], operationId: 'openSession' },
  summary: 'A bearer token for whoever signed the challenge: tagged hash sparkle/auth of challenge and host',
  body: sessionRequestSchema,
  response: { 200: sessionSchema },
};

/** A session for whoever proves that he holds a key (BIP 340). */
export const authRoutes =
  (auth: Auth): FastifyPluginAsyncZod =>
  async (app) => {
    app.post('/v1/auth/challenge', { schema: asking }, async ({ body }) => {
      const { challenge, expiresAt } = await auth.challenge(body.public_key);
      return { challenge, expires_at: expiresAt };
    });

    app.post('/v1/auth/session', { schema: opening }, async ({ body }) => {
      const { public_key: publicKey, challenge, signature } = body;
      const { token, expiresAt } = await auth.session({ publicKey, challenge, signature });
      return { token, expires_at: expiresAt };
    });
  };
