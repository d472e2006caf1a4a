import type { Chain } from 'sparkle-protocol/chain/chain';
import { fetchLastStep, fetchSatProof } from 'sparkle-protocol/ordinals/sat-proof';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { SatProof } from 'sparkle-protocol/protocol/satproof';
import { type Clock, within } from 'sparkle-protocol/trader/clock';

/** An inscription and the transaction that locks it; `from` is where it lay before, if that is known. */
export type Way = { inscriptionId: string; lastRaw: string; lastTxid: string; from?: string };

const MOST_TRANSACTIONS = 4_096;
/** Of up to 2 MB each. */
const MOST_KEPT = 16;
/** How long a caller waits for the whole way. */
const MOST_WAIT_MILLISECONDS = 5_000;
/** A node without an index of spends reads every block since the reveal, and has trades to watch besides. */
const MOST_SEARCHES = 2;
/** A search that takes longer gives its place to another's, and goes on from there when it is asked for after its rest. */
const MOST_SEARCH_MILLISECONDS = 15 * 60_000;
const REST_SECONDS = 15 * 60;

type Search = { end: AbortController; done: Promise<SatProof | undefined> };

/**
 * The proofs of where locked inscriptions came from. Each is searched for once at a time, by few at a time and not for ever,
 * and kept: its transactions name each other by their txids, so it never changes.
 */
export class SatProofs {
  readonly #parts: { chain: Chain; clock: Clock };
  readonly #kept = new Map<string, SatProof>();
  readonly #searches = new Map<string, Search>();
  readonly #restingUntil = new Map<string, number>();

  constructor(parts: { chain: Chain; clock: Clock }) {
    this.#parts = parts;
  }

  /**
   * The whole way where it is known by now, else its last step: whoever asks again later may get all of it. `undefined` where
   * not even that can be shown.
   */
  async of(way: Way): Promise<SatProof | undefined> {
    const { clock, chain } = this.#parts;
    const whole = await within(clock, MOST_WAIT_MILLISECONDS, this.#wholeOf(way)).catch(orNothing);
    const { from } = way;
    if (whole !== undefined || from === undefined) return whole;
    return fetchLastStep({ chain, maxTransactions: MOST_TRANSACTIONS, ...way, from }).catch(orNothing);
  }

  /** Ends every search. */
  async close(): Promise<void> {
    const searches = [...this.#searches.values()];
    for (const { end } of searches) end.abort(new SparkleError('busy', 'the coordinator ends'));
    await Promise.all(searches.map(({ done }) => done.catch(() => undefined)));
  }

  async #wholeOf(way: Way): Promise<SatProof | undefined> {
    const { lastTxid } = way;
    const kept = this.#kept.get(lastTxid);
    if (kept === undefined) return (this.#searches.get(lastTxid) ?? this.#begin(way))?.done;
    this.#keep(lastTxid, kept);
    return kept;
  }

  /** Nobody has a place who does not leave it for a while: else whoever asks often enough has it for ever. */
  #begin(way: Way): Search | undefined {
    const { lastTxid } = way;
    const now = this.#parts.clock.nowSeconds();
    for (const [rested, until] of this.#restingUntil) if (until <= now) this.#restingUntil.delete(rested);
    if (this.#searches.size >= MOST_SEARCHES || this.#restingUntil.has(lastTxid)) return undefined;
    const end = new AbortController();
    const search = { end, done: this.#search(way, end).finally(() => this.#searches.delete(lastTxid)) };
    this.#searches.set(lastTxid, search);
    return search;
  }

  async #search(way: Way, end: AbortController): Promise<SatProof | undefined> {
    const { chain, clock } = this.#parts;
    const stop = clock.every(MOST_SEARCH_MILLISECONDS, () => {
      this.#restingUntil.set(way.lastTxid, clock.nowSeconds() + REST_SECONDS);
      end.abort(new SparkleError('busy', 'the way must be found in time; it was not'));
    });
    try {
      const { signal } = end;
      const proof = await fetchSatProof({ chain, maxTransactions: MOST_TRANSACTIONS, signal, ...way });
      this.#keep(way.lastTxid, proof);
      return proof;
    } catch (error) {
      // A way that cannot be shown today may be tomorrow, when its source has caught up.
      return orNothing(error);
    } finally {
      stop();
    }
  }

  #keep(lastTxid: string, proof: SatProof): void {
    this.#kept.delete(lastTxid);
    this.#kept.set(lastTxid, proof);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
    }
  }
}

function orNothing(error: unknown): undefined {
  if (error instanceof SparkleError) return undefined;
  throw error;
}
