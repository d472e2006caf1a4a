import { readKnownInvoice } from '../protocol/bolt11.ts';
import { isHeldInFull } from '../protocol/checks.ts';
import { mayPass, SparkleError } from '../protocol/errors.ts';
import type { TradeKeys } from '../protocol/keys.ts';
import type { TradeMessage } from '../protocol/messages.ts';
import { isPreimageOf } from '../protocol/preimage.ts';
import type { Broadcast, Effect } from '../protocol/trade/effect.ts';
import type { TradeEvent } from '../protocol/trade/event.ts';
import type { Trade } from '../protocol/trade/step.ts';
import type { Terms } from '../protocol/trade/terms.ts';
import type { Due } from '../store/store.ts';
import { abortFillFor, abortFor, bumpFor, claimFor, fillFor, lockFor, presignFor, refundFor } from './build.ts';
import { cancel } from './cancel.ts';
import type { Purse } from './coins.ts';
import { forwardPayment } from './forward.ts';
import type { Parts } from './parts.ts';
import { freshHeight } from './tip.ts';

/** What a trader can do that no port does: its keys, its voice, its purse. */
export type Hands = {
  keys(index: number): TradeKeys;
  say(to: string, message: TradeMessage): Promise<void>;
  purse: Purse;
};

type Without<T> = T extends TradeEvent ? Omit<T, 'at'> : never;
/** What came of an effect; the engine adds the moment. */
export type Result = Without<TradeEvent> | undefined;

const PAY_TIMEOUT_SECONDS = 60;

/** Does what was decided, once more if need be: every branch may be repeated without harm. */
export async function runEffect(parts: Parts, hands: Hands, { effect, tradeId, key }: Due): Promise<Result> {
  switch (effect.do) {
    case 'send':
      return void (await hands.say(effect.to, effect.message));
    case 'create_hold_invoice':
      return holdInvoice(parts, effect);
    case 'create_invoice':
      return invoice(parts, hands, effect);
    case 'pay':
    case 'forward_payment':
    case 'settle':
      return void (await onLightning(parts, { key, effect }));
    case 'cancel_invoice':
      return cancel(parts, tradeId, effect);
    case 'build_lock':
      return lockFor(parts, hands, effect);
    case 'fill_listing':
      return fillFor(parts, hands, effect);
    case 'build_abort':
      return abortFor(parts, hands, effect);
    case 'abort_fill':
      return abortFillFor(parts, hands, effect);
    case 'bump_lock':
      return bumpFor(parts, hands, effect);
    case 'presign_claim':
      return presignFor(parts, hands, effect);
    case 'build_claim':
      return claimFor(parts, hands, effect);
    case 'build_refund':
      return refundFor(parts, hands, effect);
    case 'broadcast':
      if (!(await isStillWanted(parts, tradeId, effect.what))) return undefined;
      await broadcast(parts, effect, tradeId);
      return { type: 'broadcast_done', what: effect.what, txid: effect.txid };
    case 'alert':
      parts.log.error({ tradeId, code: effect.code, level: effect.level }, effect.sentence);
      return undefined;
  }
}

type Do<E extends Effect['do']> = Extract<Effect, { do: E }>;

async function onLightning(
  parts: Parts,
  { key, effect }: Pick<Due, 'key'> & { effect: Do<'pay' | 'forward_payment' | 'settle'> },
): Promise<void> {
  switch (effect.do) {
    case 'pay':
      return pay(parts, effect);
    case 'forward_payment':
      return forwardPayment(parts, { key, effect });
    case 'settle':
      return settle(parts, effect);
  }
}

/** In which states a transaction may leave. One that waited out an outage may be of a state that is gone: a refund of what was paid meanwhile. */
const WANTED_IN: Record<Broadcast, readonly Trade['state'][]> = {
  lock: ['locking', 'locked', 'invoiced', 'refunding', 'claiming'],
  bump: ['locking'],
  abort: ['aborting'],
  refund: ['refunding'],
  claim: ['claiming'],
};

async function isStillWanted({ store }: Parts, tradeId: string, what: Broadcast): Promise<boolean> {
  const trade = await store.load(tradeId);
  return trade !== undefined && WANTED_IN[what].includes(trade.state);
}

async function broadcast(parts: Parts, { raw, only }: Do<'broadcast'>, tradeId: string): Promise<void> {
  const { chain } = parts;
  if (only !== undefined) {
    const height = await freshHeight(parts);
    const { untilHeight, heldHash } = only;
    if (height > untilHeight)
      throw new SparkleError('too_late', `a lock may be sent until height ${untilHeight}; it is ${height}`, {
        height,
        untilHeight,
      });
    if (heldHash !== undefined) await assertHeld(parts, tradeId, heldHash);
  }
  await chain.broadcast([raw]);
}

/** All of the price must be held: a node that lost parts of it, or all, may go on calling the invoice held. */
async function assertHeld({ lightning, store }: Parts, tradeId: string, heldHash: string): Promise<void> {
  const invoice = await lightning.invoice(heldHash);
  const trade = await store.load(tradeId);
  const isThere = invoice.state === 'held' && trade?.role === 'seller' && isHeldInFull({ ...trade, held: invoice });
  if (isThere) return;
  const { state } = invoice;
  const sentence = `a lock may be sent while the payment for it is held, all of it; it is ${state}`;
  throw new SparkleError('invoice_not_held', sentence, {
    ...{ state, amountMsat: invoice.state === 'held' ? invoice.amountMsat : 0n },
  });
}

async function holdInvoice({ lightning }: Parts, { terms, expirySeconds }: Do<'create_hold_invoice'>): Promise<Result> {
  const { paymentHash } = terms;
  return invoiceReady(terms, await lightning.createHoldInvoice({ paymentHash, ...asked(terms, expirySeconds) }));
}

async function invoice({ lightning }: Parts, hands: Hands, effect: Do<'create_invoice'>): Promise<Result> {
  const { terms, keyIndex, expirySeconds } = effect;
  const { preimage } = hands.keys(keyIndex);
  return invoiceReady(terms, await lightning.createInvoice({ preimage, ...asked(terms, expirySeconds) }));
}

async function settle({ lightning }: Parts, { preimage, paymentHash }: Do<'settle'>): Promise<void> {
  if (!isPreimageOf(preimage, paymentHash))
    throw new SparkleError('bad_preimage', `the preimage to settle with must hash to ${paymentHash}`, { paymentHash });
  await lightning.settle(preimage);
}

const asked = (terms: Terms, expirySeconds: number) => ({
  amountMsat: terms.priceSats * 1000n,
  finalCltv: terms.finalCltv,
  expirySeconds,
  description: `Sparkle trade ${terms.tradeId}`,
});

/** A node that returned an invoice for another hash would sell a payment that opens no lock. */
function invoiceReady(terms: Terms, { bolt11 }: { bolt11: string }): Result {
  const { paymentHash } = readKnownInvoice(bolt11);
  if (paymentHash === terms.paymentHash) return { type: 'invoice_ready', bolt11 };
  const detail = { expected: terms.paymentHash, paymentHash };
  throw new SparkleError(
    'bad_invoice',
    `the node was asked for hash ${terms.paymentHash} and gave ${paymentHash}`,
    detail,
  );
}

/** The last look before money leaves: still wanted in time, and not under way already. */
async function pay(parts: Parts, effect: Do<'pay'>): Promise<void> {
  const { lightning, clock, store } = parts;
  const { state } = await lightning.payment(effect.terms.paymentHash);
  if (state === 'pending' || state === 'settled') return;
  const height = await freshHeight(parts);
  const now = clock.nowSeconds();
  const trade = await store.load(effect.terms.tradeId);
  const wanted = trade?.role === 'buyer' && (trade.state === 'paying' || trade.state === 'verifying');
  if (!wanted || height > effect.notAfterHeight || now > effect.notAfterSeconds)
    throw new SparkleError(
      'too_late',
      `paying is allowed until height ${effect.notAfterHeight} and second ${effect.notAfterSeconds} while wanted; it is ${height} and ${now}`,
      { height, now, wanted },
    );
  const { bolt11, maxFeeMsat, maxCltvBlocks } = effect;
  await lightning.pay({ bolt11, maxFeeMsat, maxCltvBlocks, timeoutSeconds: PAY_TIMEOUT_SECONDS });
}

const MOST_SENDS = 30;

/**
 * The refusal in an error: what will not change by trying again, so that the machine must hear of it. `undefined` for
 * everything that may pass (a node away, an outcome unknown): the effect stays due.
 */
export function refusalOf({ effect, attempts }: Due, error: unknown): SparkleError | undefined {
  if (!(error instanceof SparkleError)) return undefined;
  if (effect.do === 'send') return attempts >= MOST_SENDS ? error : undefined;
  return mayPass(error) ? undefined : error;
}
