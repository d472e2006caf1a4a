import { connect } from 'node:net';
import { authenticatedLndGrpc } from 'lightning';
import { readAccess, type LndAccess } from './credentials.ts';
import type { LndLink, LndServices } from './rpc.ts';

const REACH_MILLISECONDS = 3_000;

/** Whether anybody accepts a connection there: a hundredth of what the library needs to find out. */
function isReachable(socket: string): Promise<boolean> {
  const colon = socket.lastIndexOf(':');
  const host = socket.slice(0, colon).replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const attempt = connect({ host, port: Number(socket.slice(colon + 1)), timeout: REACH_MILLISECONDS });
    const end = (answer: boolean): void => {
      attempt.destroy();
      resolve(answer);
    };
    attempt.once('connect', () => end(true));
    attempt.once('timeout', () => end(false));
    attempt.once('error', () => end(false));
  });
}

/** LND over the `lightning` library: its protobuf definitions, TLS and macaroon. */
export const grpcLink = (access: LndAccess): LndLink => ({
  isReachable: () => isReachable(access.socket),
  async open() {
    const { lnd } = authenticatedLndGrpc(await readAccess(access));
    const clients = Object.values(lnd) as { close(): void }[];
    return {
      services: lnd as LndServices,
      close: () => {
        for (const client of clients) client.close();
      },
    };
  },
});
