import { readHeader, targetOf, writeHeader, type Header } from '../protocol/header.ts';

/** The bits of every block on regtest: each second hash will do. */
export const REGTEST_BITS = 0x207f_ffff;
const TARGET = targetOf(REGTEST_BITS);

type MinedHeader = Pick<Header, 'previous' | 'merkleRoot' | 'timeSeconds' | 'bits'> & {
  work: 'done' | 'missing';
};

/** A header with regtest's work done for it or surely not, whatever its bits claim; 80 bytes as hex. */
export function mineHeader({ work, ...on }: MinedHeader): string {
  for (let nonce = 0; ; nonce += 1) {
    const raw = writeHeader({ version: 0x2000_0000, ...on, nonce });
    const isDone = BigInt(`0x${readHeader(raw).hash}`) <= TARGET;
    if (isDone === (work === 'done')) return raw;
  }
}
