import type { TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import type { Chance } from './chance.ts';
import type { Who, When } from './trouble.ts';

const states: Readonly<Record<Who, Readonly<Record<TradeMode, readonly [string, ...string[]]>>>> = {
  buyer: {
    'hold-first': ['requested', 'paying', 'verifying', 'claiming', 'withdrawn', 'ended'],
    'lock-first': ['requested', 'verifying', 'paying', 'claiming', 'ended'],
  },
  seller: {
    'hold-first': ['invoiced', 'building', 'locking', 'aborting', 'locked', 'refunding', 'settling', 'canceling'],
    'lock-first': ['building', 'locking', 'aborting', 'invoicing', 'invoiced', 'withdrawing', 'waiting', 'refunding'],
  },
};

/** One moment of a trade on which its troubles like to fall together. */
export type Focus = { who: Who; state: string };

export const drawWho = (chance: Chance): Who => chance.oneOf(['buyer', 'seller'] as const);

export function drawFocus(chance: Chance, mode: TradeMode): Focus {
  const who = drawWho(chance);
  return { who, state: chance.oneOf(states[who][mode]) };
}

/** What a kind of trouble is drawn with. `hard`: falls upon the focus, and lasts as long as the rules must bear. */
export type Draw = { chance: Chance; mode: TradeMode; focus: Focus; severity: 'usual' | 'hard' };

const FOCUSED = 0.6;
/** Of 36 blocks that the rules leave for a claim or a refund, six are for a reorg. */
const HARD_BLOCKS = 30;

/** For how many blocks something lasts. */
export const drawBlocks = ({ chance, severity }: Draw, usual: { least: number; most: number }): number =>
  severity === 'hard' ? chance.between(usual.most, HARD_BLOCKS) : chance.between(usual.least, usual.most);

export function anytime({ chance, mode, focus, severity }: Draw): When {
  const { who, state } = severity === 'hard' || chance.happens(FOCUSED) ? focus : drawFocus(chance, mode);
  return {
    who,
    state,
    afterBlocks: chance.oneOf([0, 0, 0, 1, 1, 2, 3, 5] as const),
    amidCalls: chance.happens(0.4) ? chance.between(1, 12) : 0,
  };
}

/** Between two looks, never in the midst of one. */
export const anytimeAtRest = (draw: Draw): When => ({ ...anytime(draw), amidCalls: 0 });

export const said = ({ who, state, afterBlocks, amidCalls }: When): string =>
  `${afterBlocks} blocks after the ${who} was ${state}${amidCalls > 0 ? `, ${amidCalls} calls into a look` : ''}`;
