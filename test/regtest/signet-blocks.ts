import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { p2wpkh, Script, WIF } from '@scure/btc-signer';
import { networks } from 'sparkle-protocol/protocol/network';
import { txidOf, writeTransaction } from 'sparkle-protocol/protocol/transaction';

/** chainparams.cpp of Bitcoin Core: every signet begins with this block, whatever its challenge is. */
const GENESIS = { hash: '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6', seconds: 1_598_918_400 };
/** The least work on a signet, some 4.8 million hashes a block; it stays so for 2,016 blocks. */
const BITS = 0x1e0377ae;
const BLOCK_SECONDS = 600;
const SUBSIDY_SATS = 50n * 100_000_000n;
/** BIP 141: of a block with no other transaction and 32 zero bytes. On a signet every block has one (BIP 325). */
const COMMITMENT = hex.decode('6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9');
const NOTHING = { txid: '0'.repeat(64), vout: 0xffff_ffff };

/** A key of no worth: whoever reads this file can spend what these blocks pay, on chains that nobody else has. */
const minerKey = new Uint8Array(32).fill(9);
const network = networks.signet.address;
const minerScript = p2wpkh(secp256k1.getPublicKey(minerKey), network).script;
/** What a wallet imports to have what these blocks pay; without its checksum. */
export const minerDescriptor = `wpkh(${WIF(network).encode(minerKey)})`;

const reversed = (hash: string): Uint8Array => hex.decode(hash).toReversed();

function littleEndian(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, index) => view.setUint32(4 * index, value, true));
  return new Uint8Array(view.buffer);
}

const joined = (...parts: Uint8Array[]): string => parts.map((part) => hex.encode(part)).join('');

const coinbase = (height: number): string =>
  writeTransaction({
    version: 2,
    // BIP 34: first the height. The second push is there because one byte would be too short.
    inputs: [
      { ...NOTHING, scriptSig: Script.encode([height, 0]), sequence: 0xffff_ffff, witness: [new Uint8Array(32)] },
    ],
    outputs: [
      { valueSats: SUBSIDY_SATS, script: minerScript },
      { valueSats: 0n, script: COMMITMENT },
    ],
    lockTime: 0,
  });

/** The block after `previous` as raw hex, and its hash. It counts when the hash is low enough, which the nonce is sought for. */
function block(of: { height: number; previous: string; nonce: number }): { raw: string; hash: string } {
  const { height, previous, nonce } = of;
  const only = coinbase(height);
  const seconds = GENESIS.seconds + height * BLOCK_SECONDS;
  const merkleRoot = reversed(txidOf(only));
  const header = joined(littleEndian(0x2000_0000), reversed(previous), merkleRoot, littleEndian(seconds, BITS, nonce));
  const hash = hex.encode(sha256(sha256(hex.decode(header))).toReversed());
  return { raw: `${header}01${only}`, hash };
}

/**
 * The first blocks of a signet with the challenge OP_TRUE, each paying the miner, out of nothing but their nonces
 * (`bitcoin-util grind` found them): work that was done once, for everybody who wants coins that are mature.
 */
export function signetBlocks(nonces: readonly number[]): string[] {
  let previous = GENESIS.hash;
  return nonces.map((nonce, index) => {
    const { raw, hash } = block({ height: index + 1, previous, nonce });
    previous = hash;
    return raw;
  });
}
