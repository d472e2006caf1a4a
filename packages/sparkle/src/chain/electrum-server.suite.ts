import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { hex } from '@scure/base';
import { readHeader } from '../protocol/header.ts';
import { merkleBranchOf, merkleRootOf } from '../protocol/merkle.ts';
import { readTransaction, txidOf, writeTransaction } from '../protocol/transaction.ts';
import vectors from '../protocol/header.vectors.json' with { type: 'json' };
import { scripthashOf, statusOf } from './electrum-scripts.ts';
import type { HistoryEntry } from './electrum-transactions.ts';
import { mineHeader, REGTEST_BITS } from './mined-header.suite.ts';
import { ownScript } from './suite-keys.ts';

const GENESIS = vectors.headers.find(({ name }) => name === 'block 0 of regtest')?.raw ?? '';

export type Block = { raw: string; transactions: string[] };

/** What a block is made with; work is done for it unless it is to have none. */
type BlockChange = { previous?: string; bits?: number; timeSeconds?: number; work?: 'done' | 'missing' };

/** A chain without any rules: what it holds is what a test puts in. */
export class FakeChain {
  blocks: Block[] = [{ raw: GENESIS, transactions: [] }];
  mempool: string[] = [];
  #made = 0;

  get height(): number {
    return this.blocks.length - 1;
  }

  hash(height: number): string {
    return readHeader(this.blocks[height]?.raw ?? '').hash;
  }

  /** A transaction to a script, out of nothing unless it spends something. It is nowhere yet. */
  make({ script = ownScript, spends }: { script?: string; spends?: string } = {}): string {
    this.#made += 1;
    const [txid = '', vout = '0'] = (spends ?? `${this.#made.toString(16).padStart(64, '0')}:0`).split(':');
    return writeTransaction({
      version: 2,
      inputs: [{ txid, vout: Number(vout), scriptSig: new Uint8Array(), sequence: this.#made, witness: [] }],
      outputs: [{ valueSats: 50_000n, script: hex.decode(script) }],
      lockTime: 0,
    });
  }

  /** The next block, with what is in the mempool. */
  mine(change: BlockChange = {}): Block {
    const transactions = [this.make({ script: '51' }), ...this.mempool];
    const last = readHeader(this.blocks.at(-1)?.raw ?? '');
    const { previous = last.hash, bits = REGTEST_BITS, timeSeconds = last.timeSeconds + 600, work = 'done' } = change;
    const merkleRoot = merkleRootOf(transactions.map(txidOf));
    const block = { raw: mineHeader({ previous, merkleRoot, timeSeconds, bits, work }), transactions };
    this.blocks.push(block);
    this.mempool = [];
    return block;
  }

  branch(txid: string, height: number): { block_height: number; pos: number; merkle: string[] } {
    const txids = (this.blocks[height]?.transactions ?? []).map(txidOf);
    const pos = txids.indexOf(txid);
    return { block_height: height, pos, merkle: [...merkleBranchOf({ txids, position: pos }).hashes] };
  }

  find(txid: string): string | undefined {
    return [...this.blocks.flatMap(({ transactions }) => transactions), ...this.mempool].find(
      (raw) => txidOf(raw) === txid,
    );
  }

  history(scripthash: string): HistoryEntry[] {
    const places = this.blocks.map(({ transactions }, height) => ({ transactions, height }));
    return [...places, { transactions: this.mempool, height: 0 }].flatMap(({ transactions, height }) =>
      transactions.filter((raw) => this.#touches(raw, scripthash)).map((raw) => ({ txid: txidOf(raw), height })),
    );
  }

  unspent(scripthash: string): { tx_hash: string; tx_pos: number; height: number; value: number }[] {
    const entries = this.history(scripthash);
    const raws = entries.map(({ txid }) => this.find(txid) ?? '');
    const spent = new Set(
      raws.flatMap((raw) => readTransaction(raw).inputs.map(({ txid, vout }) => `${txid}:${vout}`)),
    );
    return entries
      .map(({ txid, height }) => ({ tx_hash: txid, tx_pos: 0, height, value: 50_000 }))
      .filter(({ tx_hash: txid }) => !spent.has(`${txid}:0`));
  }

  #touches(raw: string, scripthash: string): boolean {
    const { inputs, outputs } = readTransaction(raw);
    const spent = inputs.flatMap(({ txid, vout }) => {
      const parent = this.find(txid);
      return parent === undefined ? [] : readTransaction(parent).outputs.slice(vout, vout + 1);
    });
    return [...outputs, ...spent].some(({ script }) => scripthashOf(script) === scripthash);
  }
}

type Params = readonly (string | number)[];
type Answer = { result: unknown } | { error: { code: number; message: string } };

const toWire = (entries: readonly HistoryEntry[]) => entries.map(({ txid, height }) => ({ tx_hash: txid, height }));

/** What an honest server says. */
function honestAnswer(chain: FakeChain, { method, params, protocol }: Question & { protocol: string }): Answer {
  const [first = '', second = 0] = params;
  const raw = (height: number): string => chain.blocks[height]?.raw ?? '';
  const headers = chain.blocks.slice(Number(first), Number(first) + Number(second)).map((block) => block.raw);
  const answers: Readonly<Record<string, () => unknown>> = {
    'server.version': () => ['fake 1.0', protocol],
    'server.features': () => ({ genesis_hash: chain.hash(0) }),
    'blockchain.headers.subscribe': () => ({ height: chain.height, hex: raw(chain.height) }),
    'blockchain.block.header': () => chain.blocks[Number(first)]?.raw,
    'blockchain.block.headers': () =>
      protocol === '1.6'
        ? { count: headers.length, headers, max: 2016 }
        : { count: headers.length, hex: headers.join(''), max: 2016 },
    'blockchain.transaction.get': () => chain.find(String(first)),
    'blockchain.transaction.get_merkle': () => chain.branch(String(first), Number(second)),
    'blockchain.scripthash.subscribe': () => statusOf(chain.history(String(first))),
    'blockchain.scripthash.get_history': () => toWire(chain.history(String(first))),
    'blockchain.scripthash.listunspent': () => chain.unspent(String(first)),
    'blockchain.transaction.broadcast': () => (chain.mempool.push(String(first)), txidOf(String(first))),
    'blockchain.estimatefee': () => -1,
    'blockchain.relayfee': () => 0.00001,
    'mempool.get_info': () => ({ mempoolminfee: 0.00002, minrelaytxfee: 0.00001, incrementalrelayfee: 0.00001 }),
  };
  const result = answers[method]?.();
  if (result !== undefined) return { result };
  return {
    error: { code: 2, message: "daemon error: {'code': -5, 'message': 'No such mempool or blockchain transaction.'}" },
  };
}

export type Question = { id: number; method: string; params: Params };

/** What a server does instead of answering honestly: with a question, or with the line it would send: another one, `nothing`, or `hang up`. */
type Tricks = {
  answer?: (question: Question, honest: () => Answer) => Answer;
  line?: (line: string, question: Question) => string;
};

/** An Electrum server over a chain of its own that does what a test tells it to. */
export class FakeElectrum {
  readonly chain = new FakeChain();
  tricks: Tricks = {};
  protocol = '1.6';
  connections = 0;
  asked: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #scheme: 'tcp' | 'tls';

  constructor(tls?: { cert: string; key: string }) {
    const serve = (socket: Socket): void => this.#serve(socket);
    this.#scheme = tls === undefined ? 'tcp' : 'tls';
    this.#server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  }

  get url(): string {
    const address = this.#server.address();
    return `${this.#scheme}://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  async start(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen({ host: '127.0.0.1', port }, resolve));
    return this;
  }

  /** Tells everybody what changed, as a server does after a block or a new transaction. */
  announce(scripts: readonly string[] = []): void {
    const { chain } = this;
    const tip = { height: chain.height, hex: chain.blocks.at(-1)?.raw };
    this.say(JSON.stringify({ method: 'blockchain.headers.subscribe', params: [tip] }));
    for (const script of scripts) {
      const scripthash = scripthashOf(hex.decode(script));
      const params = [scripthash, statusOf(chain.history(scripthash))];
      this.say(JSON.stringify({ method: 'blockchain.scripthash.subscribe', params }));
    }
  }

  say(line: string): void {
    for (const socket of this.#sockets) socket.write(`${line}\n`);
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.hangUp();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) this.#reply(socket, JSON.parse(line) as Question);
    });
  }

  #reply(socket: Socket, question: Question): void {
    this.asked.push(question.method);
    const honest = (): Answer => honestAnswer(this.chain, { ...question, protocol: this.protocol });
    const answer = this.tricks.answer?.(question, honest) ?? honest();
    const line = JSON.stringify({ jsonrpc: '2.0', id: question.id, ...answer });
    const sent = this.tricks.line?.(line, question) ?? line;
    if (sent === 'hang up') socket.destroy();
    else if (sent !== 'nothing') socket.write(`${sent}\n`);
  }
}
