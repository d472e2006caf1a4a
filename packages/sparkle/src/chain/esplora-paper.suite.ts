import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hex } from '@scure/base';
import { readHeader } from '../protocol/header.ts';
import { merkleBranchOf, merkleRootOf } from '../protocol/merkle.ts';
import { networks } from '../protocol/network.ts';
import { readTransaction, txidOf, writeTransaction } from '../protocol/transaction.ts';
import { mineHeader, REGTEST_BITS } from './mined-header.suite.ts';
import { SATS } from './suite-hands.ts';
import { ownScript } from './suite-keys.ts';

export type PaperBlock = { hash: string; header: string; height: number; raws: string[] };
type Said = { status: number; body: string; headers?: Record<string, string> };
/** What is said instead of the truth: an answer, or whatever is done to the response. */
type PaperLie = Said | ((response: ServerResponse) => void);

const littleEndian = (value: number): string => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return hex.encode(bytes);
};

/** BIP 34, with a height of three bytes so that all look alike; `salt` keeps rival blocks apart. */
function coinbase(height: number, salt: number): string {
  const scriptSig = hex.decode(`03${littleEndian(height).slice(0, 6)}04${littleEndian(salt)}`);
  const input = { txid: '00'.repeat(32), vout: 0xffff_ffff, scriptSig, sequence: 0xffff_ffff, witness: [] };
  const outputs = [{ valueSats: SATS, script: hex.decode(ownScript) }];
  return writeTransaction({ version: 2, lockTime: 0, inputs: [input], outputs });
}

export function mineBlock(on: { previous: string; height: number; timeSeconds: number; salt: number; raws: string[] }) {
  const { previous, height, timeSeconds, salt } = on;
  const raws = [coinbase(height, salt), ...on.raws];
  const merkleRoot = merkleRootOf(raws.map(txidOf));
  const header = mineHeader({ previous, merkleRoot, timeSeconds, bits: REGTEST_BITS, work: 'done' });
  return { hash: readHeader(header).hash, header, height, raws };
}

/** An Esplora server over a little chain on paper, which says the truth but for `lies`, by path. */
export class PaperServer {
  readonly lies = new Map<string, PaperLie>();
  readonly asked: string[] = [];
  readonly blocks: PaperBlock[] = [];
  readonly mempool: string[] = [];
  timeSeconds = 1_750_000_000;
  url = '';
  private readonly server = createServer((request, response) => this.serve(request.url ?? '', response));

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  get tip(): PaperBlock {
    const tip = this.blocks.at(-1);
    if (tip === undefined) throw new Error('the paper chain is empty');
    return tip;
  }

  mine(...raws: string[]): PaperBlock {
    const height = this.blocks.length + 1;
    const previous = this.blocks.at(-1)?.hash ?? networks.regtest.genesisHash;
    const block = mineBlock({ previous, height, timeSeconds: this.timeSeconds + height, salt: 0, raws });
    this.blocks.push(block);
    return block;
  }

  /** What the truth is; tests bend it. */
  truth(path: string): Said {
    const [, room, id = '', part, last] = path.split('/');
    if (path === '/blocks/tip/hash') return { status: 200, body: this.tip.hash };
    if (room === 'block-height')
      return found(id === '0' ? networks.regtest.genesisHash : this.blocks[Number(id) - 1]?.hash);
    if (room === 'block') return this.blockTruth(id, part, last);
    if (room === 'tx') return this.transactionTruth(id, part, last);
    if (path === '/fee-estimates') return json({ 2: 9, 6: 4, 144: 2 });
    if (path === '/mempool/recent') return json(this.mempool.map((raw) => ({ txid: txidOf(raw) })));
    return found(undefined);
  }

  private blockTruth(hash: string, part?: string, place?: string): Said {
    const block = this.blocks.find((each) => each.hash === hash);
    if (part === 'header') return found(block?.header);
    const raw = block?.raws[Number(place)];
    return found(raw === undefined ? undefined : txidOf(raw));
  }

  private transactionTruth(txid: string, part?: string, vout?: string): Said {
    const block = this.blocks.find(({ raws }) => raws.some((raw) => txidOf(raw) === txid));
    const raw = [...this.blocks.flatMap(({ raws }) => raws), ...this.mempool].find((each) => txidOf(each) === txid);
    if (raw === undefined) return found(undefined);
    if (part === 'hex') return found(raw);
    if (part === 'status') return json(statusIn(block));
    if (part === 'merkle-proof') return block === undefined ? found(undefined) : json(proofIn(block, txid));
    return json(this.spendOf(txid, Number(vout)));
  }

  private spendOf(txid: string, vout: number) {
    const spends = (raw: string) =>
      readTransaction(raw).inputs.findIndex((input) => input.txid === txid && input.vout === vout);
    const block = this.blocks.find(({ raws }) => raws.some((raw) => spends(raw) >= 0));
    const raw = [...(block?.raws ?? []), ...this.mempool].find((each) => spends(each) >= 0);
    return raw === undefined
      ? { spent: false }
      : { spent: true, txid: txidOf(raw), vin: spends(raw), status: statusIn(block) };
  }

  private serve(path: string, response: ServerResponse): void {
    this.asked.push(path);
    const lie = this.lies.get(path) ?? this.lies.get('*');
    if (typeof lie === 'function') return lie(response);
    const { status, body, headers } = lie ?? this.truth(path);
    response.writeHead(status, headers);
    response.end(body);
  }
}

const found = (body: string | undefined): Said =>
  body === undefined ? { status: 404, body: 'not found' } : { status: 200, body };

export const json = (value: unknown): Said => ({ status: 200, body: JSON.stringify(value) });

export const statusIn = (block: PaperBlock | undefined) =>
  block === undefined
    ? { confirmed: false }
    : { confirmed: true, block_height: block.height, block_hash: block.hash, block_time: 0 };

export function proofIn({ height, raws }: PaperBlock, txid: string) {
  const txids = raws.map(txidOf);
  const pos = txids.indexOf(txid);
  const { hashes: merkle } = merkleBranchOf({ txids, position: pos });
  return { block_height: height, merkle, pos };
}
