import { checkAccept, checkLock, checkPay, type Failure, termsOfAccept } from '../checks.ts';
import { lastPayHeight } from '../deadlines.ts';
import { claimFeePlan } from '../deadlines-fees.ts';
import { completeClaim } from '../claim.ts';
import type { TradeAccept } from '../messages.ts';
import { isPreimageOf } from '../preimage.ts';
import { claimBuilt, claimFailed, claimLooked, claimSent } from './claiming.ts';
import type { TradeEvent } from './event.ts';
import { type Change, go, keyed, type Machine, run, stay } from './machine.ts';
import { payment } from './paying.ts';
import type { LockBuyer } from './state.ts';

type In<S extends LockBuyer['state']> = Extract<LockBuyer, { state: S }>;
type Event<E extends TradeEvent['type']> = Extract<TradeEvent, { type: E }>;
type After = Change<LockBuyer>;

const machine: Machine<LockBuyer> = {
  requested: {
    message: (trade, event) => {
      const { message } = event;
      if (message.op === 'trade_accept') return accepted(trade, message, event);
      return message.op === 'trade_abort' ? ended(trade, { outcome: 'refused', codes: [message.code] }) : stay(trade);
    },
    looked: (trade, { at }) =>
      at.nowSeconds > trade.want.expiresAt ? ended(trade, { outcome: 'expired', codes: ['no_accept'] }) : stay(trade),
    abort_requested: (trade) => ended(trade, { outcome: 'abandoned', codes: ['abort_requested'] }),
  },
  verifying: {
    looked: inspected,
    abort_requested: (trade) => ended(trade, { outcome: 'abandoned', codes: ['abort_requested'] }),
  },
  arming: {
    claim_presigned: armed,
    looked: (trade, { at }) => (payable(trade, at.height) ? stay(trade) : tooLate(trade)),
    effect_failed: (trade, { effect, code }) =>
      effect === 'presign_claim' ? ended(trade, { outcome: 'abandoned', codes: [code] }) : stay(trade),
    abort_requested: (trade) => ended(trade, { outcome: 'abandoned', codes: ['abort_requested'] }),
  },
  paying: {
    looked: (trade, { view, at }) => {
      if (view.payment?.state === 'settled') return claim(trade, view.payment.preimage, at.height);
      // Only a terminal failure ends it: an HTLC in flight may still settle, and then the claim must follow at once.
      return view.payment?.state === 'failed'
        ? ended(trade, { outcome: 'abandoned', codes: ['payment_failed'] })
        : stay(trade);
    },
    message: (trade, { message, at }) =>
      message.op === 'trade_complete' ? claim(trade, message.preimage, at.height) : stay(trade),
    effect_failed: (trade, { effect, code }) =>
      effect === 'pay' ? ended(trade, { outcome: 'abandoned', codes: [code] }) : stay(trade),
  },
  claiming: {
    claim_built: (trade, event) => claimBuilt(trade, event) as After,
    broadcast_done: (trade, event) => claimSent(trade, event) as After,
    effect_failed: (trade, event) => claimFailed(trade, event) as After,
    looked: (trade, event) => claimLooked(trade, event) as After,
  },
  ended: {},
};

export const stepLockBuyer = (trade: LockBuyer, event: TradeEvent): After => run(machine, trade, event);

function accepted(trade: In<'requested'>, accept: TradeAccept, { at }: Event<'message'>): After {
  const failures = checkAccept({ want: trade.want, accept, height: at.height, nowSeconds: at.nowSeconds });
  if (failures.length > 0) return ended(trade, { outcome: 'refused', codes: codesOf(failures) });
  const outpoint = `${accept.fundingTxid}:${accept.fundingVout}`;
  const terms = termsOfAccept(trade.want, accept);
  return stay({ ...base(trade), state: 'verifying', terms, invoice: accept.invoice, outpoint });
}

function inspected(trade: In<'verifying'>, { view, at }: Event<'looked'>): After {
  if (!payable(trade, at.height)) return tooLate(trade);
  if (view.facts === undefined) return stay(trade);
  const { terms, invoice, outpoint, want } = trade;
  const { height, nowSeconds } = at;
  const failures = [
    ...checkLock({ terms, facts: view.facts, height }),
    ...checkPay({ terms, invoice, want, height, nowSeconds, tip: { timeSeconds: view.tip.timeSeconds } }),
  ];
  const refused = failures.filter(({ wait }) => !wait);
  if (refused.length > 0) return ended(trade, { outcome: 'refused', codes: codesOf(refused) });
  if (failures.length > 0) return stay(trade);
  const next: In<'arming'> = {
    ...base(trade),
    state: 'arming',
    terms,
    invoice,
    outpoint,
    lockRaw: view.facts.raw ?? '',
  };
  return go(
    next,
    keyed(trade, 'arm', {
      do: 'presign_claim',
      terms,
      keyIndex: trade.keyIndex,
      outpoint,
      plan: claimFeePlan({
        height: at.height,
        refundHeight: terms.refundHeight,
        maxFeeSats: trade.want.maxClaimFeeSats,
      }),
    }),
  );
}

/** A claim that lacks only the preimage is signed. The last checks run once more, then the payment leaves. */
function armed(trade: In<'arming'>, { presigned, at }: Event<'claim_presigned'>): After {
  const { terms, invoice, outpoint, lockRaw, want } = trade;
  const failures = checkPay({ terms, invoice, height: at.height, nowSeconds: at.nowSeconds, want });
  if (failures.length > 0) return ended(trade, { outcome: 'refused', codes: codesOf(failures) });
  const next: In<'paying'> = { ...base(trade), state: 'paying', terms, invoice, outpoint, lockRaw, presigned };
  return go(next, payment(next, at));
}

/** The preimage completes the claim that was signed before the payment: nothing stands between the two any more. */
function claim(trade: In<'paying'>, preimage: string, height: number): After {
  const { terms, invoice, outpoint, lockRaw, presigned } = trade;
  if (!isPreimageOf(preimage, terms.paymentHash)) return stay(trade);
  const { txid, raw, feeSats, feerateSatVb } = completeClaim({ presigned, preimage });
  const next: In<'claiming'> = {
    ...base(trade),
    state: 'claiming',
    terms,
    invoice,
    outpoint,
    lockRaw,
    preimage,
    versions: [{ txid, raw, feeSats, feerateSatVb }],
    // The seller made the preimage: there is nothing to hide from him.
    revealed: true,
    plannedAt: height,
  };
  return go(next, keyed(trade, `broadcast/${txid}`, { do: 'broadcast', what: 'claim', txid, raw }));
}

const payable = ({ terms, want }: In<'verifying' | 'arming'>, height: number): boolean =>
  height <= lastPayHeight({ refundHeight: terms.refundHeight, routeCapBlocks: want.routeCapBlocks });

const tooLate = (trade: In<'verifying' | 'arming'>): After =>
  ended(trade, { outcome: 'expired', codes: ['pay_too_late'] });

const codesOf = (failures: Failure[]): string[] => failures.map(({ code }) => code);

const base = ({ role, mode, tradeId, keyIndex, want }: LockBuyer) => ({ role, mode, tradeId, keyIndex, want });

function ended(trade: LockBuyer, how: { outcome: In<'ended'>['outcome']; codes: string[] }): After {
  const terms = 'terms' in trade && trade.terms !== undefined ? { terms: trade.terms } : {};
  return stay({ ...base(trade), ...terms, state: 'ended', ...how });
}
