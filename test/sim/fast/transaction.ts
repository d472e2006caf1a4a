import { readTransaction as realReadTransaction } from '../../../packages/sparkle/src/protocol/transaction.ts';
import { recalling } from './recall.ts';

export * from '../../../packages/sparkle/src/protocol/transaction.ts';

export const readTransaction: typeof realReadTransaction = recalling(realReadTransaction, (raw) => raw);

export const txidOf = (raw: string): string => readTransaction(raw).txid;
