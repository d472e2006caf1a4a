import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/**
 * Below what systems give to outgoing connections (Linux: 32768, others: 49152): none of them takes the port of a program
 * that is about to listen, or is down for a moment.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const MOST_TRIES = 1_000;

const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)));
  });

/** Nobody speaks UDP here: its port of the same number is the sign that this one is taken, and it goes with this process. */
const reserve = (port) =>
  new Promise((resolve) => {
    const sign = createSocket('udp4');
    const failed = () => sign.close(() => resolve(false));
    sign.once('error', failed);
    sign.bind({ address: '127.0.0.1', port, exclusive: true }, () => {
      sign.off('error', failed);
      sign.unref();
      resolve(true);
    });
  });

/** A free loopback port that no other process of ours will be given as long as this one lives. */
async function freePort() {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT);
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT}`);
}

/** So many different ports. */
export const freePorts = (count) => Promise.all(Array.from({ length: count }, freePort));
