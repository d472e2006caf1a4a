import type { Chain } from '../chain/chain.ts';
import { decodeTransaction, type Prevout } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import { readOutpoint } from '../protocol/inscription.ts';

type Source = Pick<Chain, 'transaction'>;

/** An output that is or was in the chain; `undefined` for one that it does not show. */
export async function outputAt(chain: Source, outpoint: string): Promise<Prevout | undefined> {
  const { txid, vout } = readOutpoint(outpoint);
  const parent = await chain.transaction(txid);
  const output = parent && decodeTransaction(parent.raw).outputs[vout];
  return output && { outpoint, ...output };
}

/** What a transaction of the chain spends, in its order. Throws `chain_unavailable` for a chain that does not show it. */
export async function prevoutsOf(chain: Source, raw: string): Promise<Prevout[]> {
  const found = decodeTransaction(raw).inputs.map(async ({ outpoint }) => {
    const prevout = await outputAt(chain, outpoint);
    if (prevout !== undefined) return prevout;
    throw new SparkleError('chain_unavailable', `the chain must show ${outpoint}, which is spent; it does not`);
  });
  return Promise.all(found);
}
