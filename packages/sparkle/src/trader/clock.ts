import { SparkleError } from '../protocol/errors.ts';

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

const noAnswer = (milliseconds: number): SparkleError =>
  new SparkleError('refused', `an answer must come within ${milliseconds} ms; none came`, { milliseconds });

/** What `work` comes to, or `late`'s error (`refused`) once the time is over: whoever else is asked then no longer waits for it. */
export function within<T>(clock: Clock, milliseconds: number, work: Promise<T>, late = noAnswer): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = clock.every(milliseconds, () => {
      stop();
      reject(late(milliseconds));
    });
    void work.then(resolve, reject).finally(() => stop());
  });
}
