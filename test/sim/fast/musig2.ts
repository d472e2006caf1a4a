import { keyAggregate as realKeyAggregate } from '@scure/btc-signer/musig2.js';
import { hex } from '@scure/base';
import { recalling } from './recall.ts';

export * from '@scure/btc-signer/musig2.js';

export const keyAggregate: typeof realKeyAggregate = recalling(realKeyAggregate, (...args) =>
  JSON.stringify(args, plain),
);

const plain = (_key: string, value: unknown): unknown => {
  if (value instanceof Uint8Array) return hex.encode(value);
  return typeof value === 'bigint' ? `${value}` : value;
};
