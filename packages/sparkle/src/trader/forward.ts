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
  await assertAffordable(parts, tradeId);
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
async function assertAffordable({ store, mostForwardedSats }: Parts, tradeId: string): Promise<void> {
  if (mostForwardedSats === undefined) return;
  const sats = await inFlightSats(store);
  if (sats <= mostForwardedSats) return;
  const sentence = `payments passed on may come to ${mostForwardedSats} sats; with that of ${tradeId} it would be ${sats}`;
  throw new SparkleError('refused', sentence, { reason: 'forward_limit' });
}

const IN_FLIGHT: readonly Forwarder['state'][] = ['paying', 'announced', 'unsent'];

const sentSats = (trade: Trade): bigint =>
  trade.role === 'forwarder' && IN_FLIGHT.includes(trade.state) ? trade.totalSats : 0n;

/** What all trades have in flight to sellers, or are about to, as the buyers paid it: the way there may cost as much. */
export const inFlightSats = async (store: Pick<Store, 'committed'>): Promise<bigint> =>
  (await store.committed()).reduce((sum, trade) => sum + sentSats(trade), 0n);
