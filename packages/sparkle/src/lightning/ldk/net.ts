import { createServer, connect as connectTcp, type Server, type Socket } from 'node:net';
import { hex } from '@scure/base';
import * as ldk from 'lightningdevkit';
import { SparkleError } from '../../protocol/errors.ts';
import type { PeerRow } from './store.ts';
import type { Turns } from './turn.ts';
import { resultOf } from './values.ts';

type Deps = { peers: ldk.PeerManager; turns: Turns };

/** What one connection may have unsent before the library is told to wait. */
const FULL_BYTES = 1 << 20;
const DIAL_MILLISECONDS = 10_000;
const FAREWELL_MILLISECONDS = 1_000;

type Line = { socket: Socket; descriptor: ldk.SocketDescriptor; dead: boolean; full: boolean };

/** Peers over TCP. What the library sends leaves only after the turn in which it was sent. */
export class PeerSockets {
  readonly #deps: Deps;
  readonly #lines = new Map<bigint, Line>();
  #server: Server | undefined;
  #count = 0n;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Starts to listen and returns the port, which the system chooses when asked for 0. */
  listen({ host, port }: { host: string; port: number }): Promise<number> {
    const { peers, turns } = this.#deps;
    const server = createServer((socket) => {
      const line = this.#attach(socket);
      turns.run(() => {
        const accepted = peers.new_inbound_connection(line.descriptor, ldk.Option_SocketAddressZ.constructor_none());
        if (!accepted.is_ok()) this.#drop(line);
      });
    });
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Opens a connection and starts the handshake. Throws `lightning_unavailable` when nobody answers there. */
  async dial({ nodeId, host, port }: PeerRow): Promise<void> {
    const { peers, turns } = this.#deps;
    const socket = await openSocket({ host, port });
    if (turns.over) return void socket.destroy();
    const line = this.#attach(socket);
    turns.run(() => {
      const noAddress = ldk.Option_SocketAddressZ.constructor_none();
      const first = resultOf({
        result: peers.new_outbound_connection(hex.decode(nodeId), line.descriptor, noAddress),
        ok: ldk.Result_CVec_u8ZPeerHandleErrorZ_OK,
        what: 'connecting to a peer',
        code: 'lightning_unavailable',
      });
      const bytes = Buffer.from(first);
      turns.afterCommit(() => socket.write(bytes));
    });
  }

  /** Node ids that have finished the handshake. */
  connected(): string[] {
    return this.#deps.peers.list_peers().map((peer) => hex.encode(peer.get_counterparty_node_id()));
  }

  /** Hangs up in order: the last words are written, and not lost to a reset, unless a peer keeps its end open for long. */
  async finish(): Promise<void> {
    this.#server?.close();
    const lines = [...this.#lines.values()];
    await Promise.all(
      lines.map(
        ({ socket }) =>
          new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, FAREWELL_MILLISECONDS);
            socket.once('close', () => {
              clearTimeout(timer);
              resolve();
            });
            // Unread bytes would turn the farewell into a reset.
            socket.resume();
            socket.end();
          }),
      ),
    );
  }

  close(): void {
    this.#server?.close();
    for (const line of this.#lines.values()) {
      line.dead = true;
      line.socket.destroy();
    }
    this.#lines.clear();
  }

  #attach(socket: Socket): Line {
    this.#count += 1n;
    const id = this.#count;
    socket.setNoDelay(true);
    const line: Line = { socket, descriptor: this.#describe(id), dead: false, full: false };
    this.#lines.set(id, line);
    socket.on('data', (bytes) => this.#received(line, bytes));
    socket.on('drain', () => this.#drained(line));
    // Whatever goes wrong with a socket ends in `close`.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#closed(id, line));
    return line;
  }

  #describe(id: bigint): ldk.SocketDescriptor {
    return ldk.SocketDescriptor.new_impl({
      // In this version of the library `resume` false carries no meaning; pausing on it would stall the peer.
      send_data: (data, resume) => this.#send({ id, data, resume }),
      disconnect_socket: () => {
        const line = this.#lines.get(id);
        if (line !== undefined) this.#drop(line);
      },
      eq: (other) => other.hash() === id,
      hash: () => id,
    });
  }

  #send({ id, data, resume }: { id: bigint; data: Uint8Array; resume: boolean }): number {
    const line = this.#lines.get(id);
    if (line === undefined || line.dead) return 0;
    if (resume) line.socket.resume();
    if (line.full) return 0;
    if (line.socket.writableLength > FULL_BYTES) {
      line.full = true;
      return 0;
    }
    const bytes = Buffer.from(data);
    this.#deps.turns.afterCommit(() => {
      if (!line.dead) line.socket.write(bytes);
    });
    return bytes.length;
  }

  #received(line: Line, bytes: Uint8Array): void {
    const { turns, peers } = this.#deps;
    if (line.dead || turns.over) return;
    turns.run(() => {
      const result = peers.read_event(line.descriptor, bytes);
      if (!(result instanceof ldk.Result_boolPeerHandleErrorZ_OK)) this.#drop(line);
      else if (result.res) line.socket.pause();
    });
  }

  #drained(line: Line): void {
    const { turns, peers } = this.#deps;
    if (!line.full || line.dead || turns.over) return;
    line.full = false;
    turns.run(() => {
      if (!peers.write_buffer_space_avail(line.descriptor).is_ok()) this.#drop(line);
    });
  }

  /** What the last turn still had to say is written first. */
  #drop(line: Line): void {
    this.#deps.turns.afterCommit(() => {
      line.dead = true;
      line.socket.destroySoon();
    });
  }

  #closed(id: bigint, line: Line): void {
    const { turns, peers } = this.#deps;
    line.dead = true;
    this.#lines.delete(id);
    if (!turns.over) turns.run(() => peers.socket_disconnected(line.descriptor));
  }
}

function openSocket({ host, port }: { host: string; port: number }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, timeout: DIAL_MILLISECONDS });
    const fail = (cause?: Error): void => {
      socket.destroy();
      const sentence = `no Lightning peer answers at ${host}:${port}`;
      reject(new SparkleError('lightning_unavailable', sentence, { host, port }, { cause }));
    };
    socket.once('error', fail);
    socket.once('timeout', () => fail());
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}
