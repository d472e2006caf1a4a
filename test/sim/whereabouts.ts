import type { Chain } from 'sparkle-protocol/chain/chain';
import { decodeTransaction } from 'sparkle-protocol/protocol/draft';

/** Where a sat is in the best chain, and whose script has it. `lost`: it went into a fee. */
export type Whereabouts =
  | { at: 'output'; outpoint: string; offsetSats: bigint; valueSats: bigint; script: string; confirmations: number }
  | { at: 'lost'; txid: string };

const MOST_HOPS = 1000;

/**
 * Follows one sat from an output through every confirmed spend: first in, first out. Written here a second time and
 * in another way than the library does it, because it is what the library is judged by.
 */
export async function follow(chain: Chain, start: { outpoint: string; offsetSats: bigint }): Promise<Whereabouts> {
  let { outpoint, offsetSats } = start;
  for (let hop = 0; hop < MOST_HOPS; hop += 1) {
    const spender = await chain.spender(outpoint, 0);
    if (spender?.block === undefined) return restingPlace(chain, { outpoint, offsetSats });
    const { inputs, outputs } = decodeTransaction(spender.raw);
    let position = offsetSats;
    for (const input of inputs) {
      if (input.outpoint === outpoint) break;
      position += await valueOf(chain, input.outpoint);
    }
    const vout = outputs.findIndex(({ valueSats }, index) => {
      const start = outputs.slice(0, index).reduce((sum, output) => sum + output.valueSats, 0n);
      return position >= start && position < start + valueSats;
    });
    if (vout < 0) return { at: 'lost', txid: spender.txid };
    offsetSats = position - outputs.slice(0, vout).reduce((sum, output) => sum + output.valueSats, 0n);
    outpoint = `${spender.txid}:${vout}`;
  }
  throw new Error(`a sat moved more than ${MOST_HOPS} times`);
}

async function valueOf(chain: Chain, outpoint: string): Promise<bigint> {
  const { valueSats } = await outputOf(chain, outpoint);
  return valueSats;
}

async function outputOf(chain: Chain, outpoint: string) {
  const [txid = '', vout] = outpoint.split(':');
  const found = await chain.transaction(txid);
  const output = found === undefined ? undefined : decodeTransaction(found.raw).outputs[Number(vout)];
  if (found === undefined || output === undefined) throw new Error(`output ${outpoint} is nowhere`);
  return { ...output, block: found.block };
}

async function restingPlace(chain: Chain, at: { outpoint: string; offsetSats: bigint }): Promise<Whereabouts> {
  const { valueSats, script, block } = await outputOf(chain, at.outpoint);
  const { height } = await chain.tip();
  const confirmations = block === undefined ? 0 : height - block.height + 1;
  return { at: 'output', ...at, valueSats, script, confirmations };
}
