import type { Lightning, LightningCapabilities } from 'sparkle-protocol/lightning/lightning';
import { sumSats } from 'sparkle-protocol/protocol/amount';
import { errorCodeOf, SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { createLanes } from 'sparkle-protocol/trader/lanes';
import type { Log } from 'sparkle-protocol/trader/log';
import { isStuck, type Payout, type PayoutEvent, step } from './payout.ts';
import { hashReused, invoiceFor, type PayoutInvoiceParts, whyOf } from './payout-invoice.ts';
import type { Kept, PayoutRows } from './payout-rows.ts';
import { Places } from './places.ts';
import type { Owed } from './royalties.ts';

export type PayoutParts = {
  rows: PayoutRows;
  lightning: Pick<Lightning, 'nodeId' | 'payment' | 'invoice' | 'pay' | 'subscribe'>;
  network: PayoutInvoiceParts['network'];
  reach: PayoutInvoiceParts['reach'];
  /** Whether the operator lets his node pay; what is owed is owed in any case. */
  isOn: boolean;
  /** Part of a payout that the way to its creator may cost, in basis points, and 5 sats more. */
  routeFeeBps: number;
  clock: Pick<Clock, 'nowSeconds' | 'every'>;
  log: Log;
  /** What is said to it reaches a human. */
  alarms: Log;
};

const SWEEP_MILLISECONDS = 10_000;
const ROUTE_FEE_MSAT = 5_000n;
/** Of the market fee, the part that all ways to creators together may cost: the rest is the market's in any case. */
const MOST_ROUTE_PERCENT = 50n;
/** Three days: a creator who holds his payment back keeps no more than that of our channels. */
const MOST_ROUTE_BLOCKS = 432;
const PAY_TIMEOUT_SECONDS = 60;
/** From an invoice to its order, what became of that, and one more should it have failed at once. */
const MOST_STEPS = 5;
const LANE = 'payouts';

/**
 * The most that the way to a creator may cost: so many basis points of his part and 5 sats, and never more than `feeMsat`, his
 * share of what the sale has left for ways. Whoever is owner, buyer, creator and the last hop to him in one would otherwise
 * earn by trading with himself.
 */
export function routeFeeMsat({
  amountSats,
  bps,
  feeMsat,
}: {
  amountSats: bigint;
  bps: number;
  feeMsat: bigint;
}): bigint {
  const most = (amountSats * 1000n * BigInt(bps)) / 10_000n + ROUTE_FEE_MSAT;
  return most < feeMsat ? most : feeMsat;
}

/** Throws `bad_config` for a node that cannot pay, or cannot bound what the way costs and how long it takes. */
export function assertCanPayOut(capabilities: LightningCapabilities): void {
  const missing = (['pay', 'feeCap', 'routeCap'] as const).filter((needed) => !capabilities[needed]);
  if (missing.length === 0) return;
  const sentence = `LIGHTNING_ROYALTIES must be no with a Lightning node that lacks ${missing.join(', ')}; got yes`;
  throw new SparkleError('bad_config', sentence, { field: 'LIGHTNING_ROYALTIES', missing });
}

/**
 * Pays what is owed over Lightning. What is to be done is decided by `step`, written, and only then done: an order to pay is
 * noted with its payment hash before it leaves, and the node pays a hash once at most. So it may be killed anywhere, and any
 * number of instances may work at it.
 */
export class Payouts {
  readonly #parts: PayoutParts;
  /** Sales of which a human was told, once for all who are owed by one. */
  readonly #told = new Set<string>();
  readonly #lanes = createLanes();
  readonly #places = new Places();
  readonly #working = new Set<Promise<void>>();
  /** Whether somebody waits until a place is free. */
  #isFull = false;
  #isStopped = false;

  constructor(parts: PayoutParts) {
    this.#parts = parts;
  }

  /** Looks at once at what may be under way, and begins to pay, until the returned function is called. */
  start(): () => void {
    const { clock, lightning } = this.#parts;
    const stops = [
      clock.every(SWEEP_MILLISECONDS, () => this.#soon()),
      lightning.subscribe(({ type, paymentHash }) => {
        if (type === 'payment') void this.#heard(paymentHash).catch(this.#failed);
      }),
    ];
    void this.#lanes.run(LANE, () => this.#resume());
    this.#soon();
    return () => {
      this.#isStopped = true;
      stops.forEach((stop) => stop());
    };
  }

  /** Notes what is owed for a sale that was paid; once, however often it is told. */
  async owe(of: { tradeId: string; parts: readonly Owed[]; marketFeeSats: bigint }): Promise<void> {
    const { tradeId, parts: owed, marketFeeSats } = of;
    if (owed.length === 0) return;
    const { rows, clock, routeFeeBps: bps } = this.#parts;
    const feeMsat = (marketFeeSats * 1000n * MOST_ROUTE_PERCENT) / 100n / BigInt(owed.length);
    const parts = owed.map((part) => ({
      ...part,
      maxFeeMsat: routeFeeMsat({ amountSats: part.valueSats, bps, feeMsat }),
    }));
    await rows.owe({ tradeId, parts, at: clock.nowSeconds() });
    this.#soon();
  }

  unpaid(): Promise<Payout[]> {
    return this.#parts.rows.unpaid();
  }

  /** Does what is due now and finds a place. Never rejects: what could not be done is when this is called again. */
  async catchUp(): Promise<void> {
    await this.#begin().catch(this.#failed);
    await Promise.all(this.#working);
    await this.#alarm().catch(this.#failed);
  }

  /** Resolves when nothing is being worked on. */
  async idle(): Promise<void> {
    do {
      await Promise.all(this.#working);
      await this.#lanes.idle();
    } while (this.#working.size > 0);
  }

  /** Begins with what is due, and waits for nothing of it: a service, or a payment, takes as long as a stranger likes. */
  async #begin(): Promise<void> {
    const { rows, clock, isOn } = this.#parts;
    const due = isOn ? await rows.due(clock.nowSeconds()) : [];
    this.#isFull = false;
    for (const kept of due) {
      if (this.#isStopped) return;
      if (this.#places.take(kept.payout)) this.#serve(kept);
      else this.#isFull = true;
    }
  }

  #serve(kept: Kept): void {
    const { payoutId } = kept.payout;
    const failed = (error: unknown) => (this.#failed(error), false);
    const work = this.#follow(kept)
      .then(() => true, failed)
      .then((isDone) => {
        this.#places.leave(payoutId);
        this.#working.delete(work);
        // What failed is still due: it has its turn with the next look, and not at once.
        if (isDone && this.#isFull) this.#soon();
      });
    this.#working.add(work);
  }

  #soon(): void {
    void this.#lanes.later(LANE, async () => {
      if (this.#isStopped) return;
      await this.#begin().catch(this.#failed);
      await this.#alarm().catch(this.#failed);
    });
  }

  /** What was ordered before a restart may have ended meanwhile. What is due besides is not asked for here: it may take long. */
  async #resume(): Promise<void> {
    const { rows, clock, isOn } = this.#parts;
    if (!isOn) return;
    const paying = await rows.paying().catch((error: unknown) => (this.#failed(error), []));
    for (const kept of paying)
      if (!this.#isStopped && kept.payout.dueAt > clock.nowSeconds()) await this.#follow(kept).catch(this.#failed);
  }

  /** A hint that a payment has ended: what became of it is looked up. */
  async #heard(paymentHash: string): Promise<void> {
    const { rows, isOn } = this.#parts;
    const kept = isOn ? await rows.byHash(paymentHash) : undefined;
    if (kept !== undefined) await this.#follow(kept);
  }

  /** Takes a payout as far as it goes without waiting. */
  async #follow(kept: Kept): Promise<void> {
    let at = kept;
    let refusal: string | undefined;
    for (let steps = 0; steps < MOST_STEPS && !this.#isStopped; steps += 1) {
      const next = await this.#move(at, await this.#ask(at.payout, refusal));
      if (next === undefined) return;
      refusal = next.order ? await this.#order(next.kept.payout) : undefined;
      at = next.kept;
    }
  }

  /** What the address or the node says. */
  async #ask(payout: Payout, why: string | undefined): Promise<PayoutEvent> {
    const { lightning, network, reach, clock } = this.#parts;
    if (payout.state !== 'paying')
      return invoiceFor(payout, { lightning, network, reach, nowSeconds: () => clock.nowSeconds() });
    const payment = await lightning.payment(payout.paymentHash);
    return { type: 'looked', payment, ...(why === undefined ? {} : { why }) };
  }

  /** Writes what this event makes of it; nothing where there is nothing more to be done now. */
  async #move(kept: Kept, event: PayoutEvent): Promise<{ kept: Kept; order: boolean } | undefined> {
    const { rows, clock, log } = this.#parts;
    const at = clock.nowSeconds();
    const { payout: after, order } = step(kept.payout, event, at);
    if (after === kept.payout) return undefined;
    const moved = await rows.move(kept, after, at);
    if (moved === 'reused' && event.type === 'invoiced') return this.#move(kept, hashReused);
    if (moved !== 'moved') return undefined;
    const { payoutId, tradeId, state, attempts, why } = after;
    log.info({ payoutId, tradeId, state, attempts, why }, 'a royalty that is paid over Lightning went on');
    if (state === 'given_up') this.#giveUp(after);
    if (state === 'paid' || state === 'given_up' || event.type === 'uninvoiced') return undefined;
    return { kept: { payout: after, version: kept.version + 1 }, order };
  }

  /** Tells the node to pay. What it answers decides nothing: `payment` does. */
  async #order(payout: Payout): Promise<string | undefined> {
    if (payout.state !== 'paying') return undefined;
    const { lightning } = this.#parts;
    const { bolt11, maxFeeMsat } = payout;
    const caps = { maxCltvBlocks: MOST_ROUTE_BLOCKS, timeoutSeconds: PAY_TIMEOUT_SECONDS };
    try {
      await lightning.pay({ bolt11, maxFeeMsat, ...caps });
      return undefined;
    } catch (error) {
      return whyOf(error);
    }
  }

  /** A human is told once of a sale whose royalty does not go on by itself, and once more after a restart. */
  async #alarm(): Promise<void> {
    const { rows, clock, alarms } = this.#parts;
    const now = clock.nowSeconds();
    const stuck = (await rows.unpaid()).filter((payout) => isStuck(payout, now));
    for (const { payoutId, tradeId, to, why } of stuck) {
      if (this.#told.has(tradeId)) continue;
      this.#told.add(tradeId);
      const all = stuck.filter((other) => other.tradeId === tradeId);
      const sats = sumSats(all.map(({ amountSats }) => amountSats));
      const whom = all.length === 1 ? to : `${to} and ${all.length - 1} more creators`;
      const sentence = `a royalty of ${sats} sats is still owed to ${whom} (${why})`;
      alarms.error({ level: 'warn', code: 'royalty_unpaid', tradeId, payoutId }, sentence);
    }
  }

  #giveUp({ payoutId, tradeId, amountSats, to, why }: Payout): void {
    const sentence = `a royalty of ${amountSats} sats to ${to} was tried for a month and is not tried any more (${why})`;
    const said = `given up ${tradeId}`;
    if (this.#told.has(said)) return;
    this.#told.add(said);
    this.#parts.alarms.error({ level: 'warn', code: 'royalty_given_up', tradeId, payoutId }, sentence);
  }

  readonly #failed = (error: unknown): void => {
    this.#parts.log.warn(
      { code: errorCodeOf(error), error: String(error) },
      'what is owed over Lightning could not be seen to yet',
    );
  };
}
