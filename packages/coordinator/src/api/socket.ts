import type { Duplex } from 'node:stream';
import websocket from '@fastify/websocket';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { needsIdentity } from '../http/auth-http.ts';
import type { Auth } from '../access/auth.ts';
import type { Mailboxes } from '../hub/hub-mail.ts';
import { addressOf } from '../http/limits.ts';
import type { TradeFeed } from '../news/feed.ts';
import { Crowd } from './crowd.ts';
import { Connection } from './socket-connection.ts';

export type SocketLimits = {
  framesPerMinute: number;
  /** Open at a time. */
  mostOfOneKey: number;
  mostOfOneAddress: number;
  /** For a new connection to say who it is. */
  authMilliseconds: number;
  /** Between two questions whether the other end still lives. */
  heartbeatMilliseconds: number;
  /** For one page to be taken by whoever asked for it. */
  drainMilliseconds: number;
};

/** What suits a coordinator on the Internet. */
export const socketLimits: SocketLimits = {
  framesPerMinute: 120,
  mostOfOneKey: 8,
  mostOfOneAddress: 64,
  authMilliseconds: 10_000,
  heartbeatMilliseconds: 30_000,
  drainMilliseconds: 20_000,
};

export type SocketParts = {
  auth: Auth;
  mail: Mailboxes;
  feed: TradeFeed | undefined;
  clock: Clock;
  limits: SocketLimits;
};

const MOST_FRAME_BYTES = 65_536;
/** For clients to answer the goodbye of a service that ends. */
const GOODBYE_MILLISECONDS = 1_000;

/** To be installed before any route, so that an upgrade of any other path is answered too. */
export async function installSockets(app: FastifyInstance): Promise<void> {
  await app.register(websocket, {
    // Compression costs memory for each connection, and a small frame could be a large one unpacked.
    options: { maxPayload: MOST_FRAME_BYTES, perMessageDeflate: false },
    errorHandler: (_error, socket) => socket.terminate(),
  });
  endAllWith(app);
}

/**
 * A service that ends waits for every connection. One whose client does not say goodbye would hold it up for half a
 * minute, and one that asked to be upgraded while it was ending for ever: nobody reads from it any more.
 */
function endAllWith(app: FastifyInstance): void {
  const open = new Set<Duplex>();
  app.server.on('upgrade', (_request, socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  app.addHook('preClose', async () => {
    const timer = setTimeout(() => open.forEach((socket) => socket.destroy()), GOODBYE_MILLISECONDS);
    app.server.once('close', () => clearTimeout(timer));
    timer.unref();
  });
}

/** `GET /v1/socket`: messages and changes of trades as they happen. Who it is comes in the header or in the first frame. */
export const socketRoutes =
  (parts: SocketParts): FastifyPluginAsync =>
  async (app) => {
    const keys = new Crowd(parts.limits.mostOfOneKey);
    const addresses = new Crowd(parts.limits.mostOfOneAddress);
    const identify = needsIdentity(parts.auth);
    app.get(
      '/v1/socket',
      {
        websocket: true,
        preValidation: async (request, reply) => {
          // A plain GET is no connection; it is answered with 404.
          if (!request.ws) return;
          const { authorization } = request.headers;
          if (authorization !== undefined) await identify(request, reply);
          const leave = addresses.enter(addressOf(request));
          if (leave === undefined)
            throw new SparkleError('rate_limited', 'an address may have a bounded number of connections; it has them');
          request.raw.socket.once('close', leave);
        },
      },
      (socket, request) => {
        const connection = new Connection({ ...parts, socket, keys });
        socket.on('close', () => connection.ended());
        connection.begin(request.known);
      },
    );
  };
