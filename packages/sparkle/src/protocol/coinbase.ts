import { isCoinbase, readTransaction } from './transaction.ts';

/**
 * BIP 34: the height that a raw coinbase begins with; `undefined` for another transaction, and for the coinbase of a block
 * that is older than the rule. Throws `bad_transaction`.
 */
export function coinbaseHeight(raw: string): number | undefined {
  const transaction = readTransaction(raw);
  const script = transaction.inputs[0]?.scriptSig;
  const first = script?.[0];
  if (!isCoinbase(transaction) || script === undefined || first === undefined) return undefined;
  // Numbers up to 16 have an opcode each: OP_1 is 0x51.
  if (first >= 0x51 && first <= 0x60) return first - 0x50;
  const bytes = script.subarray(1, 1 + first);
  if (first < 1 || first > 4 || bytes.length !== first) return undefined;
  return bytes.reduceRight((height, byte) => height * 256 + byte, 0);
}
