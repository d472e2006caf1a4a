import { cheat } from './chain.ts';
import { cancel, settle } from './lightning.ts';
import type { Letter, Scene } from './scene.ts';
import { expiryOf } from './heights.ts';
import { isClaim, isPosted, isRefund, isSettled, type World } from './world.ts';

type Asked = { scene: Scene; world: World; height: number; next: number };
type Move = [string, World];

/** Only what changes the world is a move. */
const moves = (world: World, all: [string, World | undefined][]): Move[] =>
  all.filter((move): move is Move => move[1] !== undefined && move[1] !== world);

/**
 * Everything a dishonest buyer can do with his keys and what he knows, at any time: pay or not, with an HTLC that expires
 * too early or late, claim as soon as a claim is possible and until long after R, replace a refund, take his claim back,
 * and be silent.
 */
export function buyerCheats(asked: Asked): Move[] {
  const { scene, world, height } = asked;
  const isHold = scene.mode === 'hold-first';
  const knowsInvoice = isPosted(world, isHold ? 'quote' : 'accept');
  const mayPay =
    knowsInvoice && (world.payment === 'none' || world.payment === 'failed') && height <= lastUsefulHeight(scene);
  const paid = (expiry: number): World | undefined => (mayPay ? { ...world, payment: 'under way', expiry } : undefined);
  const knows = isHold || world.payment === 'known settled';
  const expiry = expiryOf(scene, height);
  return moves(world, [
    ['the buyer pays', paid(expiry)],
    ['the buyer pays with an HTLC that ends too early', isHold ? paid(scene.terms.refundHeight + 71) : undefined],
    ['the buyer claims', knows ? cheat.claim(asked) : undefined],
    ['the buyer takes his claim out of the mempool again', cheat.takeBackSpend(asked, isClaim)],
  ]);
}

/** A payment that is sent later is refused by everybody. */
const lastUsefulHeight = ({ mode, startHeight, terms }: Scene): number =>
  mode === 'hold-first' ? startHeight + 13 : terms.refundHeight;

/**
 * Everything a dishonest seller can do: lock or not, early or late, spend the lock's source elsewhere, refund from R on,
 * fight a claim, hold a payment to its last block or take it as soon as he knows the preimage, and be silent.
 */
export function sellerCheats(asked: Asked): Move[] {
  const { scene, world } = asked;
  const knows = scene.mode === 'lock-first' || world.shown;
  return moves(world, [
    ['the seller makes an invoice', world.invoice === 'unknown' ? { ...world, invoice: 'open' } : undefined],
    ['the seller broadcasts the lock', cheat.lock(asked)],
    ["the seller spends the lock's source elsewhere", cheat.abort(asked)],
    ['the seller broadcasts a refund', cheat.refund(asked)],
    ['the seller takes his refund out of the mempool again', cheat.takeBackSpend(asked, isRefund)],
    ['the seller takes the payment', knows && !isSettled(world) ? settle(world) : undefined],
    ['the seller cancels the invoice', cancel(world)],
  ]);
}

/** What a cheat can write at any moment, as often as he likes. */
export function lettersOfCheat({ scene, world }: Pick<Asked, 'scene' | 'world'>, from: 'buyer' | 'seller'): Letter[] {
  const isHold = scene.mode === 'hold-first';
  if (from === 'buyer')
    return isHold || world.payment === 'known settled'
      ? ['abort to seller', 'complete to seller']
      : ['abort to seller'];
  const offers: Letter[] = isHold ? ['quote', 'accept', 'abort to buyer'] : ['accept', 'abort to buyer'];
  return !isHold || world.shown ? [...offers, 'complete to buyer'] : offers;
}
