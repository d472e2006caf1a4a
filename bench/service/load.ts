import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { spread, type Spread } from '../percentiles.ts';

const BUSY_MILLISECONDS = 200;

export type Answer = { status: number; body: string; milliseconds: number };

/** Connections that stay open, and one POST over them; the time runs until the last byte of the answer. */
export class HttpClient {
  readonly #agent: Agent;
  readonly #address: URL;

  constructor(address: string, connections: number) {
    this.#address = new URL(address);
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' });
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const text = JSON.stringify(body);
    const began = performance.now();
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#address;
      const length = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) };
      const asked = request({
        hostname,
        port,
        path,
        method: 'POST',
        agent: this.#agent,
        headers: { ...length, ...headers },
      });
      asked.on('error', ({ message }) =>
        resolve({ status: 0, body: message, milliseconds: performance.now() - began }),
      );
      asked.on('response', (response) => {
        let said = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (said += chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: said, milliseconds: performance.now() - began }),
        );
      });
      asked.end(text);
    });
  }

  /** The answer of a service that is not too busy for one; only that may come in its place. */
  async answered(path: string, body: unknown): Promise<string> {
    for (;;) {
      const answer = await this.post(path, body);
      if (answer.status === 200) return answer.body;
      if (answer.status !== 503) throw new Error(answer.body);
      await wait(BUSY_MILLISECONDS);
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

export type Load = { perSecond: number; failed: Record<string, number>; milliseconds: Spread & { p99: number } };

class Tally {
  readonly #milliseconds: number[] = [];
  readonly #failed: Record<string, number> = {};
  readonly #began = performance.now();

  note({ status, body }: Pick<Answer, 'status' | 'body'>, milliseconds: number): void {
    if (status === 200) this.#milliseconds.push(milliseconds);
    else {
      const why = `${status} ${body.slice(0, 80)}`;
      this.#failed[why] = (this.#failed[why] ?? 0) + 1;
    }
  }

  result(): Load {
    const seconds = (performance.now() - this.#began) / 1000;
    const sorted = this.#milliseconds.toSorted((a, b) => a - b);
    const p99 = Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? NaN);
    const perSecond = Math.round((10 * sorted.length) / seconds) / 10;
    return { perSecond, failed: this.#failed, milliseconds: { ...spread(sorted), p99 } };
  }
}

/**
 * Open loop: every request leaves at its time, whether or not earlier ones are answered, and its latency runs from that
 * time on. A client that waits for its turn would leave out just the requests that a slow service delays.
 */
export async function steady(of: { perSecond: number; seconds: number; send: () => Promise<Answer> }): Promise<Load> {
  const tally = new Tally();
  const began = performance.now();
  const open: Promise<void>[] = [];
  const total = of.perSecond * of.seconds;
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, Math.floor(((performance.now() - began) * of.perSecond) / 1000) + 1);
    for (; sent < due; sent += 1) {
      const at = began + (sent * 1000) / of.perSecond;
      open.push(of.send().then((answer) => tally.note(answer, performance.now() - at)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(open);
  return tally.result();
}

/** Closed loop: `workers` each send the next request when their last one is answered. */
export async function flatOut(of: { workers: number; seconds: number; send: () => Promise<Answer> }): Promise<Load> {
  const tally = new Tally();
  const end = performance.now() + of.seconds * 1000;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      const answer = await of.send();
      tally.note(answer, answer.milliseconds);
    }
  };
  await Promise.all(Array.from({ length: of.workers }, worker));
  return tally.result();
}
