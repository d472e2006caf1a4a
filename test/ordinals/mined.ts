import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { hex } from '@scure/base';
import { mineHeader, REGTEST_BITS } from 'sparkle-protocol/chain/mined-header.suite';
import { readHeader } from 'sparkle-protocol/protocol/header';
import { merkleRootOf } from 'sparkle-protocol/protocol/merkle';
import { readTransaction, writeTransaction, type TransactionOutput } from 'sparkle-protocol/protocol/transaction';

const twice = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));
const NO_VALUE = new Uint8Array(32);

/** BIP 34: the height comes first, as short as it can be; bytes of our own follow, so that two blocks of one height differ. */
function heightScript(height: number, salt: number): Uint8Array {
  const number = height < 0x80 ? [1, height] : [2, height & 0xff, height >> 8];
  return Uint8Array.of(...number, 2, salt & 0xff, salt >> 8);
}

/** BIP 141: the coinbase commits to the witnesses of all others. */
function commitment(raws: readonly string[]): TransactionOutput {
  const hashes = ['00'.repeat(32), ...raws.map((raw) => hex.encode(twice(hex.decode(raw)).reverse()))];
  const hash = twice(concatBytes(hex.decode(merkleRootOf(hashes)).reverse(), NO_VALUE));
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
  const on = { previous: previous.hash, merkleRoot: merkleRootOf(txids), timeSeconds };
  const header = mineHeader({ ...on, bits: REGTEST_BITS, work: 'done' });
  const raw = header + hex.encode(Uint8Array.of(all.length)) + all.join('');
  return { height, hash: readHeader(header).hash, timeSeconds, raw, coinbaseTxid: txids[0] ?? '' };
}
