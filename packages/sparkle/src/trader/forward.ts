import { checkForward } from '../protocol/checks-forward.ts';
import { forwardRouteCapBlocks } from '../protocol/deadlines.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { Effect } from '../protocol/trade/effect.ts';
import type { Forwarder } from '../protocol/trade/state.ts';
import type { Trade } from '../protocol/trade/step.ts';
import type { Store } from '../store/store.ts';
import type { Parts } from './parts.ts';
import { freshHeight } from './tip.ts';

type Do<E extends Effect['do']> = Extract<Effect, { do: E }>;

const PAY_TIMEOUT_SECONDS = 60;
/** An order that stood still for longer between its checks and the node is checked anew. */
const MOST_STANDING_SECONDS = 3;

type Order = { key: string; effect: Do<'forward_payment'> };

/**
 * Pays the seller, at most once, and only while all of the buyer's payment is held for so long that ours ends well before:
 * the cap on the route is taken from what our node says now, not from what it said when it was decided.
 */
export async function forwardPayment(parts: Parts, { key, effect }: Order): Promise<void> {
  const { lightning, clock, store } = parts;
  const { front, bolt11, maxFeeMsat } = effect;
  const { tradeId, paymentHash } = front;
  const { state } = await lightning.payment(paymentHash);
  // Not after a failure either: a second try whose answer is lost would stand behind the failure of the first.
  if (state !== 'unknown') return;
  const trade = await store.load(tradeId);
  if (trade?.role !== 'forwarder' || (trade.state !== 'paying' && trade.state !== 'announced'))
    throw new SparkleError('too_late', `the seller is paid while the trade wants it; it is ${trade?.state}`);
  await assertAffordable(parts, trade);
  const checkedAt = clock.nowSeconds();
  const height = await freshHeight(parts);
  const held = await lightning.invoice(paymentHash);
  if (held.state !== 'held')
    throw new SparkleError('invoice_not_held', `the buyer's payment must be held; it is ${held.state}`, { ...held });
  const check = { front, sellerInvoice: bolt11, held, height, nowSeconds: clock.nowSeconds() };
  const [failure] = checkForward(check);
  if (failure !== undefined) throw new SparkleError('refused', failure.sentence, { reason: failure.code });
  const maxCltvBlocks = forwardRouteCapBlocks({ expiryHeight: held.expiryHeight, height });
  await assertOurs(parts, { key, checkedAt });
  await lightning.pay({ bolt11, maxFeeMsat, maxCltvBlocks, timeoutSeconds: PAY_TIMEOUT_SECONDS });
}

/**
 * No database can call back an order that is on its way to a node. So the store says last that the trade is still ours, and
 * whoever takes it over from here on knows that an order may have left: he gives nothing back before it would have shown.
 */
async function assertOurs({ store, clock }: Parts, { key, checkedAt }: { key: string; checkedAt: number }) {
  await store.postpone(key, 0);
  const stoodSeconds = clock.nowSeconds() - checkedAt;
  if (stoodSeconds <= MOST_STANDING_SECONDS) return;
  const sentence = `an order must reach the node within ${MOST_STANDING_SECONDS} s of its checks; it took ${stoodSeconds} s`;
  throw new SparkleError('lightning_unavailable', sentence, { stoodSeconds });
}

/** What is in flight is bound in our channels and may be lost with a bug of ours: not more than the operator said. */
async function assertAffordable({ store, mostForwardedSats: mostSats }: Parts, trade: Forwarder): Promise<void> {
  if (mostSats === undefined) return;
  const { tradeId, totalSats: sats, want } = trade;
  const full = await whatIsFull(store, { tradeId, sats, sellerId: want.sellerId, mostSats });
  if (full === undefined) return;
  const sentence = `payments passed on may come to ${mostSats} sats, and a quarter of it to one seller; with that of ${tradeId} it would be more`;
  throw new SparkleError('refused', sentence, { reason: full === 'all' ? 'forward_limit' : 'forward_limit_seller' });
}

const IN_FLIGHT: readonly Forwarder['state'][] = ['paying', 'announced', 'unsent'];
/** Of all that may be in flight, the part that may be on its way to one seller, unless it is a single payment. */
const PARTS = 4n;

const isInFlight = (trade: Trade): trade is Forwarder => trade.role === 'forwarder' && IN_FLIGHT.includes(trade.state);
const sumOf = (trades: readonly Forwarder[]): bigint => trades.reduce((sum, { totalSats }) => sum + totalSats, 0n);

/**
 * Why one more payment may not be passed on: as the buyers paid it, for the way may cost as much, all in flight would come to
 * more than `mostSats`, or those to its seller to more than a quarter. A seller who is his own buyer binds no more than that
 * with one key. `tradeId` is the one that is asked about, should it be among those that live.
 */
export async function whatIsFull(
  store: Pick<Store, 'committed'>,
  of: { tradeId?: string; sats: bigint; sellerId: string; mostSats: bigint },
): Promise<'all' | 'seller' | undefined> {
  const { tradeId, sats, sellerId, mostSats } = of;
  const others = (await store.committed()).filter(isInFlight).filter((trade) => trade.tradeId !== tradeId);
  if (sumOf(others) + sats > mostSats) return 'all';
  const his = others.filter(({ want }) => want.sellerId === sellerId);
  return his.length > 0 && sumOf(his) + sats > mostSats / PARTS ? 'seller' : undefined;
}
