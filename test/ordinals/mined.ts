import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { hex } from '@scure/base';
import { readTransaction, writeTransaction, type TransactionOutput } from 'sparkle-protocol/protocol/transaction';

const twice = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));
const le32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
};
const wire = (hash: string): Uint8Array => hex.decode(hash).reverse();

/** nBits of every block on regtest: half of all hashes will do. */
const BITS = 0x207fffff;
const VERSION = 0x20000000;
const NO_VALUE = new Uint8Array(32);

function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  let row = [...leaves];
  while (row.length > 1) {
    const pairs: Uint8Array[] = [];
    for (let at = 0; at < row.length; at += 2) {
      const left = row[at] ?? NO_VALUE;
      // An odd one is paired with itself.
      pairs.push(twice(concatBytes(left, row[at + 1] ?? left)));
    }
    row = pairs;
  }
  return row[0] ?? NO_VALUE;
}

/** BIP 34: the height comes first, as short as it can be; bytes of our own follow, so that two blocks of one height differ. */
function heightScript(height: number, salt: number): Uint8Array {
  const number = height < 0x80 ? [1, height] : [2, height & 0xff, height >> 8];
  return Uint8Array.of(...number, 2, salt & 0xff, salt >> 8);
}

/** BIP 141: the coinbase commits to the witnesses of all others. */
function commitment(raws: readonly string[]): TransactionOutput {
  const hashes = [NO_VALUE, ...raws.map((raw) => twice(hex.decode(raw)))];
  const hash = twice(concatBytes(merkleRoot(hashes), NO_VALUE));
  return { valueSats: 0n, script: concatBytes(hex.decode('6a24aa21a9ed'), hash) };
}

export type BlockPlan = {
  previous: { height: number; hash: string; timeSeconds: number };
  raws: readonly string[];
  /** What the miner takes; nobody makes him take all. */
  coinbase: readonly TransactionOutput[];
  /** Tells blocks apart that are otherwise the same. */
  salt: number;
};

export type MinedBlock = { height: number; hash: string; timeSeconds: number; raw: string; coinbaseTxid: string };

/** A block with exactly these transactions in this order, with proof of work for regtest. */
export function mined({ previous, raws, coinbase, salt }: BlockPlan): MinedBlock {
  const height = previous.height + 1;
  const timeSeconds = previous.timeSeconds + 1;
  const coinbaseRaw = writeTransaction({
    version: 2,
    inputs: [
      {
        ...{ txid: '00'.repeat(32), vout: 0xffff_ffff, sequence: 0xffff_ffff },
        ...{ scriptSig: heightScript(height, salt), witness: [NO_VALUE] },
      },
    ],
    outputs: [...coinbase, commitment(raws)],
    lockTime: 0,
  });
  const all = [coinbaseRaw, ...raws];
  const txids = all.map((raw) => readTransaction(raw).txid);
  const start = concatBytes(le32(VERSION), wire(previous.hash), merkleRoot(txids.map(wire)), le32(timeSeconds));
  for (let nonce = 0; ; nonce += 1) {
    const header = concatBytes(start, le32(BITS), le32(nonce));
    const hash = twice(header);
    if ((hash[31] ?? 0xff) >= 0x80) continue;
    const raw = hex.encode(header) + hex.encode(Uint8Array.of(all.length)) + all.join('');
    return { height, hash: hex.encode(hash.reverse()), timeSeconds, raw, coinbaseTxid: txids[0] ?? '' };
  }
}
