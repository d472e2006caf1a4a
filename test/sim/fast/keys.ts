import { hex } from '@scure/base';
import {
  identityKey as realIdentityKey,
  tradeKeys as realTradeKeys,
} from '../../../packages/sparkle/src/protocol/keys.ts';
import { recalling } from './recall.ts';

export * from '../../../packages/sparkle/src/protocol/keys.ts';

export const tradeKeys: typeof realTradeKeys = recalling(
  realTradeKeys,
  ({ seed, network, index }) => `${hex.encode(seed)} ${network} ${index}`,
);

export const identityKey: typeof realIdentityKey = recalling(
  realIdentityKey,
  ({ seed, network }) => `${hex.encode(seed)} ${network}`,
);
