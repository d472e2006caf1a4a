import { ABSENT, BURIED, isClaim, isRefund, isSettled, type World } from './world.ts';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';

/** One moment of a trade; a cheat has no trade. */
export type Moment = { world: World; buyer?: Trade; seller?: Trade };

const claimIsFinal = ({ spender, spent }: World): boolean => isClaim(spender) && spent === BURIED;
const refundIsFinal = ({ spender, spent }: World): boolean => isRefund(spender) && spent === BURIED;
const sellerKeepsIt = (world: World): boolean => refundIsFinal(world) || world.abort === BURIED;

/** The payment can never be settled any more. */
const isUnpaid = ({ payment, invoice }: World): boolean =>
  payment === 'failing' || payment === 'failed' || (payment === 'none' && invoice !== 'open');

/** Why this moment must not be, seen from an honest party; `undefined` when nobody has lost anything. */
export function lossIn({ world, buyer, seller }: Moment): string | undefined {
  if (buyer !== undefined) {
    const loss = buyersLoss(world, buyer);
    if (loss !== undefined) return loss;
  }
  return seller === undefined ? undefined : sellersLoss(world, seller);
}

function buyersLoss(world: World, buyer: Trade): string | undefined {
  if (buyer.state === 'ended' && buyer.outcome === 'lost') return 'the buyer says that he has lost';
  if (!isSettled(world)) return undefined;
  if (sellerKeepsIt(world)) return 'the buyer has paid, and the inscription is with the seller for good';
  if (buyer.state === 'ended' && !claimIsFinal(world)) return 'the buyer has paid and left before his claim was buried';
  return undefined;
}

function sellersLoss(world: World, seller: Trade): string | undefined {
  if (seller.state === 'ended' && seller.outcome === 'lost') return 'the seller says that he has lost';
  if (claimIsFinal(world) && isUnpaid(world))
    return 'the buyer has the inscription for good, and the payment went back';
  if (seller.state !== 'ended' || isSettled(world)) return undefined;
  if (world.lock !== ABSENT && !refundIsFinal(world))
    return 'the seller has left unpaid while the inscription was in the lock';
  return undefined;
}
