/** Time and chance as arguments; the trader's own clock is one. */
export type CoordinatorClock = {
  randomBytes(length: number): Uint8Array;
  /** Calls `run` about every `milliseconds` until the returned function is called. */
  every(milliseconds: number, run: () => void): () => void;
};

/** Calls `run` once, unless the returned function is called before. */
export function after(clock: CoordinatorClock, milliseconds: number, run: () => void): () => void {
  const stop = clock.every(milliseconds, () => {
    stop();
    run();
  });
  return stop;
}

/** How long to wait before try number `tries` (from 0): doubled each time up to the last, less a part left to chance. */
export function backoff(
  clock: CoordinatorClock,
  {
    tries,
    firstMilliseconds,
    lastMilliseconds,
  }: { tries: number; firstMilliseconds: number; lastMilliseconds: number },
): number {
  const most = Math.min(lastMilliseconds, firstMilliseconds * 2 ** Math.min(tries, 20));
  // After an outage all clients would come back in the same moment, again and again.
  const [chance = 0] = clock.randomBytes(1);
  return Math.ceil(most * (0.5 + chance / 512));
}
