import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import type { BitcoindRpcOptions } from './bitcoind-rpc.ts';
import * as answers from './esplora-server-answers.ts';
import { refused, type Answer, type Serving } from './esplora-server-answers.ts';
import { ScriptIndex } from './esplora-server-index.ts';
import { EsploraNode } from './esplora-server-node.ts';

export type EsploraServerOptions = {
  /** The node that everything comes from; it needs `-txindex`. */
  node: BitcoindRpcOptions;
  /** Where to listen; `127.0.0.1` unless others shall ask as well. There is no login and no limit per client. */
  host?: string;
  /** 0 takes a free port. */
  port: number;
  /** The origin of the page that may ask from a browser, `*` for every page; none when left out. */
  allowOrigin?: string;
  /** How many blocks back the spend of an output is looked for: each is read whole, once. */
  searchBlocks: number;
  /** Up to this height the questions by address and script hash are answered, from an index in memory. */
  indexBlocks: number;
};

export type EsploraServer = { url: string; stop(): Promise<void> };

type Answering = (serving: Serving, given: Readonly<Record<string, string>>, body: string) => Promise<Answer>;

/** A block's worth of hex, and some JSON around it. */
const MAX_BODY_BYTES = 8_100_000;
/** The node takes no larger package. */
const MAX_PACKAGE = 25;

/** Longer than clients poll: closing an idle connection just when it is used again looks like an outage to them. */
const KEEP_ALIVE_MILLISECONDS = 65_000;

const HASH = /^[0-9a-f]{64}$/;
const NUMBER = /^(?:0|[1-9]\d{0,8})$/;

/** What may stand where a path says `:name`. */
const PARAMETERS: Readonly<Record<string, RegExp>> = {
  ...{ hash: HASH, txid: HASH, scripthash: HASH, after: HASH },
  ...{ height: NUMBER, vout: NUMBER, place: NUMBER },
  address: /^[a-zA-Z0-9]{10,100}$/,
};

const rawHex = z.string().regex(/^([0-9a-f]{2})+$/i);
const rawsShape = z.array(rawHex).min(1).max(MAX_PACKAGE);

const coinsAt: Answering = async (serving, { address = '', scripthash }) =>
  answers.coinsOf(serving, scripthash ?? (await answers.scripthashOfAddress(serving, address)));
const historyAt: Answering = async (serving, { address = '', scripthash, after }) =>
  answers.historyOf(serving, scripthash ?? (await answers.scripthashOfAddress(serving, address)), after);

const parts = (path: string, names: readonly string[], answer: (part: string) => Answering): [string, Answering][] =>
  names.map((name) => [`GET ${path}${name === '' ? '' : `/${name}`}`, answer(name)]);

const routes = new Map<string, Answering>([
  ['GET /blocks/tip/height', (serving) => answers.tip(serving, 'height')],
  ['GET /blocks/tip/hash', (serving) => answers.tip(serving, 'hash')],
  ['GET /block-height/:height', (serving, { height }) => answers.blockAtHeight(serving, Number(height))],
  ['GET /block/:hash/header', (serving, { hash = '' }) => answers.blockHeader(serving, hash)],
  ['GET /block/:hash/txid/:place', (serving, { hash = '', place }) => answers.txidIn(serving, hash, Number(place))],
  ...parts(
    '/block/:hash',
    ['', 'status', 'txids', 'raw'],
    (part) =>
      (serving, { hash = '' }) =>
        answers.block(serving, hash, part),
  ),
  ...parts(
    '/tx/:txid',
    ['', 'hex', 'raw', 'status', 'merkle-proof', 'outspends'],
    (part) =>
      (serving, { txid = '' }) =>
        answers.transaction(serving, txid, part),
  ),
  ['GET /tx/:txid/outspend/:vout', (serving, { txid = '', vout }) => answers.outspend(serving, txid, Number(vout))],
  ...['address/:address', 'scripthash/:scripthash'].flatMap((at): [string, Answering][] => [
    [`GET /${at}/utxo`, coinsAt],
    [`GET /${at}/txs`, historyAt],
    [`GET /${at}/txs/chain/:after`, historyAt],
  ]),
  ['GET /fee-estimates', (serving) => answers.feeEstimates(serving)],
  ...parts('/mempool', ['', 'recent', 'txids'], (part) => (serving) => answers.mempool(serving, part)),
  [
    'POST /tx',
    async (serving, _, body) =>
      rawHex.safeParse(body.trim()).success
        ? answers.broadcast(serving, body.trim())
        : refused(400, 'A transaction in hex was expected'),
  ],
  [
    'POST /txs/package',
    async (serving, _, body) => {
      const { data } = rawsShape.safeParse(jsonOf(body));
      return data === undefined
        ? refused(400, `A JSON array of 1 to ${MAX_PACKAGE} transactions in hex was expected`)
        : answers.broadcastPackage(serving, data);
    },
  ],
]);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The words of a path that stand for parameters, or `undefined` when the path is another. */
function match(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const words = path.split('/');
  if (wanted.length !== words.length) return undefined;
  const given: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const word = words[index] ?? '';
    if (part.startsWith(':')) given[part.slice(1)] = word;
    else if (part !== word) return undefined;
  }
  return given;
}

async function answerTo(serving: Serving, { method, path, body }: { method: string; path: string; body: string }) {
  for (const [pattern, answer] of routes) {
    const given = match(pattern, `${method} ${path}`);
    if (given === undefined) continue;
    const bad = Object.keys(given).find((name) => PARAMETERS[name]?.test(given[name] ?? '') !== true);
    return bad === undefined ? answer(serving, given, body) : refused(400, `Invalid ${bad}`);
  }
  return refused(404, 'Not found');
}

/** `undefined` when it is longer than any block. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Whatever the node could not answer; nothing about the inside is told. */
function failure(error: unknown): Answer {
  if (!(error instanceof SparkleError)) return refused(500, 'Internal error');
  const status = { bad_script: 400, not_supported: 501, chain_unavailable: 503 }[error.code as string];
  return status === undefined ? refused(500, 'Internal error') : refused(status, error.message);
}

function send(response: ServerResponse, { status, body }: Answer): void {
  const isBytes = body instanceof Uint8Array;
  const isText = typeof body === 'string';
  const type = isText ? 'text/plain; charset=utf-8' : isBytes ? 'application/octet-stream' : 'application/json';
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(isText || isBytes ? body : JSON.stringify(body.json));
}

function preflight(request: IncomingMessage, response: ServerResponse, allowOrigin: string | undefined): boolean {
  if (allowOrigin !== undefined) response.setHeader('access-control-allow-origin', allowOrigin);
  if (request.method !== 'OPTIONS') return false;
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': 'content-type',
  });
  response.end();
  return true;
}

async function serve(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '/' } = request;
  const body = await bodyOf(request);
  if (body === undefined) {
    // What is left of the body would be taken for the next request.
    response.setHeader('connection', 'close');
    return send(response, refused(413, 'The body is too long'));
  }
  const path = url.split('?')[0] ?? '';
  send(response, await answerTo(serving, { method, path, body }).catch(failure));
}

const stopper = (server: Server) => (): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/**
 * Serves the part of the Esplora HTTP API that light clients need, out of a Bitcoin node with `-txindex`, so that a page
 * or a wallet can follow a private chain without any other indexer. Rejects when the port is taken.
 */
export async function startEsploraServer(options: EsploraServerOptions): Promise<EsploraServer> {
  const { host = '127.0.0.1', port, allowOrigin, indexBlocks } = options;
  const node = new EsploraNode(options);
  const serving = { node, index: new ScriptIndex(node, indexBlocks) };
  const server = createServer((request, response) => {
    if (preflight(request, response, allowOrigin)) return;
    // A client that leaves in the middle is no failure of ours.
    serve(serving, request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = KEEP_ALIVE_MILLISECONDS;
  server.headersTimeout = KEEP_ALIVE_MILLISECONDS + 1_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]` : host;
  return { url: `http://${shown}:${taken}`, stop: stopper(server) };
}
