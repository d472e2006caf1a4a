import { decodeInvoice as realDecodeInvoice } from '../../../packages/sparkle/src/protocol/bolt11.ts';
import { recalling } from './recall.ts';

export * from '../../../packages/sparkle/src/protocol/bolt11.ts';

export const decodeInvoice: typeof realDecodeInvoice = recalling(realDecodeInvoice, (text) => text);
