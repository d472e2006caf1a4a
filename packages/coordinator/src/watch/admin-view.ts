import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { z } from 'zod';
import { type Deadline, nextDeadline, type Urgency, urgencyOf } from './guardian-deadline.ts';
import type { DeadLetter } from '../news/webhooks.ts';
import type { Payout } from '../royalties/payout.ts';
import type { Health } from './health.ts';

/** A live trade as an operator sees it: nothing by which anybody could move money. */
export type AdminTrade = {
  trade_id: string;
  role: Trade['role'];
  mode: Trade['mode'];
  state: Trade['state'];
  deadline: Deadline | undefined;
  blocks_left: number | undefined;
  urgency: Urgency;
};

/** A royalty that is owed over Lightning and not paid yet. */
export const owedRoyaltySchema = z.object({
  id: z.string(),
  trade_id: z.string(),
  to: z.string(),
  sats: z.string(),
  /** `given_up`: it is not tried any more unless it is asked for. */
  state: z.enum(['owed', 'paying', 'given_up']),
  attempts: z.number(),
  /** Unix seconds. */
  since: z.number(),
  why: z.string(),
});

export type OwedRoyalty = z.infer<typeof owedRoyaltySchema>;

export const owedRoyalties = (payouts: readonly Payout[]): OwedRoyalty[] =>
  payouts.flatMap(({ payoutId: id, tradeId: trade_id, to, amountSats, state, attempts, owedAt: since, why }) =>
    state === 'paid' ? [] : [{ id, trade_id, to, sats: String(amountSats), state, attempts, since, why }],
  );

/** Amounts of sats as decimal text, by what they are. */
export type Reserve = Readonly<Record<string, string>>;

/** What could not be asked is `undefined`: an operator looks here when something is away. */
export type OperatorView = {
  health: Health;
  reserve: Reserve | undefined;
  trades: readonly AdminTrade[] | undefined;
  deadLetters: readonly DeadLetter[] | undefined;
  owed: readonly OwedRoyalty[] | undefined;
};

function viewOf(trade: Trade, height: number | undefined): AdminTrade {
  const { tradeId, role, mode, state } = trade;
  const deadline = nextDeadline(trade);
  const isKnown = deadline !== undefined && height !== undefined;
  return {
    trade_id: tradeId,
    role,
    mode,
    state,
    deadline,
    blocks_left: isKnown ? deadline.height - height : undefined,
    urgency: height === undefined ? 'none' : urgencyOf(trade, height),
  };
}

const soonness = ({ deadline }: AdminTrade): number => deadline?.height ?? Number.MAX_SAFE_INTEGER;

/** The trades whose deadline comes first stand first. */
export const viewsOf = (trades: readonly Trade[], height: number | undefined): AdminTrade[] =>
  trades.map((trade) => viewOf(trade, height)).toSorted((a, b) => soonness(a) - soonness(b));
