/** Sats by the numbers ord gives them, in the order in which they were mined: `from` up to, not including, `to`. */
export type SatRange = { from: bigint; to: bigint };

const FIRST_SUBSIDY_SATS = 5_000_000_000n;
/** Numbers of sats are those of the main network wherever ord runs, also where the subsidy is halved more often. */
const HALVING_BLOCKS = 210_000n;

/**
 * The first sat in a range that opened a block: at least "uncommon" to a collector, and worth more than a fee. `undefined`
 * when all are common. Source: ord, docs/src/overview.md, "Rarity".
 */
export function rareSatIn({ from, to }: SatRange): bigint | undefined {
  let epochStart = 0n;
  for (let subsidy = FIRST_SUBSIDY_SATS; subsidy > 0n; subsidy >>= 1n) {
    const epochEnd = epochStart + subsidy * HALVING_BLOCKS;
    if (from < epochEnd) {
      const opened = epochStart + ((from - epochStart + subsidy - 1n) / subsidy) * subsidy;
      // The sat after the last one of an epoch opens the next.
      return opened < to ? opened : undefined;
    }
    epochStart = epochEnd;
  }
  return undefined;
}
