import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { z } from 'zod';
import { hex32, type ElectrumLink } from './electrum-link.ts';
import { unavailable } from './electrum-socket.ts';
import { sharedWork } from './shared-work.ts';
import type { HistoryEntry } from './electrum-transactions.ts';
import { changing, dishonest, Misfit } from './electrum-trouble.ts';

/** Servers refuse longer histories themselves; ElectrumX at about ten thousand. */
const MOST_ENTRIES = 20_000;
const MOST_SCRIPTS = 5_000;

const statusShape = hex32.nullable();
const historyShape = z
  .array(z.object({ tx_hash: hex32, height: z.number().int().min(-1).max(0x7fff_ffff) }))
  .max(MOST_ENTRIES);
const unspentShape = z.array(z.object({ tx_hash: hex32, tx_pos: z.number().int().min(0) })).max(MOST_ENTRIES);

/** How Electrum servers call a script: the SHA-256 of its bytes, reversed. */
export const scripthashOf = (script: Uint8Array): string => hex.encode(sha256(script).reverse());

const utf8 = new TextEncoder();

/** What commits to a whole history. Source: the Electrum protocol, "Status". */
export function statusOf(entries: readonly HistoryEntry[]): string | null {
  const text = entries.map(({ txid, height }) => `${txid}:${height}:`).join('');
  return text === '' ? null : hex.encode(sha256(utf8.encode(text)));
}

type Known = { status: string | null; entries: readonly HistoryEntry[]; session: number };

/** The histories of the scripts that were asked about. The server tells when one of them changes. */
export class ElectrumScripts {
  readonly #link: ElectrumLink;
  readonly #known = new Map<string, Known>();
  readonly #fetchOnce = sharedWork<HistoryEntry[]>();
  readonly #checkNotHidden: (txid: string) => Promise<void>;

  constructor(of: { link: ElectrumLink; checkNotHidden(txid: string): Promise<void> }) {
    this.#link = of.link;
    this.#checkNotHidden = of.checkNotHidden;
  }

  /** What is known, and is told about by the server, without asking it. */
  get watched(): ReadonlyMap<string, Pick<Known, 'entries' | 'session'>> {
    return this.#known;
  }

  /**
   * All transactions that touch the script, as the server has them now: its own status commits to the answer. Throws
   * `dishonest_source` when the two do not fit, or when something is missing that it has shown in a block.
   */
  async history(scripthash: string): Promise<readonly HistoryEntry[]> {
    const status = await this.#status(scripthash);
    const before = this.#known.get(scripthash);
    if (before !== undefined && before.status === status)
      return this.#keep(scripthash, { ...before, session: this.#link.session });
    // The same status commits to the same history, whoever asks.
    const entries = await this.#fetchOnce(`${scripthash}:${status}`, () => this.#fetch(scripthash));
    if (statusOf(entries) !== status) await this.#blame(scripthash, status);
    const now = new Set(entries.map(({ txid }) => txid));
    for (const { txid } of before?.entries ?? []) if (!now.has(txid)) await this.#checkNotHidden(txid);
    return this.#keep(scripthash, { status, entries, session: this.#link.session });
  }

  /** The outpoints that the server calls unspent, mempool counted. */
  async unspent(scripthash: string): Promise<ReadonlySet<string>> {
    const outputs = await this.#link.call('blockchain.scripthash.listunspent', [scripthash], unspentShape);
    return new Set(outputs.map(({ tx_hash: txid, tx_pos: vout }) => `${txid}:${vout}`));
  }

  #status(scripthash: string): Promise<string | null> {
    return this.#link.call('blockchain.scripthash.subscribe', [scripthash], statusShape);
  }

  async #fetch(scripthash: string): Promise<HistoryEntry[]> {
    const answer = await this.#link.ask('blockchain.scripthash.get_history', [scripthash]);
    if ('refusal' in answer) {
      const { words } = answer.refusal;
      const reason = /too large|too long|too many/i.test(words) ? 'history_too_large' : 'refused';
      throw unavailable(reason, `it must tell the history of a script; it refused: ${words}`, { scripthash });
    }
    const { data } = historyShape.safeParse(answer.result);
    if (data === undefined) throw unavailable('garbage', 'its history of a script has another shape', { scripthash });
    return data.map(({ tx_hash: txid, height }) => ({ txid, height }));
  }

  /** The history may have changed between the two answers; then its status has, too. */
  async #blame(scripthash: string, before: string | null): Promise<never> {
    const status = await this.#status(scripthash);
    if (status !== before) throw changing('the history of a script changed meanwhile', { scripthash });
    const sentence = 'the history it tells of a script is not the one that its own status commits to';
    throw new Misfit(dishonest('hidden_transaction', sentence, { scripthash, status }));
  }

  #keep(scripthash: string, known: Known): readonly HistoryEntry[] {
    this.#known.delete(scripthash);
    this.#known.set(scripthash, known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST_SCRIPTS) break;
      this.#known.delete(oldest);
      // Servers before protocol 1.4.2 cannot, and say so; then they tell for nothing.
      this.#link.ask('blockchain.scripthash.unsubscribe', [oldest]).catch(() => undefined);
    }
    return known.entries;
  }
}
