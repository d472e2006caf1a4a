import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';

export const certificatesFile = new URL(
  '../../../sparkle/src/lightning/lnurl-certificates.vectors.json',
  import.meta.url,
);
export const certificates = JSON.parse(readFileSync(certificatesFile, 'utf8')) as {
  ca: string;
  serverCertificate: string;
  serverKey: string;
};

type Reply = { status: number; headers?: Record<string, string>; body: string };
/** `drip` sends a byte now and then and never ends; `flood` sends 10 MB. */
type Odd = Reply | 'never' | 'drip' | 'flood';
type Wanted = { amountMsat: bigint; descriptionHash: string };

/** Whoever answers for `artist` with LUD-16 and LUD-06, on loopback; a test says what he does instead. */
export class Creator {
  /** What stands in his offer besides, or instead. */
  offer: Record<string, unknown> = {};
  /** Answers before anything else does, by the path that was asked. */
  instead: (path: string) => Odd | undefined = () => undefined;
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #invoice: (wanted: Wanted) => Promise<string>;
  /** By which name he is reached: one of those in the certificate. */
  readonly #host: string;
  readonly #drips = new Set<NodeJS.Timeout>();

  private constructor(invoice: (wanted: Wanted) => Promise<string>, host: string) {
    this.#invoice = invoice;
    this.#host = host;
    const { serverCertificate: cert, serverKey: key } = certificates;
    this.#server = createServer({ cert, key }, (request, response) => void this.#serve(request, response));
  }

  static async open(invoice: (wanted: Wanted) => Promise<string>, host = 'pay.example.com'): Promise<Creator> {
    const creator = new Creator(invoice, host);
    await new Promise<void>((resolve) => creator.#server.listen(0, '127.0.0.1', resolve));
    return creator;
  }

  get #authority(): string {
    return `${this.#host}:${(this.#server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `https://${this.#authority}`;
  }

  get address(): string {
    return `artist@${this.#authority}`;
  }

  async close(): Promise<void> {
    for (const drip of this.#drips) clearInterval(drip);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  get #metadata(): string {
    return JSON.stringify([
      ['text/plain', 'the artist of Stars'],
      ['text/identifier', `artist@${this.#host}`],
    ]);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.origin);
    this.asked.push(`${url.pathname}${url.search}`);
    const odd = this.instead(url.pathname);
    if (odd === 'never') return;
    if (odd === 'drip') {
      response.writeHead(200);
      this.#drips.add(setInterval(() => response.write(' '), 20));
      return;
    }
    if (odd === 'flood') {
      response.end(' '.repeat(10_000_000));
      return;
    }
    const { status, headers = {}, body } = odd ?? (await this.#honest(url));
    response.writeHead(status, headers).end(body);
  }

  async #honest(url: URL): Promise<Reply> {
    const json = (body: unknown): Reply => ({ status: 200, body: JSON.stringify(body) });
    if (url.pathname === '/.well-known/lnurlp/artist') {
      const limits = { minSendable: 1_000, maxSendable: 10_000_000_000, commentAllowed: 200 };
      const callback = `${this.origin}/pay`;
      return json({ tag: 'payRequest', callback, metadata: this.#metadata, ...limits, ...this.offer });
    }
    if (url.pathname !== '/pay') return { status: 404, body: 'not found' };
    const amountMsat = BigInt(url.searchParams.get('amount') ?? '0');
    const descriptionHash = createHash('sha256').update(this.#metadata).digest('hex');
    return json({ pr: await this.#invoice({ amountMsat, descriptionHash }), routes: [] });
  }
}
