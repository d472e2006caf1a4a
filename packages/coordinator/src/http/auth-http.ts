import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Auth, Caller, Known } from '../access/auth.ts';
import { unauthorized } from '../access/auth-nip98.ts';
import { addressOf } from './limits.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** SHA-256 of the body's bytes as they came; absent without a body. */
    bodyHash: string | undefined;
    known: Known | undefined;
  }
}

/** To be installed before any route: notes the hash of each signed body on its way to the parser (NIP-98 `payload`). */
export function installAuth(app: FastifyInstance): void {
  app.decorateRequest('bodyHash', undefined);
  app.decorateRequest('known', undefined);
  app.addHook('preParsing', async (request, _reply, payload) => {
    const scheme = request.headers.authorization?.slice(0, 6).toLowerCase();
    if (scheme !== 'nostr ') return payload;
    const hash = createHash('sha256');
    let bytes = 0;
    const hashed = new Transform({
      transform(chunk: Uint8Array, _encoding, done) {
        bytes += chunk.length;
        hash.update(chunk);
        done(undefined, chunk);
      },
      flush(done) {
        request.bodyHash = bytes === 0 ? undefined : hash.digest('hex');
        done();
      },
    });
    payload.on('error', (error: Error) => hashed.destroy(error));
    return payload.pipe(hashed);
  });
}

export type Door = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

/** For `preValidation`: lets in whoever says who he is, and says so truly. Throws `unauthorized`. */
export function needsIdentity(auth: Auth): Door {
  return async (request, reply) => {
    // RFC 9110 15.5.2: an answer 401 says how to come in.
    void reply.header('www-authenticate', 'Bearer, Nostr');
    const { method, url: path, bodyHash } = request;
    const known = await auth.authenticate({ authorization: request.headers.authorization, method, path, bodyHash });
    if (known === undefined)
      throw unauthorized(
        'absent',
        'authorization must be Bearer and a token, or Nostr and a NIP-98 event; got nothing',
      );
    request.known = known;
    void reply.removeHeader('www-authenticate');
  };
}

/** Whoever says who he is must be who he says; who does not is nobody. Throws `unauthorized`. */
export function mayHaveIdentity(auth: Auth): Door {
  const identify = needsIdentity(auth);
  return async (request, reply) => {
    if (request.headers.authorization !== undefined) await identify(request, reply);
  };
}

/** By whom a request is, as far as it is known: a key that was proven, and the address. */
export function callerIn(request: FastifyRequest): Caller {
  const { known } = request;
  const key = known !== undefined && 'party' in known.identity ? known.identity.party : undefined;
  return { key, address: addressOf(request) };
}

/** As `needsIdentity`, and only for holders of a key. Throws `forbidden` for a trade's token. */
export function needsParty(auth: Auth): Door {
  const identify = needsIdentity(auth);
  return async (request, reply) => {
    await identify(request, reply);
    partyOf(request);
  };
}

/** The key a request is by. Throws `forbidden` when it is by none. */
export function partyOf({ known }: FastifyRequest): string {
  if (known !== undefined && 'party' in known.identity) return known.identity.party;
  throw new SparkleError('forbidden', 'this is for the holder of a key; a token of a trade does not suffice');
}
