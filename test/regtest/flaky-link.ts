import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A way to a server on this machine that a test can cut or silence: what a network does to a connection. */
export class FlakyLink {
  /** Connections that were asked for so far. */
  attempts = 0;
  #silence: 'none' | 'answers' | 'both' = 'none';
  readonly #server: Server;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((socket) => this.#pass(socket));
  }

  static async open(target: number): Promise<FlakyLink> {
    const link = new FlakyLink(target);
    await new Promise<void>((resolve) => link.#server.listen({ host: '127.0.0.1', port: 0 }, () => resolve()));
    return link;
  }

  get socket(): string {
    return `localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends all connections; new ones are let through. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Loses from now on what the server says, or everything, without ending any connection. */
  silence(what: 'answers' | 'both'): void {
    this.#silence = what;
  }

  /** Passes on what comes from now on. What was lost stays lost, as do the connections that lost something. */
  heal(): void {
    this.#silence = 'none';
    this.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(inward: Socket): void {
    this.attempts += 1;
    const outward = connect({ host: '127.0.0.1', port: this.#target });
    const ends = [inward, outward];
    for (const end of ends) {
      this.#sockets.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        this.#sockets.delete(end);
        for (const each of ends) each.destroy();
      });
    }
    inward.on('data', (data) => this.#silence !== 'both' && outward.write(data));
    outward.on('data', (data) => this.#silence === 'none' && inward.write(data));
  }
}
