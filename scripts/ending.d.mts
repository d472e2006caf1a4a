export type Fates = { pass: number; fail: number; skipped: number };

/** What the runs of a test command add up to. */
export class Ending {
  counts: Record<string, number>;
  shared: Record<string, Fates>;
  add(run: { counts?: Record<string, number>; shared?: Record<string, Partial<Fates>> }): void;
  text(): string;
}
