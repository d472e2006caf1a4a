import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { invoiceKey } from './memory-invoice.ts';
import { encodeInvoice, type InvoiceTerms } from '../protocol/bolt11.ts';
import certificates from './lnurl-certificates.vectors.json' with { type: 'json' };

type Answer = { status: number; headers: Record<string, string>; body: string };
type Reply = Answer | 'never';

/** A service of ours that speaks LNURL-pay; a test says what it answers instead. */
export class FakeLnurlServer {
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #replies = new Map<string, (url: URL) => Reply>();

  private constructor() {
    const { serverCertificate: cert, serverKey: key } = certificates;
    this.#server = createServer({ cert, key }, (request, response) => this.#serve(request, response));
  }

  static async open(): Promise<FakeLnurlServer> {
    const fake = new FakeLnurlServer();
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What a path answers from now on, as JSON. */
  json(path: string, answer: (url: URL) => unknown): void {
    this.raw(path, (url) => ({ status: 200, headers: {}, body: JSON.stringify(answer(url)) }));
  }

  raw(path: string, reply: (url: URL) => Reply): void {
    this.#replies.set(path, reply);
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', `https://${request.headers.host}`);
    this.asked.push(`${url.host}${url.pathname}${url.search}`);
    const reply = this.#replies.get(url.pathname)?.(url) ?? { status: 404, headers: {}, body: 'not found' };
    if (reply === 'never') return;
    response.writeHead(reply.status, reply.headers);
    response.end(reply.body);
  }
}

const key = invoiceKey({ seed: 'lnurl', name: 'payee' });

/** An invoice of the service's node; only what a test is about is given. */
export const payeeInvoice = (terms: {
  network?: InvoiceTerms['network'];
  amountMsat: bigint;
  descriptionHash: string;
  timestampSeconds: number;
  expirySeconds: number;
  paymentHash: string;
}): string =>
  encodeInvoice(
    {
      network: 'regtest',
      payeeSource: 'recovered',
      paymentSecret: '11'.repeat(32),
      minFinalCltv: 18,
      features: [8, 14],
      routeHints: [],
      fallbacks: [],
      ...terms,
    },
    key.secretKey,
  );
