import type { Scenario } from './game.ts';

const calm = {
  deep: 'one confirmation',
  pace: 'fine',
  reorgs: 0,
  evictions: 0,
  answers: 'always',
  reveals: 'broken off',
} as const;
const brief = { ...calm, pace: 'coarse' } as const;

const both = { buyer: 'honest', seller: 'honest' } as const;
const badBuyer = { buyer: 'cheat', seller: 'honest' } as const;
const badSeller = { buyer: 'honest', seller: 'cheat' } as const;

/** Every trade in a calm world, small enough for `npm test`. */
export const briefly: readonly Scenario[] = [
  { name: 'hold-first, both honest', mode: 'hold-first', ...both, ...brief },
  { name: 'hold-first, the buyer cheats', mode: 'hold-first', ...badBuyer, ...brief },
  { name: 'hold-first, the seller cheats', mode: 'hold-first', ...badSeller, ...brief },
  { name: 'lock-first, both honest', mode: 'lock-first', ...both, ...brief },
  { name: 'lock-first, the buyer cheats', mode: 'lock-first', ...badBuyer, ...brief },
  { name: 'lock-first, the seller cheats', mode: 'lock-first', ...badSeller, ...brief },
];

const rough = { ...calm, reorgs: 1, evictions: 1, answers: 'not always' } as const;
const three = { ...rough, deep: 'three confirmations', evictions: 0 } as const;

/**
 * The same trades with what nodes and chains can do on top. One thing is left out: a reorg that takes away a lock which
 * was as deep as agreed, together with a crash in the middle of showing the preimage, against a seller who cheats. The
 * buyer then cannot know whether the preimage is out. Three confirmations, which prices from 100,000 sats on get, make it
 * a reorg of three blocks, and there it is not left out.
 */
export const atLength: readonly Scenario[] = [
  { name: 'hold-first, both honest, reorg', mode: 'hold-first', ...both, ...calm, reorgs: 1 },
  { name: 'hold-first, the buyer cheats, reorg, eviction, silent nodes', mode: 'hold-first', ...badBuyer, ...rough },
  {
    name: 'hold-first, the seller cheats, silent nodes',
    mode: 'hold-first',
    ...badSeller,
    ...calm,
    answers: 'not always',
  },
  {
    name: 'hold-first, the seller cheats, reorg',
    mode: 'hold-first',
    ...badSeller,
    ...calm,
    reorgs: 1,
    reveals: 'whole',
  },
  {
    name: 'hold-first, three confirmations, the seller cheats, reorg, silent nodes',
    mode: 'hold-first',
    ...badSeller,
    ...three,
  },
  { name: 'lock-first, both honest, reorg, eviction', mode: 'lock-first', ...both, ...rough, answers: 'always' },
  { name: 'lock-first, the buyer cheats, reorg, eviction, silent nodes', mode: 'lock-first', ...badBuyer, ...rough },
  {
    name: 'lock-first, the seller cheats, reorg, silent nodes',
    mode: 'lock-first',
    ...badSeller,
    ...rough,
    evictions: 0,
  },
];
