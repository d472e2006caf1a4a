import type { Letter } from './scene.ts';

/** Depth of a transaction: not there, in the mempool, or this many confirmations, of which six are as good as any more. */
export const ABSENT = -1;
export const MEMPOOL = 0;
export const BURIED = 6;

/** Who spends the lock: a claim or a refund, the first or a dearer one. */
export type Spender = 'none' | 'claim' | 'dearer claim' | 'refund' | 'dearer refund';
const SPENDERS: readonly Spender[] = ['none', 'claim', 'dearer claim', 'refund', 'dearer refund'];
export const isClaim = (spender: Spender): boolean => spender === 'claim' || spender === 'dearer claim';
export const isRefund = (spender: Spender): boolean => spender === 'refund' || spender === 'dearer refund';

/** The one payment of a trade, from the payer to the payee and back. */
export type Payment = 'none' | 'under way' | 'at the payee' | 'settled' | 'known settled' | 'failing' | 'failed';
const PAYMENTS: readonly Payment[] = [
  'none',
  'under way',
  'at the payee',
  'settled',
  'known settled',
  'failing',
  'failed',
];
export const isSettled = ({ payment }: World): boolean => payment === 'settled' || payment === 'known settled';

/** The invoice as such; held and settled follow from the payment. */
export type Invoice = 'unknown' | 'open' | 'canceled';
const INVOICES: readonly Invoice[] = ['unknown', 'open', 'canceled'];

/** All letters that were ever sent. */
export const LETTERS: readonly Letter[] = [
  'quote',
  'accept',
  'abort to buyer',
  'abort to seller',
  'complete to buyer',
  'complete to seller',
];

/** Everything outside the two traders: chain, mempool, Lightning, post, and clocks. Heights are absolute, 0 stands for none. */
export type World = {
  /** Index into the heights that the explorer visits. */
  step: number;
  /** 0: every invoice is young; 1: every invoice is past its expiry; 2: everything that can expire has. */
  clock: number;
  lock: number;
  abort: number;
  spender: Spender;
  spent: number;
  payment: Payment;
  /** Height at which the payment's HTLC at the payee expires. */
  expiry: number;
  invoice: Invoice;
  /** Set of sent letters, one bit each. */
  post: number;
  /** The preimage has been in a mempool, a block or a message. */
  shown: boolean;
  /** The lock has had as many confirmations as were agreed on, in some branch of the chain. */
  deep: boolean;
  /** Heights by which the lock's source, and the lock itself, must have been spent by a confirmed transaction. */
  sourceBy: number;
  spendBy: number;
  /** How many more reorgs and evictions may come. */
  reorgs: number;
  evictions: number;
};

const bit = (letter: Letter): number => 1 << LETTERS.indexOf(letter);
export const isPosted = ({ post }: World, letter: Letter): boolean => (post & bit(letter)) !== 0;
export const posted = (world: World, letter: Letter): World => ({ ...world, post: world.post | bit(letter) });

/** The world as a short text, the same for equal worlds only. */
export function encodeWorld(world: World): string {
  return String.fromCharCode(
    world.step,
    world.clock * 64 + (world.lock + 1) * 8 + (world.abort + 1),
    SPENDERS.indexOf(world.spender) * 64 + world.spent * 8 + PAYMENTS.indexOf(world.payment),
    world.expiry,
    INVOICES.indexOf(world.invoice) * 256 + world.post * 4 + (world.shown ? 2 : 0) + (world.deep ? 1 : 0),
    world.sourceBy,
    world.spendBy,
    world.reorgs * 8 + world.evictions,
  );
}
