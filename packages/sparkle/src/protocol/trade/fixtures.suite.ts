import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { p2tr } from '@scure/btc-signer';
import { encodeInvoice } from '../bolt11.ts';
import { buildClaim, type PresignedClaim, presignClaim } from '../claim.ts';
import { txidOf } from '../draft.ts';
import { tradeKeys } from '../keys.ts';
import { buildLockTransaction } from '../lock-tx.ts';
import type { TradeAccept, TradeMessage, TradeQuote, TradeRequest } from '../messages.ts';
import { networks } from '../network.ts';
import { buildRefund } from '../refund.ts';
import type { Effect, Version } from './effect.ts';
import type { TradeEvent } from './event.ts';
import { openBuyer, openSeller } from './open.ts';
import type { Buyer, LockVersion, Seller } from './state.ts';
import { step, type Trade } from './step.ts';
import type { Offer, Terms, TradeMode, Want } from './terms.ts';
import type { View } from './view.ts';

/** Fixed keys and heights for tests of the machines: a trade of 90,000 sats that begins at height 1000. */
export const HEIGHT = 1000;
export const NOW = 1_800_000_000;
export const AUX = new Uint8Array(32).fill(9);
const buyerSeed = new Uint8Array(64).fill(1);
const sellerSeed = new Uint8Array(64).fill(2);
const nodeSecret = new Uint8Array(32).fill(3);
const buyerKeys = tradeKeys({ seed: buyerSeed, network: 'regtest', index: 0 });
export const sellerKeys = tradeKeys({ seed: sellerSeed, network: 'regtest', index: 0 });
const keyOf = (byte: number) => schnorr.getPublicKey(new Uint8Array(32).fill(byte));
const payTo = (byte: number) => p2tr(keyOf(byte), undefined, networks.regtest.address);

export const sourceOutpoint = `${'aa'.repeat(32)}:0`;
const coinOutpoint = `${'bb'.repeat(32)}:1`;
export const inscriptionId = `${'cc'.repeat(32)}i0`;
export const address = payTo(7).address ?? '';
const walletScript = hex.encode(payTo(7).script);

export const offer: Offer = {
  inscriptionId,
  priceSats: 90_000n,
  modes: ['hold-first', 'lock-first'],
  network: 'regtest',
  sourceOutpoint,
  sourceValueSats: 10_000n,
  offsetSats: 0n,
  postageSats: 10_000n,
  reserveSats: 10_000n,
  confirmations: 1,
  routeCapBlocks: 144,
  finalCltv: 40,
  maxRefundFeeSats: 50_000n,
  sellerId: hex.encode(keyOf(5)),
  expiresAt: NOW + 3600,
};

export function wantOf(mode: TradeMode): Want {
  const common = {
    tradeId: '0f'.repeat(16),
    network: 'regtest',
    script: 'v1',
    internalKey: 'nums',
    inscriptionId,
    priceSats: 90_000n,
    claimKey: buyerKeys.claim.public,
    buyerId: hex.encode(keyOf(6)),
    sellerId: offer.sellerId,
    minConfirmations: 1,
    minPostageSats: 546n,
    routeCapBlocks: 144,
    maxFeeMsat: 1_000_000n,
    maxClaimFeeSats: 50_000n,
    expiresAt: NOW + 3600,
  } as const;
  return mode === 'hold-first' ? { ...common, mode, paymentHash: buyerKeys.paymentHash } : { ...common, mode };
}

export const at = (height: number, nowSeconds = NOW) => ({ height, nowSeconds });

function viewAt(height: number, seen: Omit<View, 'tip' | 'nowSeconds'>, nowSeconds = NOW): View {
  return { tip: { height, hash: '11'.repeat(32), timeSeconds: nowSeconds }, nowSeconds, ...seen };
}

export const looked = (height: number, seen: Omit<View, 'tip' | 'nowSeconds'>, nowSeconds = NOW): TradeEvent => ({
  type: 'looked',
  at: at(height, nowSeconds),
  view: viewAt(height, seen, nowSeconds),
});

export const heard = (message: TradeMessage, height = HEIGHT): TradeEvent => ({
  type: 'message',
  at: at(height),
  message,
});

export const invoiceFor = (terms: Terms, expirySeconds = terms.mode === 'hold-first' ? 900 : 3600): string =>
  encodeInvoice(
    {
      network: terms.network,
      amountMsat: terms.priceSats * 1000n,
      timestampSeconds: NOW,
      payeeSource: 'recovered',
      paymentHash: terms.paymentHash,
      paymentSecret: '44'.repeat(32),
      description: `Sparkle trade ${terms.tradeId}`,
      expirySeconds,
      minFinalCltv: terms.finalCltv,
      features: [8, 14, 17],
      routeHints: [],
      fallbacks: [],
    },
    nodeSecret,
  );

export function lockFor(terms: Terms): LockVersion {
  const source = { outpoint: sourceOutpoint, valueSats: 10_000n, script: walletScript };
  const coins = [{ outpoint: coinOutpoint, valueSats: 1_000_000n, script: walletScript }];
  const built = buildLockTransaction({
    terms,
    source,
    coins,
    changeAddress: address,
    feerateSatVb: 2,
    maxFeeSats: 50_000n,
  });
  const { raw, feeSats, feerateSatVb, vout, spent } = built;
  return { txid: txidOf(raw), raw, feeSats, feerateSatVb, vout, spent: [...spent] };
}

const spendOf = (terms: Terms, feerateSatVb: number) => ({
  terms,
  lockOutpoint: `${lockFor(terms).txid}:0`,
  destination: address,
  feerateSatVb,
  maxFeeSats: 50_000n,
});

const preimageOf = (terms: Terms): string => (terms.mode === 'hold-first' ? buyerKeys.preimage : sellerKeys.preimage);

export function claimFor(terms: Terms, feerateSatVb = 2): Version {
  const secrets = { claimSecret: buyerKeys.claim.secret, preimage: preimageOf(terms), auxRand: AUX };
  const { raw, txid, feeSats, feerateSatVb: paid } = buildClaim({ ...spendOf(terms, feerateSatVb), ...secrets });
  return { raw, txid, feeSats, feerateSatVb: paid };
}

export const presignedFor = (terms: Terms): PresignedClaim =>
  presignClaim({ ...spendOf(terms, 2), claimSecret: buyerKeys.claim.secret, auxRand: AUX });

export function refundFor(terms: Terms, feerateSatVb = 2): Version {
  const secrets = { refundSecret: sellerKeys.refund.secret, auxRand: AUX };
  const { raw, txid, feeSats, feerateSatVb: paid } = buildRefund({ ...spendOf(terms, feerateSatVb), ...secrets });
  return { raw, txid, feeSats, feerateSatVb: paid };
}

/** A transaction that spends the lock's input back to the seller, as far as the machines look at it. */
export const abortFor = (terms: Terms): Version => {
  const other = lockFor({ ...terms, refundHeight: terms.refundHeight + 1 });
  return { txid: other.txid, raw: other.raw, feeSats: 2_000n, feerateSatVb: 10 };
};

export const openedBuyer = (mode: TradeMode): Buyer => openBuyer({ want: wantOf(mode), keyIndex: 0 }).trade;

function requestFor(mode: TradeMode): TradeRequest {
  const [sent] = openBuyer({ want: wantOf(mode), keyIndex: 0 }).effects;
  return messageIn(sent?.effect) as TradeRequest;
}

export function openedSeller(mode: TradeMode): Seller {
  const keys = { keyIndex: 0, refundKey: sellerKeys.refund.public, paymentHash: sellerKeys.paymentHash };
  const opened = openSeller({ request: requestFor(mode), offer, keys, at: at(HEIGHT) });
  if ('failures' in opened)
    throw new Error(`the fixture's request is refused: ${JSON.stringify(opened.failures.map(({ code }) => code))}`);
  return opened.trade;
}

function messageIn(effect: Effect | undefined): TradeMessage {
  if (effect?.do !== 'send') throw new Error(`a message was expected; got ${effect?.do}`);
  return effect.message;
}

/** Tells a trade several events in order. */
export function after<T extends Buyer | Seller>(trade: T, ...events: TradeEvent[]): T {
  return events.reduce<T>((current, event) => step(current, event).trade as T, trade);
}

export const ready = (bolt11: string, height = HEIGHT): TradeEvent => ({
  type: 'invoice_ready',
  at: at(height),
  bolt11,
});

export const holdTerms = openedSeller('hold-first').terms;
export const lockTerms = openedSeller('lock-first').terms;
export const R = holdTerms.refundHeight;

export const quote = messageIn(
  step(openedSeller('hold-first'), ready(invoiceFor(holdTerms))).effects[0]?.effect,
) as TradeQuote;

const lockedAt = (terms: Terms, confirmations: number) => ({
  lock: { state: 'unspent', confirmations } as const,
  source: spentBy(lockFor(terms), confirmations),
});

export const spentBy = ({ txid, raw }: { txid: string; raw: string }, confirmations: number) =>
  ({ state: 'spent', spender: { txid, raw, confirmations } }) as const;

export const held = { state: 'held', amountMsat: 90_000_000n, expiryHeight: R + 78, parts: 1 } as const;

/** The seller's way in hold-first until the lock is confirmed. */
export const holdSeller = {
  quoting: openedSeller('hold-first'),
  invoiced: after(openedSeller('hold-first'), ready(invoiceFor(holdTerms))),
  get building() {
    return after(this.invoiced, looked(HEIGHT, { invoice: held }));
  },
  get locking() {
    return after(this.building, { type: 'lock_built', at: at(HEIGHT), lock: lockFor(holdTerms) });
  },
  get locked() {
    return after(this.locking, looked(HEIGHT + 1, { invoice: held, ...lockedAt(holdTerms, 1) }));
  },
};

export const announcement = messageIn(
  step(holdSeller.building, { type: 'lock_built', at: at(HEIGHT), lock: lockFor(holdTerms) }).effects[1]?.effect,
) as TradeAccept;

export const lockSeller = {
  building: openedSeller('lock-first'),
  get locking() {
    return after(this.building, { type: 'lock_built', at: at(HEIGHT), lock: lockFor(lockTerms) });
  },
  get invoicing() {
    return after(this.locking, looked(HEIGHT + 1, lockedAt(lockTerms, 1)));
  },
  get invoiced() {
    return after(this.invoicing, ready(invoiceFor(lockTerms), HEIGHT + 1));
  },
};

export const accept = messageIn(
  step(lockSeller.invoicing, ready(invoiceFor(lockTerms), HEIGHT + 1)).effects[0]?.effect,
) as TradeAccept;

export const factsFor = (terms: Terms, confirmations = 1) => ({
  outpoint: `${lockFor(terms).txid}:0`,
  raw: lockFor(terms).raw,
  confirmations,
  unspent: true,
  satpoint: `${lockFor(terms).txid}:0:0`,
  inscriptions: [inscriptionId],
});

/** The buyer's way in both trades until he claims. */
export const holdBuyer = {
  requested: openedBuyer('hold-first'),
  get paying() {
    return after(this.requested, heard(quote));
  },
  get verifying() {
    return after(this.paying, heard(announcement));
  },
  get claiming() {
    return after(this.verifying, looked(HEIGHT + 1, { payment: { state: 'pending' }, facts: factsFor(holdTerms) }));
  },
  get claimed() {
    return after(this.claiming, { type: 'claim_built', at: at(HEIGHT + 1), claim: claimFor(holdTerms) });
  },
};

export const lockBuyer = {
  requested: openedBuyer('lock-first'),
  get verifying() {
    return after(this.requested, heard(accept, HEIGHT + 1));
  },
  get arming() {
    return after(this.verifying, looked(HEIGHT + 1, { facts: factsFor(lockTerms) }));
  },
  get paying() {
    return after(this.arming, { type: 'claim_presigned', at: at(HEIGHT + 1), presigned: presignedFor(lockTerms) });
  },
  get claiming() {
    const payment = { state: 'settled', preimage: sellerKeys.preimage, feeMsat: 0n } as const;
    return after(this.paying, looked(HEIGHT + 1, { payment }));
  },
};

/** What a step would do, in order. */
export const deeds = (trade: Trade, event: TradeEvent): string[] =>
  step(trade, event).effects.map(({ effect }) => effect.do);

/** Where several events lead. */
export const stateAfter = (trade: Trade, ...events: TradeEvent[]): string =>
  events.reduce<Trade>((current, event) => step(current, event).trade, trade).state;

/** How a trade ended, or where it is. */
export const outcomeOf = (trade: Trade): string => ('outcome' in trade ? trade.outcome : trade.state);

export const unspent = (confirmations: number) => ({ state: 'unspent', confirmations }) as const;
export const absent = { state: 'absent' } as const;
