import { constants } from 'node:os';
import type { FastifyInstance } from 'fastify';
import { type Clock, within } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';

/** One thing to be ended, by its name. */
export type DrainStep = { name: string; end(): Promise<unknown> };

export type DrainParts = {
  /** In this order, each after the one before: no new requests, then what works on trades, the database last. As they are at the signal. */
  steps: readonly DrainStep[];
  /** For all together. */
  limitMilliseconds: number;
  clock: Clock;
  log: Log;
};

export type EndingSignal = 'SIGTERM' | 'SIGINT';

/** What is used of `process`. */
export type SignalSource = {
  on(signal: EndingSignal, run: () => void): unknown;
  off(signal: EndingSignal, run: () => void): unknown;
};

const SIGNALS: readonly EndingSignal[] = ['SIGTERM', 'SIGINT'];

/**
 * A connection that is answered on while the service closes is closed with the answer. It would stay open for the next
 * request otherwise, and the service with it.
 */
export function installDraining(app: FastifyInstance): void {
  let isClosing = false;
  app.addHook('preClose', async () => {
    isClosing = true;
  });
  app.addHook('onSend', async (_request, reply, payload) => {
    if (isClosing) void reply.header('connection', 'close');
    return payload;
  });
}

async function endAll({ steps, log }: DrainParts, begin: (name: string) => void): Promise<boolean> {
  let isClean = true;
  // What is opened after the signal has nothing to end with: it is cut off.
  for (const { name, end } of [...steps]) {
    begin(name);
    try {
      await end();
    } catch (error) {
      // What comes after must be ended all the same: an open database is worse than a socket that would not close.
      isClean = false;
      log.error({ step: name, error: String(error) }, 'a part could not be ended');
    }
  }
  return isClean;
}

/**
 * Ends everything in order, within the limit. Whether it ended cleanly: what is cut off is as safe as after a crash, since
 * everything is written down before it is done.
 */
export async function drain(parts: DrainParts): Promise<boolean> {
  const { clock, log, limitMilliseconds } = parts;
  let at = 'nothing';
  try {
    const isClean = await within(
      clock,
      limitMilliseconds,
      endAll(parts, (name) => (at = name)),
    );
    log.info({ isClean }, 'everything is ended');
    return isClean;
  } catch {
    log.error({ step: at, limitMilliseconds }, 'the time to end is over; what is left is cut off');
    return false;
  }
}

/**
 * Ends the process by SIGTERM or SIGINT: the first drains, then exits with 0, or with 1 if that was not clean; a second
 * exits at once, as the signal would have. `isDraining` turns the service unready meanwhile.
 */
export function drainOnSignals(of: DrainParts & { signals: SignalSource; exit(code: number): void }): {
  isDraining(): boolean;
  stop(): void;
} {
  const { signals, exit, log } = of;
  let isDraining = false;
  const runs = SIGNALS.map((signal) => ({
    signal,
    run: () => {
      if (isDraining) return exit(128 + constants.signals[signal]);
      isDraining = true;
      log.info({ signal }, 'no more requests are taken; those that are here are finished');
      void drain(of).then((isClean) => exit(isClean ? 0 : 1));
    },
  }));
  for (const { signal, run } of runs) signals.on(signal, run);
  return {
    isDraining: () => isDraining,
    stop: () => {
      for (const { signal, run } of runs) signals.off(signal, run);
    },
  };
}
