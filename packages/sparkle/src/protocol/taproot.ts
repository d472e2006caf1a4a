import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { tapLeafHash } from '@scure/btc-signer/payment.js';
import { taprootTweakPubkey } from '@scure/btc-signer/utils.js';
import type { RevealedLeaf } from './envelope.ts';

const KEY_BYTES = 32;
const MAX_PATH = 128;

/**
 * Whether an output's scriptPubKey commits to a leaf script: the script path rule of BIP 341, read backwards. False for
 * every output that is not Taproot and every control block that is malformed.
 */
export function isCommittedLeaf({ output, leaf }: { output: Uint8Array; leaf: RevealedLeaf }): boolean {
  const { script, controlBlock } = leaf;
  const pathBytes = controlBlock.length - 1 - KEY_BYTES;
  if (pathBytes < 0 || pathBytes % KEY_BYTES !== 0 || pathBytes > MAX_PATH * KEY_BYTES) return false;
  const [head = 0] = controlBlock;
  const internalKey = controlBlock.slice(1, 1 + KEY_BYTES);
  let node = tapLeafHash(script, head & 0xfe);
  for (let at = 1 + KEY_BYTES; at < controlBlock.length; at += KEY_BYTES)
    node = branchHash(node, controlBlock.slice(at, at + KEY_BYTES));
  const outputKey = tweakedKey(internalKey, node);
  return outputKey?.parity === (head & 1) && hex.encode(output) === `5120${hex.encode(outputKey.key)}`;
}

/** BIP 341: the two children of a branch are hashed in lexicographic order. */
function branchHash(a: Uint8Array, b: Uint8Array): ReturnType<typeof tapLeafHash> {
  const children = hex.encode(a) < hex.encode(b) ? [a, b] : [b, a];
  return schnorr.utils.taggedHash('TapBranch', ...children);
}

function tweakedKey(internalKey: Uint8Array, root: Uint8Array): { key: Uint8Array; parity: number } | undefined {
  try {
    const [key, parity] = taprootTweakPubkey(internalKey, root);
    return { key, parity };
  } catch {
    // Half of all x are no point (BIP 340 lift_x): such an internal key can have made no output.
    return undefined;
  }
}
