import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import certificates from './certificates.vectors.json' with { type: 'json' };
import type { FakeClnNode } from './fake-node.suite.ts';
import { FakeRefusal, fakeRpc } from './fake-rpc.suite.ts';

type FakeCall = { method: string; params: Readonly<Record<string, unknown>> };
type FakeAnswer = { status: number; body: string };

/** What happens to the next call of a method. */
type Trick =
  | { do: 'lose the answer' | 'lose the request' | 'stall' }
  | { do: 'answer'; answer: FakeAnswer }
  | { do: 'change'; change: (result: unknown) => unknown };

const SECRET = 'the fake node keeps this to itself';

const seal = (restrictions: string): Uint8Array =>
  createHash('sha256')
    .update(SECRET + restrictions)
    .digest();

/** clnrest of a fake node, as measured: HTTP 201 for a success, the codes and words of each refusal. */
export class FakeClnServer {
  readonly node: FakeClnNode;
  readonly calls: FakeCall[] = [];
  readonly #server: Server;
  readonly #tricks: { method: string; trick: Trick }[] = [];

  private constructor(node: FakeClnNode) {
    this.node = node;
    const { serverCertificate: cert, serverKey: key } = certificates;
    this.#server = createServer({ cert, key }, (request, response) => void this.#serve(request, response));
  }

  static async open(node: FakeClnNode): Promise<FakeClnServer> {
    const fake = new FakeClnServer(node);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** As `createrune`: 32 bytes that only the node can make, then the restrictions in the open. */
  createRune(restrictions: readonly (readonly string[])[]): string {
    const said = `=0&${restrictions.map((alternatives) => alternatives.join('|')).join('&')}`;
    return Buffer.concat([seal(said), Buffer.from(said)]).toString('base64url');
  }

  called(method: string): FakeCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  /** The next call of `method` goes like this; several wait in order. */
  next(method: string, trick: Trick): void {
    this.#tricks.push({ method, trick });
  }

  /** lightningd is restarted: connections break, commands are forgotten, HTLCs stay. */
  restart(): void {
    this.#server.closeAllConnections();
    this.node.forgetCommands();
  }

  async close(): Promise<void> {
    this.node.forgetCommands();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refused = this.#refusal(request);
    const body = await readAll(request);
    if (refused !== undefined) return send(response, refused);
    const params = parsed(body);
    if (params === undefined) return send(response, failure(500, null, 'Invalid JSON body'));
    const method = methodOf(request);
    const call = { method, params };
    this.calls.push(call);
    const trick = this.#trickFor(method);
    if (trick?.do === 'stall') return;
    if (trick?.do === 'lose the request') return void response.destroy();
    if (trick?.do === 'answer') return send(response, trick.answer);
    const answer = await this.#run(call, trick);
    if (trick?.do === 'lose the answer') return void response.destroy();
    send(response, answer);
  }

  async #run(call: FakeCall, trick: Trick | undefined): Promise<FakeAnswer> {
    try {
      const result = await fakeRpc(this.node, call);
      const said = trick?.do === 'change' ? trick.change(result) : result;
      return { status: 201, body: JSON.stringify(said) };
    } catch (error) {
      if (!(error instanceof FakeRefusal)) throw error;
      return failure(error.code === -32601 ? 404 : 500, error.code, error.message);
    }
  }

  #trickFor(method: string): Trick | undefined {
    const at = this.#tricks.findIndex((each) => each.method === method);
    return at < 0 ? undefined : this.#tricks.splice(at, 1)[0]?.trick;
  }

  #refusal(request: IncomingMessage): FakeAnswer | undefined {
    if (request.method !== 'POST') return failure(405, -32600, 'Method not allowed');
    if (request.headers['content-type'] !== 'application/json') return failure(406, -32600, 'Not acceptable');
    const { rune } = request.headers;
    if (typeof rune !== 'string') return failure(403, 1501, 'Not authorized: Missing rune');
    const bytes = Buffer.from(rune, 'base64url');
    if (bytes.length < 32) return failure(401, -32602, 'rune: should be base64 string');
    const said = bytes.subarray(32).toString();
    if (!bytes.subarray(0, 32).equals(seal(said))) return failure(401, 1501, 'Not authorized: Not derived from master');
    const broken = brokenRestriction(said, methodOf(request));
    return broken === undefined ? undefined : failure(401, 1502, `Not permitted: ${broken}`);
  }
}

const methodOf = ({ url }: IncomingMessage): string => (url ?? '').replace(/^\/v1\//, '');

/** runes(7): all restrictions must hold, each by any of its alternatives. */
function brokenRestriction(said: string, method: string): string | undefined {
  const [, ...restrictions] = said.split('&');
  const broken = restrictions.find((each) => !each.split('|').some((alternative) => holds(alternative, method)));
  return broken === undefined ? undefined : `method is not equal to ${broken.slice('method='.length)}`;
}

function holds(alternative: string, method: string): boolean {
  assert.match(alternative, /^method=[a-z]+$/, 'this fake knows no other restriction');
  return alternative === `method=${method}`;
}

const failure = (status: number, code: number | null, message: string): FakeAnswer => ({
  status,
  body: JSON.stringify({ code, data: null, message }),
});

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function parsed(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(body) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

function send(response: ServerResponse, { status, body }: FakeAnswer): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body);
}
