import type { Chain } from '../chain/chain.ts';
import { sumSats } from '../protocol/amount.ts';
import { searchFromHeight } from '../protocol/deadlines.ts';
import { decodeTransaction, vsizeOf } from '../protocol/draft.ts';
import { buildLock } from '../protocol/lock.ts';
import { followSat } from '../protocol/satflow.ts';
import type { LockVersion } from '../protocol/trade/state.ts';
import { lockValueSats, type Terms } from '../protocol/trade/terms.ts';
import { prevoutsOf } from './prevouts.ts';

type Eyes = { chain: Pick<Chain, 'spender' | 'transaction' | 'unspent'> };
type Sold = { terms: Terms; sourceOutpoint: string };

/**
 * The lock of a trade whose record knows of none: of a store that went back in time, to a copy from before the lock was
 * built. It is told by its script, which is of this trade alone, and by the inscription in it: whose listing it is may send
 * sats of his there, and the inscription elsewhere. A second lock cannot be, and a payment that is given back beside this
 * one leaves the buyer both. Throws `chain_unavailable` when the chain does not show what it spends.
 */
export async function forgottenLock({ chain }: Eyes, of: Sold): Promise<LockVersion | undefined> {
  const { terms, sourceOutpoint } = of;
  if ((await chain.unspent(sourceOutpoint)) !== undefined) return undefined;
  const spender = await chain.spender(sourceOutpoint, searchFromHeight(terms));
  if (spender === undefined) return undefined;
  const { txid, raw } = spender;
  const { inputs, outputs } = decodeTransaction(raw);
  const { script } = buildLock(terms);
  const valueSats = lockValueSats(terms);
  // Anybody can send dust to the script: that makes no lock of this trade.
  const vout = outputs.findIndex((output) => output.script === script && output.valueSats === valueSats);
  if (vout < 0) return undefined;
  const spent = await prevoutsOf(chain, raw);
  const inputIndex = inputs.findIndex(({ outpoint }) => outpoint === sourceOutpoint);
  const inputValues = spent.map((each) => each.valueSats);
  const place = followSat({ raw, inputValues, inputIndex, offsetSats: terms.offsetSats });
  if (place.to !== 'output' || place.vout !== vout) return undefined;
  const sats = (values: readonly { valueSats: bigint }[]) => sumSats(values.map(({ valueSats }) => valueSats));
  const feeSats = sats(spent) - sats(outputs);
  return { txid, raw, vout, spent, feeSats, feerateSatVb: Number(feeSats) / vsizeOf(raw) };
}
