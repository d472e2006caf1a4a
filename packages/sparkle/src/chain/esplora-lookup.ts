import { z } from 'zod';
import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import type { Outpoint } from '../protocol/inscription.ts';
import { readTransaction } from '../protocol/transaction.ts';
import type { ChainTransaction, Tip, UnspentOutput } from './chain.ts';
import { SMALL_BYTES, type EsploraBlocks } from './esplora-blocks.ts';
import type { EsploraHttp } from './esplora-http.ts';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const statusShape = z.union([
  z.object({ confirmed: z.literal(true), block_height: z.number().int().min(0), block_hash: hash }),
  z.object({ confirmed: z.literal(false) }),
]);
const spendShape = z.union([
  z.object({ spent: z.literal(true), txid: hash, vin: z.number().int().min(0), status: statusShape }),
  z.object({ spent: z.literal(false) }),
]);

type Status = z.infer<typeof statusShape>;
type Outspend = z.infer<typeof spendShape>;

/** A question is asked anew when the answers contradict each other, so many times: the chain may have moved between them. */
const MAX_ROUNDS = 4;
const FIRST_WAIT_MILLISECONDS = 25;
/** Nobody can ever spend an OP_RETURN output, so a node does not count it as unspent. */
const OP_RETURN = 0x6a;

/** Contradictions between two answers, as a block or a replacement that comes between them makes them too. */
const CONTRADICTIONS: readonly unknown[] = [
  ...['fake_confirmation', 'fake_height', 'hidden_transaction', 'wrong_spender', 'changing'],
];

/** Whether asking again may help: a contradiction that stays is a lie. */
const mayPass = (error: unknown): boolean =>
  error instanceof SparkleError && CONTRADICTIONS.includes(error.detail['what'] ?? error.detail['reason']);

/** Transactions and outputs as one server tells them, with whatever can be shown shown. */
export class EsploraLookup {
  private readonly http: EsploraHttp;
  private readonly blocks: EsploraBlocks;

  constructor(http: EsploraHttp, blocks: EsploraBlocks) {
    this.http = http;
    this.blocks = blocks;
  }

  transaction(txid: string): Promise<ChainTransaction | undefined> {
    return this.settled((tip) => this.place(txid, tip));
  }

  unspent({ txid, vout }: Outpoint): Promise<UnspentOutput | undefined> {
    return this.settled(async (tip) => {
      const found = await this.place(txid, tip);
      const output = found === undefined ? undefined : readTransaction(found.raw).outputs[vout];
      if (found === undefined || output === undefined || output.script[0] === OP_RETURN) return undefined;
      const spend = await this.outspend({ txid, vout });
      if (spend === undefined) throw this.blocks.silent('changing', `it knows transaction ${txid} no more`, {});
      if (spend.spent) return void (await this.spendOf({ txid, vout }, spend.txid, tip));
      const confirmations = found.block === undefined ? 0 : tip.height - found.block.height + 1;
      return { valueSats: output.valueSats, script: hex.encode(output.script), confirmations };
    });
  }

  spender(outpoint: Outpoint, fromHeight: number): Promise<ChainTransaction | undefined> {
    return this.settled(async (tip) => {
      const spend = await this.outspend(outpoint);
      if (spend?.spent !== true) return undefined;
      const found = await this.spendOf(outpoint, spend.txid, tip);
      return found.block !== undefined && found.block.height < fromHeight ? undefined : found;
    });
  }

  /** What the server says about an output, unchecked. */
  outspend({ txid, vout }: Outpoint): Promise<Outspend | undefined> {
    return this.http.json({ path: `/tx/${txid}/outspend/${vout}`, maxBytes: SMALL_BYTES, shape: spendShape });
  }

  /** The transaction that the server names as spender, which must spend the output by its own bytes. */
  private async spendOf({ txid, vout }: Outpoint, spender: string, tip: Tip): Promise<ChainTransaction> {
    const found = await this.place(spender, tip);
    if (found === undefined)
      throw this.blocks.lie(
        'hidden_transaction',
        `it says that ${spender} spends ${txid}:${vout}, and does not show it`,
      );
    if (readTransaction(found.raw).inputs.some((input) => input.txid === txid && input.vout === vout)) return found;
    throw this.blocks.lie('wrong_spender', `it says that ${spender} spends ${txid}:${vout}, which it does not`);
  }

  private async place(txid: string, tip: Tip): Promise<ChainTransaction | undefined> {
    const [raw, status] = await Promise.all([this.blocks.raw(txid), this.status(txid)]);
    if (raw === undefined) return undefined;
    if (status === undefined) throw this.blocks.silent('changing', `it knows transaction ${txid} no more`, {});
    if (!status.confirmed) return { txid, raw };
    return { txid, raw, block: await this.confirmedIn({ txid, raw }, status, tip) };
  }

  private status(txid: string): Promise<Status | undefined> {
    return this.http.json({ path: `/tx/${txid}/status`, maxBytes: SMALL_BYTES, shape: statusShape });
  }

  private async confirmedIn(
    { txid, raw }: { txid: string; raw: string },
    { block_hash: blockHash, block_height: claimed }: Extract<Status, { confirmed: true }>,
    tip: Tip,
  ): Promise<{ height: number; hash: string }> {
    const [block, proof] = await Promise.all([this.blocks.block(blockHash), this.blocks.proof(txid)]);
    if (block === undefined || proof === undefined)
      throw this.blocks.silent('changing', `it does not show that transaction ${txid} is in block ${blockHash}`, {});
    this.blocks.assertIn(block.header, { raw, proof });
    const { height } = block;
    if (claimed !== height || proof.block_height !== height)
      throw this.blocks.lie('fake_height', `block ${blockHash} has height ${height}; it says ${claimed}`);
    await this.blocks.assertLinked(block, tip);
    return { height, hash: blockHash };
  }

  private async settled<T>(look: (tip: Tip) => Promise<T>): Promise<T> {
    for (let round = 1; ; round += 1) {
      const tip = await this.blocks.tip();
      try {
        return await look(tip);
      } catch (error) {
        if (round === MAX_ROUNDS || !mayPass(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, FIRST_WAIT_MILLISECONDS * 2 ** round));
      }
    }
  }
}
