import type { Kysely } from 'kysely';
import type { Chain } from 'sparkle-protocol/chain/chain';
import { FINAL_CONFIRMATIONS, lastRevealHeight, searchFromHeight } from 'sparkle-protocol/protocol/deadlines';
import { decodeTransaction, txidOf } from 'sparkle-protocol/protocol/draft';
import { errorCodeOf, SparkleError } from 'sparkle-protocol/protocol/errors';
import type { HoldSeller } from 'sparkle-protocol/protocol/trade/state';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';
import { freshHeight } from 'sparkle-protocol/trader/tip';
import type { ClaimState, ClaimTables } from '../database/migrations/0010-claims.ts';

export type ClaimParts = {
  tables: Kysely<ClaimTables>;
  chain: Pick<Chain, 'tip' | 'spender' | 'broadcast' | 'subscribe'>;
  clock: Clock;
  network: NetworkName;
  log: Log;
};

/** A node that comes back with the best block that it had tells of none. */
const PUSH_MILLISECONDS = 60_000;

type Claim = {
  txid: string;
  tradeId: string;
  raw: string;
  fromHeight: number;
  lastRevealHeight: number;
  state: ClaimState;
};

/**
 * The claims that buyers have handed over with their preimages. Our payment is settled as soon as one was seen, so that
 * its trade may have ended while it waits; a node that was killed forgets what waits, and so may any mempool. So each is
 * noted before it is sent, and sent again until it is buried: a buyer who has paid and gone home gets his inscription.
 */
export class Claims {
  readonly #parts: ClaimParts;
  #pushing: Promise<void> | undefined;
  #isStopped = false;

  constructor(parts: ClaimParts) {
    this.#parts = parts;
  }

  /**
   * Sends a claim of this trade that was checked. Throws what `Chain.broadcast` throws: what it refuses is not kept, unless
   * it was taken before.
   */
  async send({ tradeId, terms }: Pick<HoldSeller, 'tradeId' | 'terms'>, raw: string): Promise<void> {
    const { tables, chain } = this.#parts;
    const txid = txidOf(raw);
    await tables
      .insertInto('claim')
      .values({
        ...{ txid, trade_id: tradeId, raw, state: 'noted' },
        ...{ from_height: searchFromHeight(terms), last_reveal_height: lastRevealHeight(terms) },
      })
      .onConflict((known) => known.column('txid').doUpdateSet({ state: 'noted' }).where('claim.state', '=', 'over'))
      .execute();
    try {
      await chain.broadcast([raw]);
    } catch (error) {
      if (error instanceof SparkleError && error.code === 'broadcast_refused')
        await this.#becomes('over', { txid, was: 'noted' });
      throw error;
    }
    await this.#becomes('sent', { txid, was: 'noted' });
  }

  /** Sends again with each block, and once a minute, what is not buried, until the returned function is called. */
  start(): () => void {
    const { chain, clock } = this.#parts;
    const stop = chain.subscribe((event) => {
      if (event.type === 'tip' || event.type === 'reorg') void this.push();
    });
    const stopLooking = clock.every(PUSH_MILLISECONDS, () => void this.push());
    void this.push();
    return () => {
      this.#isStopped = true;
      stopLooking();
      stop();
    };
  }

  /** The same once. Never rejects: what could not be done is done with the next block. */
  push(): Promise<void> {
    return (this.#pushing ??= this.#push().finally(() => (this.#pushing = undefined)));
  }

  /** Resolves when nothing is being sent. */
  async idle(): Promise<void> {
    await this.#pushing;
  }

  async #push(): Promise<void> {
    const { log } = this.#parts;
    const failed = (tradeId: string) => (error: unknown) =>
      log.warn({ tradeId, code: errorCodeOf(error), error: String(error) }, 'a claim could not be sent again');
    const open = await this.#open().catch((error: unknown) => (failed('')(error), []));
    for (const claim of open) if (!this.#isStopped) await this.#follow(claim).catch(failed(claim.tradeId));
  }

  async #follow(claim: Claim): Promise<void> {
    const { txid, raw, fromHeight } = claim;
    const { chain } = this.#parts;
    const [lock] = decodeTransaction(raw).inputs;
    const spender = lock === undefined ? undefined : await chain.spender(lock.outpoint, fromHeight);
    if (spender === undefined) return this.#sendAgain(claim);
    // Another claim, or ours, that is in the mempool or not deep enough yet.
    if (spender.block === undefined) return;
    if ((await chain.tip()).height - spender.block.height + 1 >= FINAL_CONFIRMATIONS)
      await this.#becomes('over', { txid, was: claim.state });
  }

  /**
   * What was not sent in time shows its preimage to nobody (R - 36): from R on the seller could take his inscription back and
   * the payment too. What has left us may be known to all, and has to be in a block.
   */
  async #sendAgain({ txid, tradeId, raw, state, lastRevealHeight: last }: Claim): Promise<void> {
    const { chain, log } = this.#parts;
    if (state === 'noted' && (await freshHeight(this.#parts)) > last) {
      log.warn({ tradeId, txid }, 'a claim that was handed over could not be sent in time, and is kept back');
      return this.#becomes('over', { txid, was: 'noted' });
    }
    await chain.broadcast([raw]);
    await this.#becomes('sent', { txid, was: 'noted' });
  }

  async #open(): Promise<Claim[]> {
    const rows = await this.#parts.tables.selectFrom('claim').selectAll().where('state', '!=', 'over').execute();
    return rows.map(({ txid, trade_id: tradeId, raw, from_height: fromHeight, ...row }) => ({
      ...{ txid, tradeId, raw, fromHeight },
      ...{ lastRevealHeight: row.last_reveal_height, state: row.state },
    }));
  }

  async #becomes(state: ClaimState, { txid, was }: { txid: string; was: ClaimState }): Promise<void> {
    const one = this.#parts.tables.updateTable('claim').set({ state }).where('txid', '=', txid);
    await one.where('state', '=', was).execute();
  }
}
