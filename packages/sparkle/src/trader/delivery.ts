import type { Chain } from '../chain/chain.ts';
import type { Ordinals } from '../ordinals/ordinals.ts';
import type { Failure } from '../protocol/checks.ts';
import { type Announced, type Bought, checkDelivery, readDelivery, type Shown } from '../protocol/checks-delivery.ts';
import { lookAtLock } from './watch.ts';

/** What a buyer of a coordinator has besides the coordinator. */
export type DeliveryCheck = Bought & {
  shown: Shown;
  /** His own view of Bitcoin: his node, or several sources that must agree. */
  chain: Chain;
  /** His own index, if he has one. Without it the sat proof must hold. */
  ordinals?: Ordinals;
  /** Where he knows that the inscription lay before; lets a sat proof begin there. */
  knownSatpoint?: string;
  nowSeconds: number;
};

/**
 * The one thing to call before a preimage is shown to anybody: what the coordinator shows is compared with what the buyer
 * wants, and with what his own chain says now. `lock` is what to claim, and is there only when nothing is wrong. A failure
 * with `wait` may pass by itself: ask again after the next block, with a new proof. Throws `chain_unavailable`.
 */
export async function verifyDelivery(check: DeliveryCheck): Promise<{ failures: Failure[]; lock?: Announced }> {
  const { want, invoice, shown, chain, ordinals, knownSatpoint, nowSeconds } = check;
  const { failures: unread, announced } = readDelivery({ want, invoice, shown });
  if (announced === undefined) return { failures: unread };
  const { inscriptionId } = want;
  const at = { outpoint: announced.outpoint, inscriptionId };
  const { tip, facts } = await lookAtLock({ chain, ordinals }, at);
  const reveal = (await chain.transaction(inscriptionId.slice(0, 64)))?.raw;
  const failures = checkDelivery({
    ...{ want, invoice, shown },
    seen: {
      ...{ height: tip.height, tip, nowSeconds, facts, hasIndex: ordinals !== undefined },
      ...(reveal === undefined ? {} : { reveal }),
      ...(knownSatpoint === undefined ? {} : { knownSatpoint }),
    },
  });
  return failures.length === 0 ? { failures, lock: announced } : { failures };
}
