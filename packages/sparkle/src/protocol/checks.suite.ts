// What every check passes: tests change one thing in it, and that thing alone must be told.
import { encodeInvoice, type InvoiceTerms } from './bolt11.ts';
import { checkAccept, type CheckCode, checkQuote, type Failure, termsOfAccept, termsOfQuote } from './checks.ts';
import type { TradeAccept, TradeQuote } from './messages.ts';
import type { Want } from './trade/terms.ts';
import keys from './messages.vectors.json' with { type: 'json' };

export const height = 900_000;
export const nowSeconds = 1_800_000_000;
export const tip = { timeSeconds: nowSeconds - 600 };
export const tradeId = '000102030405060708090a0b0c0d0e0f';
export const inscriptionId = `${'ab'.repeat(32)}i0`;
export const paymentHash = 'ce'.repeat(32);
/** x = 5 is on no point of the curve. */
export const OFF_CURVE = '5'.padStart(64, '0');
export const NUMS = '50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0';
export const NO_POINT = `claimKey must be on the curve (BIP 340 lift_x); got ${OFF_CURVE}`;
export const { buyer, seller, claim, refund } = keys.keys;

export const payeeSecret = new Uint8Array(32).fill(9);
export const bill: InvoiceTerms = {
  network: 'regtest',
  amountMsat: 100_000_000n,
  timestampSeconds: nowSeconds,
  payeeSource: 'recovered',
  paymentHash,
  paymentSecret: '02'.repeat(32),
  description: `Sparkle trade ${tradeId}`,
  expirySeconds: 900,
  minFinalCltv: 171,
  features: [8, 14, 17],
  routeHints: [],
  fallbacks: [],
};
export const invoice = (changed: Partial<InvoiceTerms> = {}): string =>
  encodeInvoice({ ...bill, ...changed } as InvoiceTerms, payeeSecret);

export const hint = (...deltas: number[]) =>
  deltas.map((cltvDelta) => ({
    nodeId: `02${buyer.public}`,
    shortChannelId: '1x2x3',
    feeBaseMsat: 0n,
    feePpm: 0,
    cltvDelta,
  }));

export const common = {
  tradeId,
  network: 'regtest',
  script: 'v1',
  internalKey: 'musig',
  inscriptionId,
  priceSats: 100_000n,
  claimKey: claim.public,
  buyerId: buyer.public,
  sellerId: seller.public,
  minConfirmations: 1,
  minPostageSats: 546n,
  routeCapBlocks: 432,
  maxFeeMsat: 1000n,
  maxClaimFeeSats: 5000n,
  expiresAt: nowSeconds + 600,
} as const;
export const holdWant: Want = { ...common, mode: 'hold-first', paymentHash };
export const lockWant: Want = { ...common, mode: 'lock-first' };

export const offered = {
  tradeId,
  from: seller.public,
  expiresAt: nowSeconds + 600,
  network: 'regtest',
  script: 'v1',
  internalKey: 'musig',
  refundKey: refund.public,
  priceSats: 100_000n,
  quoteHeight: height,
  confirmations: 3,
  postageSats: 10_000n,
  reserveSats: 2_000n,
  offsetSats: 0n,
} as const;
export const quote: TradeQuote = {
  op: 'trade_quote',
  inscriptionId,
  paymentHash,
  invoice: invoice(),
  refundHeight: height + 99,
  signed: { ...offered, mode: 'hold-first', finalCltv: 171 },
};
export const lockInvoice = (changed: Partial<InvoiceTerms> = {}) =>
  invoice({ expirySeconds: 3600, minFinalCltv: 80, ...changed });
export const start = height - 10;
export const accept = {
  op: 'trade_accept',
  inscriptionId,
  fundingTxid: 'fe'.repeat(32),
  fundingVout: 0,
  paymentHash,
  invoice: lockInvoice(),
  refundHeight: start + 12 + 3 + 18 + 864,
  witnessScript: '',
  signed: { ...offered, quoteHeight: start, mode: 'lock-first', finalCltv: 80 },
} as const satisfies TradeAccept;
/** The last height at which the buyer may pay: R - 864. */
export const lastPay = height + 23;

export const quoted = (check: Partial<Parameters<typeof checkQuote>[0]> = {}): Failure[] =>
  checkQuote({ want: holdWant, quote, height, nowSeconds, tip, ...check });
export const accepted = (check: Partial<Parameters<typeof checkAccept>[0]> = {}): Failure[] =>
  checkAccept({ want: lockWant, accept, height, nowSeconds, tip, ...check });
export const quoteWith = (signed: Partial<TradeQuote['signed']>, rest: Partial<TradeQuote> = {}): TradeQuote => ({
  ...quote,
  ...rest,
  signed: { ...quote.signed, ...signed },
});
export const quotedWith = (signed: Partial<TradeQuote['signed']>, rest: Partial<TradeQuote> = {}): Failure[] =>
  quoted({ quote: quoteWith(signed, rest) });
export const acceptWith = (signed: Partial<TradeQuote['signed']>, rest: Partial<TradeAccept> = {}): TradeAccept => ({
  ...accept,
  ...rest,
  signed: { ...accept.signed, ...signed },
});
export const acceptedWith = (signed: Partial<TradeQuote['signed']>, rest: Partial<TradeAccept> = {}): Failure[] =>
  accepted({ accept: acceptWith(signed, rest) });
export const billed = (changed: Partial<InvoiceTerms>): Failure[] =>
  quoted({ quote: { ...quote, invoice: invoice(changed) } });
export const wanted = (want: Partial<Want>): Want => ({ ...holdWant, ...want }) as Want;

const { signed: _signed, ...plainAccept } = accept;
export const plain: TradeAccept = plainAccept;
export const holdTerms = termsOfQuote(holdWant, quote);
export const lockTerms = termsOfAccept(lockWant, accept);

export const codesOf = (failures: Failure[]): CheckCode[] => failures.map(({ code }) => code);

/** One thing that is wrong, and the one failure that says so. */
export type Row = [code: CheckCode, failures: () => Failure[], sentence: string, detail: Record<string, unknown>];
