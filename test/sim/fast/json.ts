import { decodeState as realDecodeState } from '../../../packages/sparkle/src/protocol/json.ts';
import { recalling } from './recall.ts';

export * from '../../../packages/sparkle/src/protocol/json.ts';

/** A state is never changed, only replaced: whoever reads the same text twice may have the same object. */
export const decodeState: typeof realDecodeState = recalling(realDecodeState, (text) => text);
