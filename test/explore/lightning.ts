import { ASSUMED } from './heights.ts';
import type { Scene } from './scene.ts';
import { isSettled, type World } from './world.ts';

type Asked = { scene: Scene; world: World; height: number };

/** Sends the payment, or finds that it is on its way already: one hash is paid once. */
export function pay(world: World, expiry: number): World {
  if (world.payment !== 'none' && world.payment !== 'failed') return world;
  return { ...world, payment: 'under way', expiry };
}

/** Takes the held payment; `undefined` when none is held. */
export function settle(world: World): World | undefined {
  if (isSettled(world)) return world;
  return world.payment === 'at the payee' ? { ...world, payment: 'settled' } : undefined;
}

/** Makes the invoice unpayable and returns what is held; `undefined` when there is no invoice or it has been settled. */
export function cancel(world: World): World | undefined {
  if (world.invoice === 'unknown' || isSettled(world)) return undefined;
  return { ...world, invoice: 'canceled', payment: world.payment === 'at the payee' ? 'failing' : world.payment };
}

/** An HTLC reaches the payee's node: an honest seller's node does what the invoice says, a cheat's keeps it for a while. */
function arrivals({ scene, world, height }: Asked, seller: 'honest' | 'cheat'): World[] {
  const returned: World = { ...world, payment: 'failing' };
  if (world.invoice !== 'open') return [returned];
  const isHold = scene.mode === 'hold-first';
  const isTooShort = isHold && world.expiry - ASSUMED.holdMargin <= height;
  if (isTooShort) return [returned];
  const accepted: World = { ...world, payment: isHold || seller === 'cheat' ? 'at the payee' : 'settled' };
  // Some nodes take a payment for an invoice that has expired, some do not.
  return world.clock === 0 ? [accepted] : [accepted, returned];
}

/** What Lightning does by itself; `before`: the next block that comes is above this height. */
export function lightningMoves(asked: Asked & { next: number; seller: 'honest' | 'cheat' }): [string, World][] {
  const { scene, world, height, next, seller } = asked;
  const failing: World = { ...world, payment: 'failing' };
  switch (world.payment) {
    case 'under way':
      return [
        ['a router fails the payment', failing],
        ...arrivals(asked, seller).map((after): [string, World] => [
          after.payment === 'failing'
            ? "the payee's node refuses the payment"
            : "the payment arrives at the payee's node",
          after,
        ]),
      ];
    case 'at the payee': {
      const nodeCancels = scene.mode === 'hold-first' && height >= world.expiry - ASSUMED.holdMargin;
      if (!nodeCancels && next <= world.expiry) return [];
      return [['the held payment is so near its expiry that it is failed', { ...failing, invoice: 'canceled' }]];
    }
    case 'settled':
      return [['the payer learns that the payment is settled', { ...world, payment: 'known settled' }]];
    case 'failing':
      return [['the payer learns that the payment has failed', { ...world, payment: 'failed' }]];
    case 'none':
    case 'known settled':
    case 'failed':
      return [];
  }
}

/** Whether the next block may come: nothing stays in flight beyond its expiry. */
export function mayGoOn({ world, next }: { world: World; next: number }): boolean {
  switch (world.payment) {
    case 'under way':
    case 'at the payee':
      return next <= world.expiry;
    case 'settled':
    case 'failing':
      return next <= world.expiry + ASSUMED.learn;
    case 'none':
    case 'known settled':
    case 'failed':
      return true;
  }
}
