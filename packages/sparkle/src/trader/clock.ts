/** Time and chance as arguments: a simulator brings its own, a process the real ones. */
export interface Clock {
  nowSeconds(): number;
  randomBytes(length: number): Uint8Array;
  /** Calls `run` about every `milliseconds` until the returned function is called. */
  every(milliseconds: number, run: () => void): () => void;
}

/** The machine's own clock and random source. */
export const systemClock = (): Clock => ({
  nowSeconds: () => Math.floor(Date.now() / 1000),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  every: (milliseconds, run) => {
    const timer = setInterval(run, milliseconds);
    return () => clearInterval(timer);
  },
});
