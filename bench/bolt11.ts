import { decode as decodeNpmBolt11 } from 'bolt11';
import { decode as decodeLight } from 'light-bolt11-decoder';
import { decodeInvoice } from '../packages/sparkle/src/protocol/bolt11.ts';
import { parseInvoice } from '../packages/sparkle/src/protocol/bolt11-parse.ts';
import vectors from '../packages/sparkle/src/protocol/bolt11.vectors.json' with { type: 'json' };

const MEASURE_MS = 1500;
const WARM_UP_ROUNDS = 30;

const readers: readonly { name: string; read: (text: string) => unknown }[] = [
  { name: 'sparkle decodeInvoice: strict, signature checked in JavaScript', read: decodeInvoice },
  { name: 'sparkle parseInvoice: strict, without the signature, for scale', read: parseInvoice },
  { name: 'bolt11 1.4.1: signature checked by native libsecp256k1', read: (text) => decodeNpmBolt11(text) },
  { name: 'light-bolt11-decoder 3.2.0: no signature check', read: (text) => decodeLight(text) },
];

function canRead(read: (text: string) => unknown, text: string): boolean {
  try {
    read(text);
    return true;
  } catch {
    return false;
  }
}

/** Invoices per second, over the valid examples of BOLT 11 that every reader accepts; nothing is cached between rounds. */
export async function benchBolt11(): Promise<{ name: string; perSecond: number }[]> {
  const texts = vectors.valid
    .map(({ invoice }) => invoice)
    .filter((text) => readers.every(({ read }) => canRead(read, text)));
  return readers.map(({ name, read }) => {
    for (let round = 0; round < WARM_UP_ROUNDS; round++) for (const text of texts) read(text);
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < MEASURE_MS) {
      for (const text of texts) read(text);
      count += texts.length;
    }
    return { name, perSecond: Math.round((count * 1000) / (performance.now() - start)) };
  });
}
