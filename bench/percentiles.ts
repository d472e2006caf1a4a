export type Spread = { count: number; p50: number; p95: number; most: number };

/** Median, 95th percentile and maximum, in the unit of the samples, rounded to whole numbers. */
export function spread(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN);
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), most: at(1) };
}
