import type { Subscriber } from 'zeromq';
import { SparkleError } from '../protocol/errors.ts';

/** Where the node publishes; any of the three may be missing. `rawtx` tells transactions, `sequence` evictions too. */
export type ZmqEndpoints = { rawblock?: string; rawtx?: string; sequence?: string };

/**
 * What the node's publisher calls us for. `blocks`: the best chain changed. `missed`: it sent something that did not
 * arrive, and nobody knows what.
 */
export type ZmqCall =
  | { type: 'blocks' }
  | { type: 'missed' }
  | { type: 'transaction'; raw: string }
  | { type: 'removed'; txid: string };

/** Bitcoin Core's doc/zmq.md: 32 bytes of hash in display order, then a letter. */
function readSequence(body: Buffer): ZmqCall | undefined {
  switch (String.fromCharCode(body[32] ?? 0)) {
    case 'C':
    case 'D':
      return { type: 'blocks' };
    case 'R':
      return { type: 'removed', txid: body.subarray(0, 32).toString('hex') };
    default:
      return undefined;
  }
}

const readers: Readonly<Record<keyof ZmqEndpoints, (body: Buffer) => ZmqCall | undefined>> = {
  rawblock: () => ({ type: 'blocks' }),
  rawtx: (body) => ({ type: 'transaction', raw: body.toString('hex') }),
  sequence: readSequence,
};
const topics = ['rawblock', 'rawtx', 'sequence'] as const;

type Pump = { socket: Subscriber; topic: keyof ZmqEndpoints; onCall: (call: ZmqCall) => void };

async function pump({ socket, topic, onCall }: Pump): Promise<void> {
  let last: number | undefined;
  for await (const [, body, counter] of socket) {
    if (body === undefined || counter?.length !== 4) continue;
    const number = counter.readUInt32LE(0);
    if (last !== undefined && number !== (last + 1) >>> 0) onCall({ type: 'missed' });
    last = number;
    const call = readers[topic](body);
    if (call !== undefined) onCall(call);
  }
}

/** What was published before a connection stood is missed, at the start as after each restart of the node. */
async function pumpConnections({ socket, onCall }: Omit<Pump, 'topic'>): Promise<void> {
  for await (const { type } of socket.events) if (type === 'handshake') onCall({ type: 'missed' });
}

/** Refuses with `bad_config` what is no endpoint, so that a typing error shows at the start and not as silence. */
export function checkZmqEndpoints(endpoints: ZmqEndpoints): void {
  for (const topic of topics) {
    const endpoint = endpoints[topic];
    if (endpoint === undefined || /^(tcp:\/\/[^\s/]+:\d{1,5}|ipc:\/\/\S+)$/.test(endpoint)) continue;
    const sentence = `zmq.${topic} must be an endpoint such as tcp://127.0.0.1:28332; got ${JSON.stringify(endpoint)}`;
    throw new SparkleError('bad_config', sentence, { field: `zmq.${topic}` });
  }
}

/**
 * Listens to the node's publisher until the returned function is called. A publisher may drop messages, but it numbers
 * them: a gap (also the fresh count after a restart) is called out as `missed`.
 */
export async function listenToZmq(
  endpoints: ZmqEndpoints,
  onCall: (call: ZmqCall) => void,
): Promise<() => Promise<void>> {
  if (topics.every((topic) => endpoints[topic] === undefined)) return async () => undefined;
  // Loaded here, so that whoever only polls does not need the native module.
  const zeromq = await import('zeromq');
  const sockets: Subscriber[] = [];
  const pumps: Promise<void>[] = [];
  for (const topic of topics) {
    const endpoint = endpoints[topic];
    if (endpoint === undefined) continue;
    // No limit on the queue: a rush of transactions must not cost us the one that somebody waits for.
    const socket = new zeromq.Subscriber({ receiveHighWaterMark: 0, linger: 0, tcpKeepalive: 1 });
    sockets.push(socket);
    // Watched before it connects: on loopback the connection may stand before the next line runs.
    const connections = pumpConnections({ socket, onCall });
    socket.connect(endpoint);
    socket.subscribe(topic);
    pumps.push(connections, pump({ socket, topic, onCall }));
  }
  return async () => {
    for (const socket of sockets) socket.close();
    await Promise.all(pumps);
  };
}
