import { hex } from '@scure/base';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import { z } from 'zod';
import { vsizeOf } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import { merkleBranchOf } from '../protocol/merkle.ts';
import { networkOfGenesis, networks } from '../protocol/network.ts';
import { isCoinbase, readTransaction, type Transaction } from '../protocol/transaction.ts';
import type { ChainTransaction } from './chain.ts';
import type { EsploraNode, NodeBlock } from './esplora-server-node.ts';
import { scripthashOf, type Mention, type ScriptIndex } from './esplora-server-index.ts';

/** What goes over the wire; a string is plain text, bytes are a file. */
export type Answer = { status: number; body: string | Uint8Array | { json: unknown } };

export type Serving = { node: EsploraNode; index: ScriptIndex };

/** estimatesmartfee is asked for these; Esplora's own list, and the next block. */
const TARGETS = [1, 2, 3, 4, 5, 6, 10, 20, 25, 144, 504, 1008];
const MOST_WAITING = 50;
const PAGE = 25;

export const text = (body: string): Answer => ({ status: 200, body });
export const json = (value: unknown): Answer => ({ status: 200, body: { json: value } });
export const refused = (status: number, body: string): Answer => ({ status, body });

const noTransaction = refused(404, 'Transaction not found');
const noBlock = refused(404, 'Block not found');

export async function tip({ node }: Serving, what: 'height' | 'hash'): Promise<Answer> {
  const best = await node.lookup.tip();
  return text(String(best[what]));
}

export async function blockAtHeight({ node }: Serving, height: number): Promise<Answer> {
  const hash = await node.hashAt(height);
  return hash === undefined ? noBlock : text(hash);
}

export async function blockHeader({ node }: Serving, hash: string): Promise<Answer> {
  const header = await node.header(hash);
  return header === undefined ? noBlock : text(header);
}

const blockJson = (block: NodeBlock) => ({
  ...{ id: block.hash, height: block.height, version: block.version, timestamp: block.time },
  ...{ tx_count: block.tx.length, size: block.size, weight: block.weight, merkle_root: block.merkleroot },
  ...{ previousblockhash: block.previousblockhash ?? null, mediantime: block.mediantime, nonce: block.nonce },
  ...{ bits: Number.parseInt(block.bits, 16), difficulty: block.difficulty },
});

/** One part of a block: its summary, whether it counts, its transactions' ids, or all its bytes. */
export async function block({ node }: Serving, hash: string, part: string): Promise<Answer> {
  const found = await node.block(hash);
  if (found === undefined) return noBlock;
  if (part === 'txids') return json(found.tx);
  if (part === 'raw') {
    const raw = await node.rawBlock(hash);
    return raw === undefined ? noBlock : { status: 200, body: hex.decode(raw) };
  }
  if (part === 'status') {
    const inBestChain = found.confirmations > 0;
    const next = inBestChain ? (found.nextblockhash ?? null) : null;
    return json({ in_best_chain: inBestChain, height: found.height, next_best: next });
  }
  return json(blockJson(found));
}

export async function txidIn({ node }: Serving, hash: string, place: number): Promise<Answer> {
  const txid = (await node.block(hash))?.tx[place];
  return txid === undefined ? noTransaction : text(txid);
}

async function prevoutJson(node: EsploraNode, { txid, vout }: { txid: string; vout: number }) {
  const funding = await node.transaction(txid);
  const output = funding === undefined ? undefined : readTransaction(funding.raw).outputs[vout];
  return output === undefined ? null : outputJson(output);
}

const outputJson = ({ script, valueSats }: Transaction['outputs'][number]) => ({
  ...{ scriptpubkey: hex.encode(script), value: Number(valueSats) },
});

/** Esplora's form of a transaction, without disassembled scripts and without addresses. */
async function transactionJson(node: EsploraNode, found: ChainTransaction) {
  const transaction = readTransaction(found.raw);
  const created = isCoinbase(transaction);
  const vin = await Promise.all(
    transaction.inputs.map(async ({ txid, vout, scriptSig, sequence, witness }) => ({
      ...{ txid, vout, is_coinbase: created, scriptsig: hex.encode(scriptSig), sequence },
      ...(witness.length === 0 ? {} : { witness: witness.map((item) => hex.encode(item)) }),
      prevout: created ? null : await prevoutJson(node, { txid, vout }),
    })),
  );
  const paid = transaction.outputs.reduce((sum, { valueSats }) => sum + Number(valueSats), 0);
  const brought = vin.reduce((sum, { prevout }) => sum + (prevout?.value ?? 0), 0);
  return {
    ...{ txid: found.txid, version: transaction.version, locktime: transaction.lockTime },
    ...{ size: found.raw.length / 2, weight: vsizeOf(found.raw) * 4, fee: created ? 0 : brought - paid },
    ...{ vin, vout: transaction.outputs.map(outputJson), status: await node.status(found) },
  };
}

/** One part of a transaction. */
export async function transaction({ node }: Serving, txid: string, part: string): Promise<Answer> {
  const found = await node.transaction(txid);
  if (found === undefined) return noTransaction;
  switch (part) {
    case 'hex':
      return text(found.raw);
    case 'raw':
      return { status: 200, body: hex.decode(found.raw) };
    case 'status':
      return json(await node.status(found));
    case 'merkle-proof':
      return merkleProof(node, found);
    case 'outspends':
      return json(await Promise.all(readTransaction(found.raw).outputs.map((_, vout) => spendJson(node, found, vout))));
    default:
      return json(await transactionJson(node, found));
  }
}

async function merkleProof(node: EsploraNode, { txid, block: place }: ChainTransaction): Promise<Answer> {
  const txids = place === undefined ? undefined : (await node.block(place.hash))?.tx;
  const pos = txids?.indexOf(txid) ?? -1;
  if (place === undefined || txids === undefined || pos < 0)
    return refused(404, 'Transaction not found or is unconfirmed');
  return json({ block_height: place.height, merkle: merkleBranchOf({ txids, position: pos }).hashes, pos });
}

async function spendJson(node: EsploraNode, funding: ChainTransaction, vout: number) {
  const found = await node.spender(funding, vout);
  if (found === undefined) return { spent: false };
  const vin = readTransaction(found.raw).inputs.findIndex((each) => each.txid === funding.txid && each.vout === vout);
  return { spent: true, txid: found.txid, vin, status: await node.status(found) };
}

export async function outspend({ node }: Serving, txid: string, vout: number): Promise<Answer> {
  const found = await node.transaction(txid);
  if (found === undefined) return noTransaction;
  if (readTransaction(found.raw).outputs[vout] === undefined) return refused(404, 'Output not found');
  return json(await spendJson(node, found, vout));
}

/** The hash of an address's script. Throws `bad_script` for a text that is no address of the node's network. */
export async function scripthashOfAddress({ node }: Serving, address: string): Promise<string> {
  const network = networkOfGenesis((await node.hashAt(0)) ?? '');
  try {
    return scripthashOf(OutScript.encode(Address(networks[network].address).decode(address)));
  } catch (cause) {
    throw new SparkleError('bad_script', `an address of ${network} was expected`, {}, { cause });
  }
}

export async function coinsOf({ node, index }: Serving, scripthash: string): Promise<Answer> {
  const coins = await index.coins(scripthash);
  const shown = coins.map(async ({ txid, vout, valueSats, block: place }) => ({
    ...{ txid, vout, value: Number(valueSats) },
    status: await node.status(place === undefined ? {} : { block: place }),
  }));
  return json(await Promise.all(shown));
}

/** Up to 50 waiting and 25 confirmed transactions; with `after`, the next 25 confirmed ones. */
export async function historyOf({ node, index }: Serving, scripthash: string, after?: string): Promise<Answer> {
  const all = await index.history(scripthash);
  const confirmed = all.filter((mention) => mention.block !== undefined);
  const from = after === undefined ? 0 : confirmed.findIndex(({ txid }) => txid === after) + 1;
  const waiting = after === undefined ? all.filter((mention) => mention.block === undefined) : [];
  const wanted: Mention[] = [...waiting.slice(0, MOST_WAITING), ...confirmed.slice(from, from + PAGE)];
  const found = await Promise.all(wanted.map(({ txid }) => node.transaction(txid)));
  return json(await Promise.all(found.flatMap((each) => (each === undefined ? [] : transactionJson(node, each)))));
}

const estimateShape = z.object({ feerate: z.number().positive().optional() });

export async function feeEstimates({ node }: Serving): Promise<Answer> {
  const estimates = TARGETS.map(async (target) => {
    const { feerate } = await node.rpc.call('estimatesmartfee', [target, 'conservative'], estimateShape);
    return feerate === undefined ? [] : [[String(target), Math.round(feerate * 1e8) / 1000]];
  });
  return json(Object.fromEntries((await Promise.all(estimates)).flat()));
}

const mempoolShape = z.object({ size: z.number(), bytes: z.number(), total_fee: z.number() });

export async function mempool({ node }: Serving, part: string): Promise<Answer> {
  if (part === 'recent') return json(await node.recent());
  if (part === 'txids') return json(await node.mempool());
  const { size, bytes, total_fee: fee } = await node.rpc.call('getmempoolinfo', [], mempoolShape);
  return json({ count: size, vsize: bytes, total_fee: Math.round(fee * 1e8), fee_histogram: [] });
}

export async function broadcast({ node }: Serving, raw: string): Promise<Answer> {
  const answer = await node.rpc.ask('sendrawtransaction', [raw]);
  if (!('refusal' in answer)) return text(String(answer.result));
  const { code, reason } = answer.refusal;
  return refused(400, `sendrawtransaction RPC error: ${JSON.stringify({ code, message: reason })}`);
}

export async function broadcastPackage({ node }: Serving, raws: string[]): Promise<Answer> {
  const answer = await node.rpc.ask('submitpackage', [raws]);
  if (!('refusal' in answer)) return json(answer.result);
  const { code, reason } = answer.refusal;
  return refused(400, `submitpackage RPC error: ${JSON.stringify({ code, message: reason })}`);
}
