import { FINAL_CONFIRMATIONS, lastRevealHeight, mayReveal } from '../deadlines.ts';
import { claimFeePlan } from '../deadlines-fees.ts';
import { findPreimage } from '../spend.ts';
import type { KeyedEffect } from './effect.ts';
import type { TradeEvent } from './event.ts';
import { type Change, go, keyed, stay } from './machine.ts';
import type { Buyer, HoldBuyer, LockBuyer } from './state.ts';
import type { View } from './view.ts';

type Claiming = Extract<Buyer, { state: 'claiming' }>;
type Event<E extends TradeEvent['type']> = Extract<TradeEvent, { type: E }>;
type After = Change<HoldBuyer | LockBuyer>;

/** Decides the fee of the next claim and asks for it to be built; the same height never asks twice. */
export function planClaim(trade: Claiming, height: number): KeyedEffect {
  const previous = trade.versions.at(-1);
  return keyed(trade, `claim/${height}`, {
    do: 'build_claim',
    terms: trade.terms,
    keyIndex: trade.keyIndex,
    outpoint: trade.outpoint,
    ...(trade.preimage === undefined ? {} : { preimage: trade.preimage }),
    ...(trade.revealed ? {} : { isReveal: true as const }),
    ...(previous === undefined ? {} : { previous }),
    plan: claimFeePlan({
      height,
      refundHeight: trade.terms.refundHeight,
      maxFeeSats: trade.want.maxClaimFeeSats,
      ...(previous === undefined ? {} : { previousSatVb: previous.feerateSatVb }),
    }),
  });
}

/** A claim was built and is now written down: only after that may it leave. */
export function claimBuilt(trade: Claiming, { claim, at }: Event<'claim_built'>): After {
  if (trade.versions.some(({ txid }) => txid === claim.txid)) return stay(trade);
  const guarded = trade.mode === 'hold-first' && !trade.revealed;
  if (guarded && !mayReveal({ height: at.height, refundHeight: trade.terms.refundHeight })) return withdraw(trade);
  return go(
    { ...trade, versions: [...trade.versions, claim] },
    // The height is in the name, because a claim that was refused may be built again as it was.
    keyed(trade, `broadcast/${claim.txid}/${at.height}`, {
      do: 'broadcast',
      what: 'claim',
      txid: claim.txid,
      raw: claim.raw,
      ...(guarded ? { firstRunUntilHeight: lastRevealHeight(trade.terms) } : {}),
    }),
  );
}

/** Too late to reveal and nothing revealed: the payment returns, the inscription goes back, nobody loses. */
export function withdraw(trade: Claiming): After {
  if (trade.mode !== 'hold-first' || trade.revealed) return stay(trade);
  const { role, mode, tradeId, keyIndex, want, terms, invoice } = trade;
  return stay({ role, mode, tradeId, keyIndex, want, terms, invoice, state: 'withdrawn', codes: ['reveal_too_late'] });
}

export function claimLooked(trade: Claiming, { view, at }: Event<'looked'>): After {
  const seen = revealSeen(trade, view);
  const isUnclaimed = !seen.revealed || view.lock?.state === 'absent' || view.lock?.state === 'unspent';
  // Whoever has his payment back has no right to the inscription any more, and nothing to lose by leaving it.
  if (isUnclaimed && view.payment?.state === 'failed')
    return end(seen, { outcome: 'abandoned', codes: ['payment_failed'] });
  // The node cannot say whether the hold still stands: the preimage stays hidden.
  if (!seen.revealed && view.payment === undefined) return stay(seen);
  if (!seen.revealed) return unrevealed(seen, view.lock, at.height);
  switch (view.lock?.state) {
    case 'spent':
      return lockSpent(seen, view, at.height);
    case 'unspent':
      return again(seen, at.height);
    case 'absent':
      // R1: a reorg took the lock away after the preimage may be known: bring back lock and claim together.
      return again(seen, at.height, [
        keyed(trade, `relock/${at.height}`, {
          do: 'broadcast',
          what: 'lock',
          txid: trade.outpoint.split(':')[0] ?? '',
          raw: trade.lockRaw,
        }),
      ]);
    case undefined:
      return stay(seen);
  }
}

/** The preimage is out as soon as the payment is settled or any transaction that spends the lock carries it. */
function revealSeen(trade: Claiming, view: View): Claiming {
  if (trade.revealed) return trade;
  const spender = view.lock?.state === 'spent' ? view.lock.spender : undefined;
  const shown = spender !== undefined && findPreimage(spender.raw, trade.terms.paymentHash) !== undefined;
  return shown || view.payment?.state === 'settled' ? { ...trade, revealed: true } : trade;
}

/** The preimage is still ours alone: it is shown only to a lock that is deep enough now, and only in time. */
function unrevealed(trade: Claiming, lock: View['lock'], height: number): After {
  const { terms } = trade;
  const isDeep = lock?.state === 'unspent' && lock.confirmations >= terms.confirmations;
  const isDue = trade.versions.length === 0 && height > trade.plannedAt;
  if (!isDeep || !isDue || !mayReveal({ height, refundHeight: terms.refundHeight })) return stay(trade);
  return go({ ...trade, plannedAt: height }, planClaim(trade, height));
}

function lockSpent(trade: Claiming, view: View, height: number): After {
  if (view.lock?.state !== 'spent') return stay(trade);
  const { txid, raw, confirmations } = view.lock.spender;
  // Only the claim key signs a spend that shows the preimage.
  const shown = findPreimage(raw, trade.terms.paymentHash) !== undefined;
  const ours = shown || trade.versions.some((version) => version.txid === txid);
  if (confirmations < FINAL_CONFIRMATIONS) {
    if (confirmations > 0) return stay(trade);
    // Unconfirmed: raise our own claim, or outbid a refund that came first (full RBF, swaps 4.1.7).
    return again(trade, height);
  }
  if (ours) return end(trade, { outcome: 'traded', codes: [], txid });
  switch (view.payment?.state) {
    case 'settled':
      return end(trade, { outcome: 'lost', codes: ['refunded_and_settled'], txid });
    case 'failed':
      return end(trade, { outcome: 'abandoned', codes: ['refunded'], txid });
    case 'pending':
    case 'unknown':
    case undefined:
      return stay(trade);
  }
}

/** One more attempt per block: what may be known to the other side must be claimed, whatever the fee market does. */
function again(trade: Claiming, height: number, first: KeyedEffect[] = []): After {
  if (height <= trade.plannedAt) return stay(trade);
  const latest = trade.versions.at(-1);
  const rebroadcast =
    latest === undefined
      ? []
      : [
          keyed(trade, `rebroadcast/${latest.txid}/${height}`, {
            do: 'broadcast',
            what: 'claim',
            txid: latest.txid,
            raw: latest.raw,
          }),
        ];
  return go({ ...trade, plannedAt: height }, ...first, ...rebroadcast, planClaim(trade, height));
}

function end(
  trade: Claiming,
  how: { outcome: 'traded' | 'lost' | 'abandoned'; codes: string[]; txid?: string },
): After {
  const { role, tradeId, keyIndex, want, terms, outpoint } = trade;
  const base = { role, tradeId, keyIndex, want, terms, outpoint, state: 'ended', ...how } as const;
  const ended = trade.mode === 'hold-first' ? { ...base, mode: trade.mode } : { ...base, mode: trade.mode };
  const claim = trade.versions.at(-1);
  const preimage = claim === undefined ? undefined : findPreimage(claim.raw, terms.paymentHash);
  if (how.outcome !== 'traded' || how.txid === undefined || preimage === undefined) return stay(ended);
  return go(
    ended,
    keyed(trade, 'complete', {
      do: 'send',
      to: terms.sellerId,
      message: {
        op: 'trade_complete',
        inscriptionId: terms.inscriptionId,
        claimTxid: how.txid,
        preimage,
        signed: { tradeId, from: terms.buyerId, expiresAt: want.expiresAt },
      },
    }),
  );
}

export function claimSent(trade: Claiming, { what }: Event<'broadcast_done'>): After {
  return what === 'claim' ? stay({ ...trade, revealed: true }) : stay(trade);
}

/**
 * `too_late`: the runner found that a first reveal may not be made any more. A first broadcast that is refused, as when a
 * reorg took the lock away, has shown the preimage to our own node alone. To push it later as if it were known would be
 * to show it late: a seller who keeps the lock out of the chain until R takes the payment and the inscription. So it is
 * built anew when the lock is deep again, in time or not at all. Had it been begun before, it may be known: then it is
 * pushed. Anything else that fails is tried again at the next block.
 */
export function claimFailed(trade: Claiming, { effect, code, attempts }: Event<'effect_failed'>): After {
  if (effect !== 'broadcast' || trade.revealed) return stay(trade);
  if (code === 'too_late') return withdraw(trade);
  return stay(attempts === 0 ? { ...trade, versions: [] } : { ...trade, revealed: true });
}
