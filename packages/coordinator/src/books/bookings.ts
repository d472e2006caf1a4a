import { decodeTransaction, type Prevout } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { LockVersion } from 'sparkle-protocol/protocol/trade/state';
import { lockValueSats, type Offer, type Terms } from 'sparkle-protocol/protocol/trade/terms';
import type { Booking, Line } from './ledger.ts';

/**
 * What the coordinator has: coins of its wallet, items that it owns, locks it has built, sats in its channels. What it earns
 * stands below 0 in `sales`, what that costs above 0 in the rest, and what it still owes for it below 0 in `owed_royalties`.
 * All together are 0, so that earnings less costs are what it has less what it owes.
 */
export const accounts = {
  coins: 'coins',
  items: 'items',
  locks: 'locks',
  lightning: 'lightning',
  sales: 'sales',
  sellers: 'sellers',
  royalties: 'royalties',
  owedRoyalties: 'owed_royalties',
  delivered: 'delivered',
  chainFees: 'chain_fees',
  routingFees: 'routing_fees',
} as const;

type Account = (typeof accounts)[keyof typeof accounts];
/** An input by what it spends, or an output by where it stands. */
type Place = { outpoint: string } | { output: number };

type Happening = { tradeId: string; at: number };
type Transaction = Happening & {
  why: string;
  raw: string;
  /** What its inputs spend, in their order. */
  spent: readonly Prevout[];
  accountOf(place: Place): Account;
};

const MSAT = 1000n;

/**
 * A confirmed transaction as a booking: what it spends leaves its accounts, what it makes comes to them, and the rest is its
 * fee. Throws `bad_transaction` when `spent` is not what it spends.
 */
function transactionBooking({ tradeId, at, why, raw, spent, accountOf }: Transaction): Booking {
  const { inputs, outputs } = decodeTransaction(raw);
  const isSame = inputs.length === spent.length && inputs.every(({ outpoint }, i) => outpoint === spent[i]?.outpoint);
  if (!isSame)
    throw new SparkleError(
      'bad_transaction',
      'what a booked transaction spends must be named in its order; it is not',
      {
        tradeId,
        why,
      },
    );
  const sums = new Map<Account, bigint>();
  const add = (account: Account, sats: bigint) => sums.set(account, (sums.get(account) ?? 0n) + sats * MSAT);
  for (const { outpoint, valueSats } of spent) add(accountOf({ outpoint }), -valueSats);
  for (const [output, { valueSats }] of outputs.entries()) add(accountOf({ output }), valueSats);
  const moved = [...sums.values()].reduce((all, msat) => all + msat, 0n);
  sums.set(accounts.chainFees, (sums.get(accounts.chainFees) ?? 0n) - moved);
  const entries: Line[] = [...sums].map(([account, msat]) => ({ account, msat }));
  return { tradeId, at, why, entries };
}

type Locked = Happening & {
  offer: Pick<Offer, 'sourceOutpoint' | 'fill'>;
  lock: Pick<LockVersion, 'raw' | 'spent' | 'vout'>;
};

/**
 * The lock has confirmed: by the fill of a listing, which pays its seller and the royalties, or with an item of our own. A
 * fill's outputs stand in this order: dummies, lock, seller, royalties, change (`buildFillTransaction`).
 */
export function lockBooking({ tradeId, at, offer, lock }: Locked): Booking {
  const { fill, sourceOutpoint } = offer;
  const accountOf = (place: Place): Account => {
    if ('outpoint' in place) {
      if (place.outpoint !== sourceOutpoint) return accounts.coins;
      return fill === undefined ? accounts.items : accounts.sellers;
    }
    const behind = place.output - lock.vout;
    if (behind === 0) return accounts.locks;
    if (fill === undefined || behind < 0 || behind > 1 + fill.payouts.length) return accounts.coins;
    return behind === 1 ? accounts.sellers : accounts.royalties;
  };
  return transactionBooking({ tradeId, at, why: 'locked', raw: lock.raw, spent: lock.spent, accountOf });
}

/** The held payment was settled, with what came in it: a payer may send a little more than he was asked for. */
export const settledBooking = ({ tradeId, at, amountMsat: msat }: Happening & { amountMsat: bigint }): Booking => ({
  tradeId,
  at,
  why: 'settled',
  entries: [
    { account: accounts.lightning, msat },
    { account: accounts.sales, msat: -msat },
  ],
});

/** A seller was paid over Lightning out of what a buyer has paid, with what the way to him has cost. */
export const forwardedBooking = (of: Happening & { sellerSats: bigint; feeMsat: bigint }): Booking => ({
  ...{ tradeId: of.tradeId, at: of.at, why: 'forwarded' },
  entries: [
    { account: accounts.sellers, msat: of.sellerSats * MSAT },
    { account: accounts.routingFees, msat: of.feeMsat },
    { account: accounts.lightning, msat: -(of.sellerSats * MSAT + of.feeMsat) },
  ],
});

type Royalty = { tradeId: string; payoutId: string; at: number; amountSats: bigint };

/** The payment of a sale was settled, and with it a royalty is owed that is paid over Lightning. */
export const royaltyOwedBooking = ({ tradeId, payoutId, at, amountSats }: Royalty): Booking => ({
  ...{ tradeId, at, why: `royalty owed ${payoutId}` },
  entries: [
    { account: accounts.royalties, msat: amountSats * MSAT },
    { account: accounts.owedRoyalties, msat: -(amountSats * MSAT) },
  ],
});

/** It was paid, with what the way to the creator has cost. */
export const royaltyPaidBooking = (of: Royalty & { feeMsat: bigint }): Booking => ({
  ...{ tradeId: of.tradeId, at: of.at, why: `royalty paid ${of.payoutId}` },
  entries: [
    { account: accounts.owedRoyalties, msat: of.amountSats * MSAT },
    { account: accounts.routingFees, msat: of.feeMsat },
    { account: accounts.lightning, msat: -(of.amountSats * MSAT + of.feeMsat) },
  ],
});

/** The buyer's claim is final: the lock is his, with the postage and what was in it for the fee of the claim. */
export function deliveredBooking(of: Happening & { terms: Pick<Terms, 'postageSats' | 'reserveSats'> }): Booking {
  const { tradeId, at, terms } = of;
  const msat = lockValueSats(terms) * MSAT;
  const entries = [
    { account: accounts.locks, msat: -msat },
    { account: accounts.delivered, msat },
  ];
  return { tradeId, at, why: 'delivered', entries };
}

type Refunded = Happening & { raw: string; spent: readonly Prevout[]; lockOutpoint: string };

/**
 * The buyer walked away and the refund is final: the item is ours, in output 0 (design 3). Whatever else pays for the
 * refund, or comes back from it, is a coin.
 */
export function refundBooking({ tradeId, at, raw, spent, lockOutpoint }: Refunded): Booking {
  const accountOf = (place: Place): Account => {
    if ('outpoint' in place) return place.outpoint === lockOutpoint ? accounts.locks : accounts.coins;
    return place.output === 0 ? accounts.items : accounts.coins;
  };
  return transactionBooking({ tradeId, at, why: 'refunded', raw, spent, accountOf });
}

/** A lock was taken back before it confirmed: an item of ours comes back in output 0, one of a listing stays where it is. */
export function abortBooking(
  of: Happening & { raw: string; spent: readonly Prevout[]; offer: Locked['offer'] },
): Booking {
  const { fill, sourceOutpoint } = of.offer;
  const isItem = (place: Place) => ('outpoint' in place ? place.outpoint === sourceOutpoint : place.output === 0);
  const accountOf = (place: Place): Account => (fill === undefined && isItem(place) ? accounts.items : accounts.coins);
  return transactionBooking({ ...of, why: 'aborted', accountOf });
}

/** A transaction of ours alone, which moves no item: a child that hurried a lock, or coins that were taken back. */
export const feeBooking = (of: Happening & { why: string; raw: string; spent: readonly Prevout[] }): Booking =>
  transactionBooking({ ...of, accountOf: () => accounts.coins });
