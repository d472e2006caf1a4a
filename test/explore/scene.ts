import { sha256 } from '@noble/hashes/sha2.js';
import { encodeInvoice } from 'sparkle-protocol/protocol/bolt11';
import { buildClaim, presignClaim, type PresignedClaim } from 'sparkle-protocol/protocol/claim';
import { holdInvoiceExpirySeconds, lockInvoiceExpirySeconds } from 'sparkle-protocol/protocol/deadlines';
import { identityKey, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { buildLockTransaction } from 'sparkle-protocol/protocol/lock-tx';
import { readMessage, type TradeMessage, type TradeRequest, writeMessage } from 'sparkle-protocol/protocol/messages';
import { buildRefund } from 'sparkle-protocol/protocol/refund';
import type { Version } from 'sparkle-protocol/protocol/trade/effect';
import type { Change } from 'sparkle-protocol/protocol/trade/machine';
import { openBuyer, openSeller } from 'sparkle-protocol/protocol/trade/open';
import { acceptOf, quoteOf } from 'sparkle-protocol/protocol/trade/quoting';
import type { Buyer, LockVersion, Seller } from 'sparkle-protocol/protocol/trade/state';
import type { Offer, Terms, TradeMode, Want } from 'sparkle-protocol/protocol/trade/terms';

/** What the post can carry: each may be lost, late, doubled and out of order, so it is one letter that may be read any time. */
export type Letter =
  | 'quote'
  | 'accept'
  | 'abort to buyer'
  | 'abort to seller'
  | 'complete to buyer'
  | 'complete to seller';

/** Everything real about one trade, made once: the explorer only moves it around. */
export type Scene = {
  mode: TradeMode;
  startHeight: number;
  startSeconds: number;
  offer: Offer;
  want: Want;
  terms: Terms;
  invoice: string;
  preimage: string;
  lock: LockVersion;
  presigned: PresignedClaim;
  /** The first claim and refund, and one that pays more and stands for all that follow. */
  claims: [Version, Version];
  refunds: [Version, Version];
  letters: Record<Letter, TradeMessage>;
  openedBuyer: Change<Buyer>;
  openedSeller: Change<Seller>;
};

const START_HEIGHT = 100;
const START_SECONDS = 1_700_000_000;
const TRADE_ID = 'ab'.repeat(16);
const INSCRIPTION = `${'11'.repeat(32)}i0`;
const SOURCE = `${'22'.repeat(32)}:0`;
const AUX = new Uint8Array(32);
const ROUTE_CAP = 144;
const LOCK_FIRST_FINAL_CLTV = 80;
const LASTS_SECONDS = 7200;

const seedOf = (fill: number): Uint8Array => new Uint8Array(64).fill(fill);
const buyerSeed = seedOf(1);
const sellerSeed = seedOf(2);
const addresses = {
  buyer: 'bcrt1qqyqszqgpqyqszqgpqyqszqgpqyqszqgpvxat9t',
  seller: 'bcrt1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszazmwwa',
};

const party = (seed: Uint8Array) => ({
  ...tradeKeys({ seed, network: 'regtest', index: 0 }),
  identity: identityKey({ seed, network: 'regtest' }),
});
const buyer = party(buyerSeed);
const seller = party(sellerSeed);

/** Written and read again, so that what the machines get is what a wire can carry. */
function overTheWire<Message extends TradeMessage>(message: Message): Message {
  const { secret } = message.signed?.from === buyer.identity.public ? buyer.identity : seller.identity;
  const text = writeMessage(message, { secret, auxRand: AUX });
  return readMessage(text, { nowSeconds: START_SECONDS }).message as Message;
}

function offerOf({ mode, confirmations, priceSats }: Plan): Offer {
  return {
    inscriptionId: INSCRIPTION,
    priceSats,
    modes: [mode],
    network: 'regtest',
    sourceOutpoint: SOURCE,
    sourceValueSats: 10_000n,
    offsetSats: 0n,
    postageSats: 10_000n,
    reserveSats: 10_000n,
    confirmations,
    finalCltv: LOCK_FIRST_FINAL_CLTV,
    routeCapBlocks: ROUTE_CAP,
    maxRefundFeeSats: 20_000n,
    sellerId: seller.identity.public,
    expiresAt: START_SECONDS + LASTS_SECONDS,
  };
}

function wantOf({ mode, confirmations, priceSats }: Plan): Want {
  const common = {
    tradeId: TRADE_ID,
    network: 'regtest',
    script: mode === 'hold-first' ? 'v1' : 'sip3',
    internalKey: 'nums',
    inscriptionId: INSCRIPTION,
    priceSats,
    claimKey: buyer.claim.public,
    buyerId: buyer.identity.public,
    sellerId: seller.identity.public,
    minConfirmations: confirmations,
    minPostageSats: 10_000n,
    routeCapBlocks: ROUTE_CAP,
    maxFeeMsat: 1_000_000n,
    maxClaimFeeSats: 10_000n,
    expiresAt: START_SECONDS + LASTS_SECONDS,
  } as const;
  return mode === 'hold-first' ? { ...common, mode, paymentHash: buyer.paymentHash } : { ...common, mode };
}

const invoiceOf = (terms: Terms): string =>
  encodeInvoice(
    {
      network: 'regtest',
      amountMsat: terms.priceSats * 1000n,
      timestampSeconds: START_SECONDS,
      payeeSource: 'recovered',
      paymentHash: terms.paymentHash,
      paymentSecret: '33'.repeat(32),
      description: `Sparkle trade ${terms.tradeId}`,
      expirySeconds: terms.mode === 'hold-first' ? holdInvoiceExpirySeconds : lockInvoiceExpirySeconds,
      minFinalCltv: terms.finalCltv,
      features: [8, 14, 17],
      routeHints: [],
      fallbacks: [],
    },
    sha256(sellerSeed),
  );

function lockOf(terms: Terms): LockVersion {
  const script = `5120${'44'.repeat(32)}`;
  const built = buildLockTransaction({
    terms,
    source: { outpoint: SOURCE, valueSats: 10_000n, script },
    coins: [{ outpoint: `${'55'.repeat(32)}:1`, valueSats: 100_000n, script }],
    changeAddress: addresses.seller,
    feerateSatVb: 2,
    maxFeeSats: 20_000n,
  });
  const { txid, raw, feeSats, feerateSatVb, vout, spent } = built;
  return { txid, raw, feeSats, feerateSatVb, vout, spent: [...spent] };
}

const versionOf = ({ txid, raw, feeSats, feerateSatVb }: Version): Version => ({ txid, raw, feeSats, feerateSatVb });

function spendsOf(terms: Terms, { txid, vout }: LockVersion, preimage: string) {
  const spend = (destination: string, feerateSatVb: number) => ({
    terms,
    lockOutpoint: `${txid}:${vout}`,
    destination,
    feerateSatVb,
    maxFeeSats: 10_000n,
    auxRand: AUX,
  });
  const claimed = (feerateSatVb: number) => ({
    ...spend(addresses.buyer, feerateSatVb),
    claimSecret: buyer.claim.secret,
  });
  const claim = (feerateSatVb: number) => versionOf(buildClaim({ ...claimed(feerateSatVb), preimage }));
  const refund = (feerateSatVb: number) =>
    versionOf(buildRefund({ ...spend(addresses.seller, feerateSatVb), refundSecret: seller.refund.secret }));
  return {
    presigned: presignClaim(claimed(2)),
    claims: [claim(2), claim(4)] as [Version, Version],
    refunds: [refund(2), refund(4)] as [Version, Version],
  };
}

function lettersOf(made: {
  terms: Terms;
  offer: Offer;
  invoice: string;
  lock: LockVersion;
  preimage: string;
  claim: Version;
}): Record<Letter, TradeMessage> {
  const { terms, offer, invoice, lock, preimage, claim } = made;
  const { inscriptionId, tradeId, buyerId, sellerId } = terms;
  const signed = (from: string) => ({ tradeId, from, expiresAt: offer.expiresAt });
  const abort = (from: string): TradeMessage => ({
    op: 'trade_abort',
    inscriptionId,
    code: 'abort_requested',
    signed: signed(from),
  });
  const complete = (from: string): TradeMessage => ({
    op: 'trade_complete',
    inscriptionId,
    claimTxid: claim.txid,
    preimage,
    signed: signed(from),
  });
  return {
    quote: overTheWire(quoteOf(terms, offer, invoice)),
    accept: overTheWire(acceptOf({ terms, offer, invoice, lock })),
    'abort to buyer': overTheWire(abort(sellerId)),
    'abort to seller': overTheWire(abort(buyerId)),
    'complete to buyer': overTheWire(complete(sellerId)),
    'complete to seller': overTheWire(complete(buyerId)),
  };
}

type Plan = { mode: TradeMode; confirmations: number; priceSats: bigint };

/** One trade with real keys, a real lock, a real invoice and real transactions; every check of `checks.ts` passes on it. */
export function sceneOf({ mode, deep }: { mode: TradeMode; deep: 'one confirmation' | 'three confirmations' }): Scene {
  const plan: Plan =
    deep === 'one confirmation'
      ? { mode, confirmations: 1, priceSats: 50_000n }
      : { mode, confirmations: 3, priceSats: 500_000n };
  const want = wantOf(plan);
  const offer = offerOf(plan);
  const openedBuyer = openBuyer({ want, keyIndex: 0 });
  const [asked] = openedBuyer.effects;
  if (asked?.effect.do !== 'send') throw new Error('a buyer must begin by asking');
  const openedSeller = openSeller({
    request: overTheWire(asked.effect.message as TradeRequest),
    offer,
    keys: { keyIndex: 0, refundKey: seller.refund.public, paymentHash: seller.paymentHash },
    at: { height: START_HEIGHT, nowSeconds: START_SECONDS },
  });
  if ('failures' in openedSeller)
    throw new Error(`the seller must answer; he found ${openedSeller.failures.map(({ code }) => code).join(', ')}`);
  const { terms } = openedSeller.trade;
  const preimage = mode === 'hold-first' ? buyer.preimage : seller.preimage;
  const invoice = invoiceOf(terms);
  const lock = lockOf(terms);
  const spends = spendsOf(terms, lock, preimage);
  const [claim] = spends.claims;
  return {
    ...{ mode, startHeight: START_HEIGHT, startSeconds: START_SECONDS, offer, want, terms, invoice, preimage, lock },
    ...spends,
    letters: lettersOf({ terms, offer, invoice, lock, preimage, claim }),
    openedBuyer: { trade: openedBuyer.trade, effects: [] },
    openedSeller,
  };
}
