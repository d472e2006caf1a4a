import { buildLock as realBuildLock, sameLock as realSameLock } from '../../../packages/sparkle/src/protocol/lock.ts';
import { recalling } from './recall.ts';

export * from '../../../packages/sparkle/src/protocol/lock.ts';

export const buildLock: typeof realBuildLock = recalling(
  realBuildLock,
  ({ script, internalKey, paymentHash, claimKey, refundKey, refundHeight, network }) =>
    [script, internalKey, paymentHash, claimKey, refundKey, refundHeight, network].join(' '),
);

export const sameLock: typeof realSameLock = (terms, script) => buildLock(terms).script === script;
