import type { Chain } from 'sparkle-protocol/chain/chain';
import { fetchLastStep, fetchSatProof } from 'sparkle-protocol/ordinals/sat-proof';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { SatProof } from 'sparkle-protocol/protocol/satproof';
import { type Clock, within } from 'sparkle-protocol/trader/clock';

/** An inscription and the transaction that locks it; `from` is where it lay before. */
export type Way = { inscriptionId: string; lastRaw: string; lastTxid: string; from: string };

const MOST_TRANSACTIONS = 4_096;
const MOST_KEPT = 16;
/** A node without an index of spends reads every block since the reveal. */
const MOST_WAIT_MILLISECONDS = 5_000;

/** The proofs of where locked inscriptions came from: each made once, and kept while it may be asked for again. */
export class SatProofs {
  readonly #parts: { chain: Chain; clock: Clock };
  readonly #whole = new Map<string, Promise<SatProof | undefined>>();

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
    return whole ?? fetchLastStep({ chain, maxTransactions: MOST_TRANSACTIONS, ...way }).catch(orNothing);
  }

  #wholeOf(way: Way): Promise<SatProof | undefined> {
    const known = this.#whole.get(way.lastTxid);
    if (known !== undefined) return known;
    const making = fetchSatProof({ chain: this.#parts.chain, maxTransactions: MOST_TRANSACTIONS, ...way }).catch(
      (error: unknown) => {
        // A way that cannot be shown today may be tomorrow, when its source has caught up.
        this.#whole.delete(way.lastTxid);
        return orNothing(error);
      },
    );
    this.#whole.set(way.lastTxid, making);
    for (const oldest of this.#whole.keys()) {
      if (this.#whole.size <= MOST_KEPT) break;
      this.#whole.delete(oldest);
    }
    return making;
  }
}

function orNothing(error: unknown): undefined {
  if (error instanceof SparkleError) return undefined;
  throw error;
}
