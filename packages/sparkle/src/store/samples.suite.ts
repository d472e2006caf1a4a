import type { KeyedEffect } from '../protocol/trade/effect.ts';
import type { HoldSeller, LockVersion } from '../protocol/trade/state.ts';
import type { Trade } from '../protocol/trade/step.ts';
import type { Offer, Terms } from '../protocol/trade/terms.ts';

export const hex = (byte: string): string => byte.repeat(32);

export const offer: Offer = {
  inscriptionId: `${hex('1d')}i0`,
  priceSats: 100_000n,
  modes: ['hold-first'],
  network: 'regtest',
  sourceOutpoint: `${hex('50')}:0`,
  sourceValueSats: 10_000n,
  offsetSats: 0n,
  postageSats: 546n,
  reserveSats: 2_000n,
  confirmations: 2,
  routeCapBlocks: 144,
  finalCltv: 80,
  maxRefundFeeSats: 5_000n,
  sellerId: hex('5e'),
  expiresAt: 1_900_000_000,
};

export const termsOf = (tradeId: string, paymentHash: string): Terms => ({
  tradeId,
  mode: 'hold-first',
  network: 'regtest',
  script: 'v1',
  internalKey: 'nums',
  inscriptionId: offer.inscriptionId,
  priceSats: 100_000n,
  paymentHash,
  claimKey: hex('c1'),
  refundKey: hex('4e'),
  refundHeight: 299,
  quoteHeight: 200,
  finalCltv: 171,
  confirmations: 2,
  postageSats: 546n,
  reserveSats: 2_000n,
  offsetSats: 0n,
  buyerId: hex('b0'),
  sellerId: hex('5e'),
});

type Name = { tradeId: string; paymentHash: string };

const baseOf = ({ tradeId, paymentHash }: Name) =>
  ({ role: 'seller', mode: 'hold-first', tradeId, keyIndex: 0, terms: termsOf(tradeId, paymentHash), offer }) as const;

/** The states of a seller that the store looks into: without a lock, with one, and ended. */
export const quoting = (name: Name): HoldSeller => ({ ...baseOf(name), state: 'quoting' });

/** A counter that tests keep in a trade of these: its key index. */
export const countOf = (trade: Trade | undefined): number =>
  trade !== undefined && 'keyIndex' in trade ? trade.keyIndex : 0;
export const countedUp = (trade: Trade): Trade => ({ ...(trade as HoldSeller), keyIndex: countOf(trade) + 1 });

export function locked(name: Name, lockTxid: string): HoldSeller {
  const spent = [{ outpoint: offer.sourceOutpoint, valueSats: offer.sourceValueSats, script: '51' }];
  const lock: LockVersion = { txid: lockTxid, raw: '00', feeSats: 300n, feerateSatVb: 2.5, vout: 0, spent };
  const held = { invoice: 'lnbcrt1', acceptedHeight: 210, expiryHeight: 381 };
  return { ...baseOf(name), state: 'locked', ...held, lock, announcedAt: 215 };
}

export const ended = (name: Name): HoldSeller => ({
  ...baseOf(name),
  state: 'ended',
  outcome: 'traded',
  codes: [],
  txid: hex('cc'),
});

export const alert = (key: string): KeyedEffect => ({
  key,
  effect: { do: 'alert', level: 'warn', code: 'late', sentence: `about ${key}` },
});

export const first: Name = { tradeId: 't1', paymentHash: hex('a1') };
export const second: Name = { tradeId: 't2', paymentHash: hex('a2') };
export const third: Name = { tradeId: 't3', paymentHash: hex('a3') };
