import { lnd, type LndNode } from 'sparkle-protocol/lightning/lnd/node';
import type { Lnd } from './lnd.ts';

/** Our driver over such a node, trusted with everything that the node has. */
export const driverOver = (
  { socket, certPath, macaroonPath }: Pick<Lnd, 'socket' | 'certPath' | 'macaroonPath'>,
  warn: (words: string) => void,
): LndNode =>
  lnd({
    access: { socket, cert: { path: certPath }, macaroon: { path: macaroonPath } },
    uses: ['receive', 'pay'],
    adminMacaroon: 'allowed',
    holdExpiryMarginBlocks: 18,
    privateChannels: 'named',
    nowMilliseconds: () => Date.now(),
    warn,
  });
