import type { TestContext } from 'node:test';
import type { ServerFrame } from 'sparkle-protocol/market/coordinator-wire';
import { WebSocket } from 'ws';
import { bearer, handClock, type Person, Service, type ServiceChange } from '../hub/hub.suite.ts';

export const NOW = 1_800_000_000;
export const limited = { timeout: 20_000 };

export async function start(context: TestContext, change: ServiceChange = {}) {
  const clock = handClock(NOW);
  const service = await Service.start({ clock, ...change });
  context.after(() => service.remove());
  return { service, clock };
}

/** A client that says what it is told to, and keeps what it hears. */
export class Client {
  readonly heard: ServerFrame[] = [];
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  readonly #looks = new Set<() => void>();

  constructor(service: Service, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(`${service.url.replace('http', 'ws')}/v1/socket`, { headers });
    this.closed = new Promise((resolve) => this.socket.on('close', (code) => resolve(code)));
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data) => {
      this.heard.push(JSON.parse(String(data as Buffer)) as ServerFrame);
      for (const look of this.#looks) look();
    });
  }

  say(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The first frame of this type that is not yet taken. */
  next<Type extends ServerFrame['type']>(type: Type): Promise<Extract<ServerFrame, { type: Type }>> {
    return new Promise((resolve) => {
      const look = (): void => {
        const at = this.heard.findIndex((frame) => frame.type === type);
        if (at === -1) return;
        this.#looks.delete(look);
        const [frame] = this.heard.splice(at, 1);
        resolve(frame as Extract<ServerFrame, { type: Type }>);
      };
      this.#looks.add(look);
      look();
    });
  }

  /** The code and the field of the next error. */
  async error(): Promise<[string, string | undefined]> {
    const { code, field } = await this.next('error');
    return [code, field];
  }
}

export async function enter(service: Service, by: Person): Promise<Client> {
  const client = new Client(service, bearer(await service.session(by)));
  await client.next('ready');
  return client;
}
