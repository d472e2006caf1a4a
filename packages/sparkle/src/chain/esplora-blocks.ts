import { z } from 'zod';
import { coinbaseHeight } from '../protocol/coinbase.ts';
import { SparkleError } from '../protocol/errors.ts';
import { checkWork, readHeader, type Header } from '../protocol/header.ts';
import { checkMerkleBranch } from '../protocol/merkle.ts';
import { networks, type NetworkName } from '../protocol/network.ts';
import { isRawOf, txidOf } from '../protocol/transaction.ts';
import type { Tip } from './chain.ts';
import { isHardEnough } from './difficulty-floor.ts';
import { unavailable, type EsploraHttp, type Reason } from './esplora-http.ts';

export const SMALL_BYTES = 64_000;
/** Hex of 4,000,000 bytes, what a block can hold at most. */
const RAW_BYTES = 8_000_100;
const MAX_PROVEN = 5_000;
/** So many blocks below the tip a block must be linked to it, header by header. No branch this deep is ever given up. */
const LINKED_DEPTH = 24;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const header = z.string().regex(/^[0-9a-f]{160}$/);
const rawHex = z.string().regex(/^([0-9a-f]{2})+$/);
const proofShape = z.object({
  block_height: z.number().int().min(0),
  merkle: z.array(hash),
  pos: z.number().int().min(0),
});

type MerkleAnswer = z.infer<typeof proofShape>;

/** A block whose header and height are shown by work and not by somebody's word. */
type ProvenBlock = { header: Header; height: number };

type BlocksOptions = { network: NetworkName; maxTipAgeSeconds: number; nowSeconds: () => number };

export const dishonest = (given: { host: string; what: string; sentence: string; detail?: object }): SparkleError => {
  const { host, what, sentence, detail = {} } = given;
  return new SparkleError('dishonest_source', `the Esplora server ${host} was caught in a lie: ${sentence}`, {
    ...{ host, what },
    ...detail,
  });
};

/** The chain of one server as far as it can be shown: headers with work, linked, at heights that their coinbases name. */
export class EsploraBlocks {
  private readonly http: EsploraHttp;
  private readonly options: BlocksOptions;
  private readonly proven = new Map<string, Promise<ProvenBlock | undefined>>();
  private readonly heights = new Map<string, number>();
  private highest = 0;

  constructor(http: EsploraHttp, options: BlocksOptions) {
    this.http = http;
    this.options = options;
  }

  async tip(): Promise<Tip> {
    const best = await this.http.word({ path: '/blocks/tip/hash', maxBytes: SMALL_BYTES, shape: hash });
    const block = best === undefined ? undefined : await this.block(best);
    if (best === undefined || block === undefined) throw this.silent('garbage', 'it has no best block', {});
    const { height } = block;
    const { timeSeconds } = block.header;
    const ageSeconds = this.options.nowSeconds() - timeSeconds;
    if (ageSeconds > this.options.maxTipAgeSeconds)
      throw this.silent('lagging', `its best block ${height} is ${ageSeconds} s old`, { height, ageSeconds });
    if (height < this.highest)
      throw this.silent('lagging', `its best block was ${this.highest} already and is ${height} now`, { height });
    this.highest = height;
    return { height, hash: best, timeSeconds };
  }

  /** Hash of the block that the server has at a height, unchecked; `undefined` when it has none. */
  claimedAt(height: number): Promise<string | undefined> {
    return this.http.word({ path: `/block-height/${height}`, maxBytes: SMALL_BYTES, shape: hash });
  }

  /** A block with its proven height, of whichever branch; `undefined` when the server has none. */
  block(blockHash: string): Promise<ProvenBlock | undefined> {
    const known = this.proven.get(blockHash);
    if (known !== undefined) return known;
    const proving = this.prove(blockHash);
    this.proven.set(blockHash, proving);
    proving.then(
      (block) => this.keep(blockHash, block),
      () => this.proven.delete(blockHash),
    );
    return proving;
  }

  /** Throws `dishonest_source` when the block is not in the chain that ends in `tip`. */
  async assertLinked({ header, height }: ProvenBlock, tip: Tip): Promise<void> {
    if (height > tip.height) throw this.silent('changing', 'its chain grew meanwhile', { height });
    if (tip.height - height > LINKED_DEPTH) {
      if ((await this.claimedAt(height)) === header.hash) return;
      throw this.lie('fake_confirmation', `its chain has another block than ${header.hash} at height ${height}`);
    }
    let at = tip.hash;
    for (let steps = tip.height - height; steps > 0; steps -= 1) {
      const block = await this.block(at);
      if (block === undefined) throw this.silent('changing', `it knows block ${at} no more`, {});
      at = block.header.previous;
    }
    if (at !== header.hash)
      throw this.lie('fake_confirmation', `block ${header.hash} at height ${height} is not below its tip ${tip.hash}`);
  }

  /** A raw transaction, whatever the server says about it, hashed again; `undefined` when the server has none. */
  async raw(txid: string): Promise<string | undefined> {
    const raw = await this.http.word({ path: `/tx/${txid}/hex`, maxBytes: RAW_BYTES, shape: rawHex });
    if (raw === undefined || isRawOf({ raw, txid })) return raw;
    throw this.lie('wrong_raw', `the bytes it gave for transaction ${txid} are another`);
  }

  proof(txid: string): Promise<MerkleAnswer | undefined> {
    return this.http.json({ path: `/tx/${txid}/merkle-proof`, maxBytes: SMALL_BYTES, shape: proofShape });
  }

  /** Throws `dishonest_source` when the proof does not lead from the transaction to the block's root. */
  assertIn({ hash: blockHash, merkleRoot }: Header, shown: { raw: string; proof: MerkleAnswer }): void {
    const fault = faultOf({ ...shown, merkleRoot });
    if (fault === undefined) return;
    // Such a transaction may be there indeed; no proof can tell.
    if (fault === 'transaction_is_node')
      throw this.silent('unproven', `a transaction of 64 bytes cannot be shown to be in block ${blockHash}`, {});
    const txid = txidOf(shown.raw);
    throw this.lie('fake_confirmation', `transaction ${txid} is not in block ${blockHash}, as its proof shows`);
  }

  lie(what: string, sentence: string): SparkleError {
    return dishonest({ host: this.http.host, what, sentence });
  }

  silent(reason: Reason, sentence: string, detail: Record<string, unknown>): SparkleError {
    return unavailable({ host: this.http.host, reason, sentence, detail });
  }

  private keep(blockHash: string, block: ProvenBlock | undefined): void {
    if (block === undefined) this.proven.delete(blockHash);
    else this.heights.set(blockHash, block.height);
    for (const oldest of this.proven.keys()) {
      if (this.proven.size <= MAX_PROVEN) return;
      this.proven.delete(oldest);
      this.heights.delete(oldest);
    }
  }

  private async prove(blockHash: string): Promise<ProvenBlock | undefined> {
    const { network } = this.options;
    const raw = await this.http.word({ path: `/block/${blockHash}/header`, maxBytes: SMALL_BYTES, shape: header });
    if (raw === undefined) return undefined;
    const read = readHeader(raw);
    if (read.hash !== blockHash) throw this.lie('wrong_header', `the header it gave for block ${blockHash} is another`);
    if (blockHash === networks[network].genesisHash) return { header: read, height: 0 };
    if (!hasWork(read)) throw this.lie('no_work', `block ${blockHash} was never mined`);
    if (!isHardEnough(read, network))
      throw this.silent('unproven', `block ${blockHash} is too easy for ${network} to prove anything`, { blockHash });
    const below = this.heights.get(read.previous);
    return { header: read, height: below === undefined ? await this.heightOf(read) : below + 1 };
  }

  /** BIP 34: the coinbase names the height, and its place at the left edge of the tree shows that it is the coinbase. */
  private async heightOf(read: Header): Promise<number> {
    const path = `/block/${read.hash}/txid/0`;
    const txid = await this.http.word({ path, maxBytes: SMALL_BYTES, shape: hash });
    const raw = txid === undefined ? undefined : await this.raw(txid);
    const proof = txid === undefined ? undefined : await this.proof(txid);
    if (txid === undefined || raw === undefined || proof === undefined)
      throw this.silent('changing', `it does not show the coinbase of block ${read.hash}`, {});
    const height = coinbaseHeight(raw);
    if (proof.pos !== 0 || faultOf({ raw, proof, merkleRoot: read.merkleRoot }) !== undefined || height === undefined)
      throw this.lie('fake_height', `${txid} is not the coinbase of block ${read.hash}`);
    return height;
  }
}

/** What a rule of ours says about something a server gave: its answer, or its refusal. */
function judged<T>(judge: () => T): T | SparkleError {
  try {
    return judge();
  } catch (error) {
    if (error instanceof SparkleError) return error;
    throw error;
  }
}

const hasWork = (read: Header): boolean => !(judged(() => checkWork(read)) instanceof SparkleError);

/** Why the proof does not show that the transaction is in the block with this root; `undefined` when it does. */
function faultOf({ raw, proof, merkleRoot }: { raw: string; proof: MerkleAnswer; merkleRoot: string }): unknown {
  const branch = { hashes: proof.merkle, position: proof.pos };
  const said = judged(() => checkMerkleBranch({ raw, branch, merkleRoot }));
  return said instanceof SparkleError ? said.detail['reason'] : undefined;
}
