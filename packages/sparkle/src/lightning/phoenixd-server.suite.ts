import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeInvoice } from '../protocol/bolt11.ts';
import { SparkleError } from '../protocol/errors.ts';
import { sha256Of } from './bench.suite.ts';
import type { Payment } from './lightning.ts';
import type { MemoryNode } from './memory.ts';

type Answer = { status: number; body: string };
type Trick = { do: 'lose the answer' | 'lose the request' | 'stall' } | { do: 'answer'; answer: Answer };

export const FULL_PASSWORD = 'full-access-password-of-phoenix-conf';
export const LIMITED_PASSWORD = 'limited-access-password';

const ok = (json: unknown): Answer => ({ status: 200, body: JSON.stringify(json) });
const words = (status: number, body: string): Answer => ({ status, body });

/** A phoenixd of ours over a node in memory: its paths, forms and words, and the preimage in the answer before payment. */
export class FakePhoenixd {
  readonly asked: string[] = [];
  readonly preimages: string[] = [];
  readonly #node: MemoryNode;
  readonly #server: Server;
  readonly #invoices = new Map<string, { preimage: string; bolt11: string; amountSat: number }>();
  readonly #tricks: { path: string; trick: Trick }[] = [];

  private constructor(node: MemoryNode) {
    this.#node = node;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async open(node: MemoryNode): Promise<FakePhoenixd> {
    const fake = new FakePhoenixd(node);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  next(path: string, trick: Trick): void {
    this.#tricks.push({ path, trick });
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readAll(request);
    const path = request.url ?? '';
    this.asked.push(path);
    const at = this.#tricks.findIndex((each) => path.startsWith(each.path));
    const trick = at < 0 ? undefined : this.#tricks.splice(at, 1)[0]?.trick;
    if (trick?.do === 'stall') return;
    if (trick?.do === 'lose the request') return void response.destroy();
    const form = new URLSearchParams(body);
    const answer = trick?.do === 'answer' ? trick.answer : (refused(request, path) ?? (await this.#answer(path, form)));
    if (trick?.do === 'lose the answer') return void response.destroy();
    response.writeHead(answer.status);
    response.end(answer.body);
  }

  async #answer(path: string, form: URLSearchParams): Promise<Answer> {
    const [, first, second, third] = path.split('/');
    if (first === 'createinvoice') return this.#create(form);
    if (first === 'payinvoice') return this.#pay(form.get('invoice') ?? '');
    if (first === 'payments' && second === 'incoming') return this.#incoming(third ?? '');
    if (first === 'payments' && second === 'outgoingbyhash') return this.#outgoing(third ?? '');
    return words(404, 'Unknown endpoint (check api doc)');
  }

  async #create(form: URLSearchParams): Promise<Answer> {
    const amountSat = Number(form.get('amountSat'));
    const preimage = sha256Of(`${this.#invoices.size}`.padStart(64, '0'));
    const { bolt11 } = await this.#node.lightning.createInvoice({
      preimage,
      amountMsat: BigInt(amountSat) * 1000n,
      description: form.get('description') ?? '',
      expirySeconds: Number(form.get('expirySeconds')),
      finalCltv: 18,
    });
    const paymentHash = sha256Of(preimage);
    this.#invoices.set(paymentHash, { preimage, bolt11, amountSat });
    this.preimages.push(preimage);
    return ok({ amountSat, paymentHash, serialized: bolt11 });
  }

  async #incoming(paymentHash: string): Promise<Answer> {
    const row = this.#invoices.get(paymentHash);
    if (row === undefined) return words(404, 'Not found');
    const { state } = await this.#node.lightning.invoice(paymentHash);
    const common = { subType: 'lightning', paymentHash, preimage: row.preimage, invoice: row.bolt11, fees: 0 };
    const isPaid = state === 'settled';
    return ok({ ...common, isPaid, isExpired: false, requestedSat: row.amountSat, receivedSat: 0, createdAt: 1 });
  }

  async #outgoing(paymentHash: string): Promise<Answer> {
    const payment = await this.#node.lightning.payment(paymentHash);
    if (payment.state === 'unknown') return words(404, 'Not found');
    const common = { subType: 'lightning', paymentId: '1', paymentHash, sent: 1, createdAt: 1 };
    const settled = payment.state === 'settled' ? payment : undefined;
    return ok({
      ...common,
      preimage: settled?.preimage ?? null,
      isPaid: settled !== undefined,
      fees: Number(settled?.feeMsat ?? 0n),
      completedAt: payment.state === 'pending' ? null : 2,
    });
  }

  async #pay(invoice: string): Promise<Answer> {
    const { lightning } = this.#node;
    const { paymentHash } = decodeInvoice(invoice);
    const before = (await lightning.payment(paymentHash)).state;
    if (before === 'settled' || before === 'pending') return ok({ paymentHash, reason: 'AlreadyPaid' });
    try {
      await lightning.pay({ bolt11: invoice, maxFeeMsat: 1_000_000n, maxCltvBlocks: 2016, timeoutSeconds: 60 });
    } catch (error) {
      if (!(error instanceof SparkleError)) throw error;
      return ok({ paymentHash, reason: error.code === 'no_route' ? 'NoRouteToRecipient' : 'UnknownError' });
    }
    const ended = await this.#ended(paymentHash);
    if (ended.state !== 'settled') return ok({ paymentHash, reason: 'RecipientRejectedPayment' });
    const sums = { recipientAmountSat: 1, routingFeeSat: 0 };
    return ok({ ...sums, paymentId: '1', paymentHash, paymentPreimage: ended.preimage });
  }

  #ended(paymentHash: string): Promise<Payment> {
    const { lightning } = this.#node;
    return new Promise((resolve, reject) => {
      const look = () =>
        lightning.payment(paymentHash).then((payment) => {
          if (payment.state !== 'settled' && payment.state !== 'failed') return;
          end();
          resolve(payment);
        }, reject);
      const end = lightning.subscribe(() => void look());
      void look();
    });
  }
}

function refused(request: IncomingMessage, path: string): Answer | undefined {
  const password = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString();
  const isFull = password === `:${FULL_PASSWORD}`;
  const needsFull = path === '/payinvoice' || path.startsWith('/payments/outgoing');
  if (isFull || (password === `:${LIMITED_PASSWORD}` && !needsFull)) return undefined;
  return words(401, 'Invalid authentication (use basic auth with the http password set in phoenix.conf)');
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
