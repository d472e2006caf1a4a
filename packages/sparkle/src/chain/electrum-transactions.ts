import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import type { Header } from '../protocol/header.ts';
import { checkMerkleBranch } from '../protocol/merkle.ts';
import { readTransaction, type Transaction } from '../protocol/transaction.ts';
import type { HeaderChain } from './electrum-headers.ts';
import { readServersHeader } from './electrum-headers.ts';
import { hex32, type ElectrumLink } from './electrum-link.ts';
import { unavailable } from './electrum-socket.ts';
import { sharedWork } from './shared-work.ts';
import { changing, dishonest, Misfit } from './electrum-trouble.ts';

/** A line of a script's history: `height` is 0 or -1 while the transaction is only in the mempool. */
export type HistoryEntry = { txid: string; height: number };

export type Place = { height: number; hash: string };

export type Body = { raw: string; transaction: Transaction };

const MOST_BODY_CHARACTERS = 64_000_000;
const MOST_PROOFS = 20_000;

const rawShape = z.string().regex(/^([0-9a-f]{2})+$/);
const merkleShape = z.object({
  block_height: z.number().int(),
  pos: z.number().int().min(0),
  merkle: z.array(hex32).max(64),
});
export const headerShape = z.string().regex(/^[0-9a-f]{160}$/);

/** ElectrumX and Fulcrum repeat Bitcoin Core's words (code -5), electrs and others have words of their own. */
const isUnknown = (words: string): boolean =>
  /no such mempool (or blockchain )?transaction|'code': -5\b|missing transaction|transaction not found|unknown transaction/i.test(
    words,
  );

function dropOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) return void map.delete(key);
}

/** The transactions of one server: their bytes hashed again, their blocks shown by merkle branches. */
export class ElectrumTransactions {
  readonly #link: ElectrumLink;
  readonly #headers: HeaderChain;
  readonly #bodies = new Map<string, Body>();
  readonly #proofs = new Map<string, Place>();
  readonly #fetchOnce = sharedWork<Body | undefined>();
  readonly #proveOnce = sharedWork<Place>();
  #characters = 0;

  constructor(of: { link: ElectrumLink; headers: HeaderChain }) {
    this.#link = of.link;
    this.#headers = of.headers;
  }

  /** As the server has it now, mempool or block; `undefined` when it says that it has none. */
  async fetch(txid: string): Promise<Body | undefined> {
    const answer = await this.#link.ask('blockchain.transaction.get', [txid, false]);
    if ('refusal' in answer) {
      const { words } = answer.refusal;
      if (isUnknown(words)) return undefined;
      throw unavailable('refused', `it must say where transaction ${txid} is; it refused: ${words}`, { txid });
    }
    const raw = rawShape.safeParse(answer.result).data;
    if (raw === undefined) throw unavailable('garbage', `it must send transaction ${txid} as hex`, { txid });
    return this.#read(txid, raw);
  }

  /** For what the txid commits to, which never changes: the witnesses may be those of another time. */
  async known(txid: string): Promise<Body | undefined> {
    const kept = this.#bodies.get(txid);
    if (kept === undefined) {
      return this.#fetchOnce(txid, async () => {
        const body = await this.fetch(txid);
        if (body !== undefined) this.#keep(txid, body);
        return body;
      });
    }
    this.#bodies.delete(txid);
    this.#bodies.set(txid, kept);
    return kept;
  }

  /** The block that this server has shown the transaction to be in, if it still is in the best chain. */
  async shownIn(txid: string): Promise<Place | undefined> {
    const place = this.#proofs.get(txid);
    if (place === undefined || place.height > this.#headers.tip.height) return undefined;
    return (await this.#headers.at(place.height)).hash === place.hash ? place : undefined;
  }

  /** Throws `dishonest_source` when the server leaves out what it has shown in a block that is still in its chain. */
  async checkNotHidden(txid: string): Promise<void> {
    const place = await this.shownIn(txid);
    if (place === undefined || (await this.#serversHash(place.height)) !== place.hash) return;
    const sentence = `it leaves out transaction ${txid}, which it has shown in block ${place.hash}`;
    throw new Misfit(dishonest('hidden_transaction', sentence, { txid, ...place }));
  }

  /** The block of a confirmed entry, shown by its merkle branch. */
  async prove({ txid, height }: HistoryEntry, raw: string): Promise<Place> {
    if (height > this.#headers.tip.height) await this.#reach(height);
    const header = await this.#headers.at(height);
    const shown = this.#proofs.get(txid);
    if (shown?.height === height && shown.hash === header.hash) return shown;
    return this.#proveOnce(`${txid}:${header.hash}`, () => this.#proveIn({ txid, height, raw, header }));
  }

  async #proveIn(claim: { txid: string; height: number; raw: string; header: Header }): Promise<Place> {
    const { txid, height, raw, header } = claim;
    const answer = await this.#link.ask('blockchain.transaction.get_merkle', [txid, height]);
    if ('refusal' in answer)
      throw changing(`it does not show transaction ${txid} at height ${height}`, { txid, height });
    const { data } = merkleShape.safeParse(answer.result);
    if (data === undefined) throw unavailable('garbage', 'its merkle branch has another shape', { txid });
    try {
      checkMerkleBranch({ raw, branch: { hashes: data.merkle, position: data.pos }, merkleRoot: header.merkleRoot });
    } catch (error) {
      if (!(error instanceof SparkleError) || error.code !== 'bad_proof') throw error;
      await this.#blame({ txid, height, hash: header.hash, error });
    }
    return this.#keepProof(txid, { height, hash: header.hash });
  }

  async #blame(claim: { txid: string; height: number; hash: string; error: SparkleError }): Promise<never> {
    const { txid, height, hash, error } = claim;
    const detail = { txid, height, hash, fault: error.detail['reason'] };
    if ((await this.#serversHash(height)) !== hash) throw changing('the block of a transaction was replaced', detail);
    // Such a transaction may be there indeed; no proof can tell.
    if (error.detail['reason'] === 'transaction_is_node')
      throw unavailable('unproven', `no server can show that ${txid} is in a block: it has 64 bytes`, detail);
    const sentence = `it says that transaction ${txid} is in block ${hash}, and its proof does not show it`;
    throw dishonest('fake_confirmation', `${sentence}: ${error.message}`, detail, error);
  }

  /** What stands at a height in the server's chain at this moment, whether it is announced already or not. */
  async #serversHash(height: number): Promise<string | undefined> {
    const answer = await this.#link.ask('blockchain.block.header', [height]);
    const raw = 'refusal' in answer ? undefined : headerShape.safeParse(answer.result).data;
    return raw === undefined ? undefined : readServersHeader(raw).hash;
  }

  /** Servers name a new block in histories a moment before they announce it. */
  async #reach(height: number): Promise<void> {
    const answer = await this.#link.ask('blockchain.block.header', [height]);
    const raw = 'refusal' in answer ? undefined : headerShape.safeParse(answer.result).data;
    if (raw === undefined) throw changing(`it names a block at height ${height} that it does not have`, { height });
    await this.#headers.follow({ height, raw });
  }

  #read(txid: string, raw: string): Body {
    try {
      const transaction = readTransaction(raw);
      if (transaction.txid === txid) return { raw, transaction };
    } catch (error) {
      if (!(error instanceof SparkleError)) throw error;
    }
    throw dishonest('wrong_raw', `asked for transaction ${txid} it sends the bytes of something else`, { txid });
  }

  #keep(txid: string, body: Body): void {
    this.#bodies.set(txid, body);
    this.#characters += body.raw.length;
    for (const [oldest, { raw }] of this.#bodies) {
      if (this.#characters <= MOST_BODY_CHARACTERS) break;
      this.#bodies.delete(oldest);
      this.#characters -= raw.length;
    }
  }

  #keepProof(txid: string, place: Place): Place {
    this.#proofs.delete(txid);
    this.#proofs.set(txid, place);
    if (this.#proofs.size > MOST_PROOFS) dropOldest(this.#proofs);
    return place;
  }
}
