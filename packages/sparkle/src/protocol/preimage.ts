import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';

const HEX_32 = /^[0-9a-f]{64}$/;

/** Whether `preimage` (32 bytes, lowercase hex) is the one behind `paymentHash` (BOLT 2: SHA-256). Anything malformed is not. */
export function isPreimageOf(preimage: string, paymentHash: string): boolean {
  return HEX_32.test(preimage) && hex.encode(sha256(hex.decode(preimage))) === paymentHash;
}
