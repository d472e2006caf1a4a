import type { AddressInfo } from 'node:net';
import { EventRepository, LogLevel, type Event, type Filter, type IncomingMessage } from '@nostr-relay/common';
import { NostrRelay } from '@nostr-relay/core';
import { WebSocket, WebSocketServer } from 'ws';

/**
 * What a relay does with an event that somebody hands in. `lose`: says that it took it, and tells nobody. `mute`: tells
 * everybody, and says nothing of it.
 */
export type Treatment = 'pass' | 'mute' | 'keep' | 'lose' | 'refuse';

/** A relay in this process that can be as bad as relays are. */
export type TestRelay = {
  readonly url: string;
  /** Every event that was handed in, in order. */
  readonly events: readonly Event[];
  /** How many connections stand. */
  connections(): number;
  /** What happens to events from now on. */
  treat(treatment: (event: Event) => Treatment): void;
  /** Delivers what was kept. */
  release(): Promise<void>;
  /** So many times everything is delivered from now on. */
  setCopies(copies: number): void;
  /** Tells every subscriber whose filters fit, as if somebody had handed it in, without looking at it. */
  inject(event: Event): void;
  /** Ends all connections and refuses new ones, then is there again with what it knew. */
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
};

/** NIP-01: of a replaceable event the newest is kept. */
class Memory extends EventRepository {
  readonly #events = new Map<string, Event>();

  isSearchSupported(): boolean {
    return false;
  }

  upsert(event: Event): { isDuplicate: boolean } {
    const key = event.kind >= 10_000 && event.kind < 20_000 ? `${event.kind}:${event.pubkey}` : event.id;
    const known = this.#events.get(key);
    if (known !== undefined && known.created_at >= event.created_at) return { isDuplicate: true };
    this.#events.set(key, event);
    return { isDuplicate: false };
  }

  find(filter: Filter): Event[] {
    return [...this.#events.values()].filter((event) => fits(event, filter)).slice(0, filter.limit);
  }

  async destroy(): Promise<void> {}
}

const fits = (event: Event, { kinds, authors, since, ...rest }: Filter): boolean =>
  (kinds === undefined || kinds.includes(event.kind)) &&
  (authors === undefined || authors.includes(event.pubkey)) &&
  (since === undefined || event.created_at >= since) &&
  (rest['#p'] === undefined || event.tags.some(([name, value]) => name === 'p' && rest['#p']?.includes(value ?? '')));

type Served = { socket: WebSocket; filters: Map<string, Filter[]> };

class InProcessRelay implements TestRelay {
  readonly events: Event[] = [];
  readonly #relay = new NostrRelay(new Memory(), { logLevel: LogLevel.ERROR, filterResultCacheTtl: 0 });
  readonly #clients = new Set<Served>();
  readonly #kept: { socket: WebSocket; event: Event }[] = [];
  #server: WebSocketServer | undefined;
  #port = 0;
  #copies = 1;
  #treatment: (event: Event) => Treatment = () => 'pass';

  get url(): string {
    return `ws://127.0.0.1:${this.#port}/`;
  }

  connections(): number {
    return this.#clients.size;
  }

  treat(treatment: (event: Event) => Treatment): void {
    this.#treatment = treatment;
  }

  setCopies(copies: number): void {
    this.#copies = copies;
  }

  inject(event: Event): void {
    for (const { socket, filters } of this.#clients)
      for (const [id, wanted] of filters)
        if (wanted.some((filter) => fits(event, filter))) socket.send(JSON.stringify(['EVENT', id, event]));
  }

  async release(): Promise<void> {
    for (const { event } of this.#kept.splice(0)) await this.#relay.broadcast(event);
  }

  async up(): Promise<void> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: this.#port });
    await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    server.on('connection', (socket) => this.#serve(socket));
  }

  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const { socket } of this.#clients) socket.terminate();
    await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  }

  async stop(): Promise<void> {
    await this.down();
    await this.#relay.destroy();
  }

  #serve(socket: WebSocket): void {
    const client: Served = { socket, filters: new Map() };
    this.#clients.add(client);
    const side = {
      get readyState() {
        return socket.readyState;
      },
      send: (text: string) => {
        const times = text.startsWith('["EVENT"') ? this.#copies : 1;
        for (let copy = 0; copy < times; copy += 1) socket.send(text);
      },
    };
    this.#relay.handleConnection(side);
    socket.on(
      'message',
      (data) => void this.#receive(client, side, JSON.parse(String(data as Buffer)) as IncomingMessage),
    );
    socket.on('close', () => {
      this.#clients.delete(client);
      this.#relay.handleDisconnect(side);
    });
  }

  async #receive(
    client: Served,
    side: Parameters<NostrRelay['handleMessage']>[0],
    message: IncomingMessage,
  ): Promise<void> {
    if (message[0] === 'REQ') client.filters.set(message[1], message.slice(2) as Filter[]);
    if (message[0] === 'EVENT') {
      const [, event] = message;
      this.events.push(event);
      const treatment = this.#treatment(event);
      if (treatment === 'keep') this.#kept.push({ socket: client.socket, event });
      if (treatment === 'mute') return this.#relay.broadcast(event);
      if (treatment !== 'pass')
        return client.socket.send(
          JSON.stringify(['OK', event.id, treatment !== 'refuse', treatment === 'refuse' ? 'blocked: no' : '']),
        );
    }
    await this.#relay.handleMessage(side, message);
  }
}

export async function startRelay(): Promise<TestRelay> {
  const relay = new InProcessRelay();
  await relay.up();
  return relay;
}
