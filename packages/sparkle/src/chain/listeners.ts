import type { Chain, ChainEvent } from './chain.ts';

type Watch = { start(): void; stop(): Promise<void> };

/** A watch that is begun anew at each start; a stop waits for those before it, too. */
export function restartable(begin: () => () => Promise<void>): Watch {
  let stopRunning: (() => Promise<void>) | undefined;
  let stopping = Promise.resolve();
  return {
    start: () => void (stopRunning ??= begin()),
    stop() {
      const stopOne = stopRunning;
      stopRunning = undefined;
      if (stopOne !== undefined) stopping = Promise.all([stopping, stopOne()]).then(() => undefined);
      return stopping;
    },
  };
}

/** Whoever wants to be told: the first to come starts the watch, the last to leave stops it. */
export class Listeners {
  private readonly listeners = new Set<(event: ChainEvent) => void>();

  tell(event: ChainEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  clear(): void {
    this.listeners.clear();
  }

  subscription(watch: Watch): Chain['subscribe'] {
    return (listener) => {
      // Wrapped, so that one function subscribed twice is two subscriptions.
      const own = (event: ChainEvent): void => listener(event);
      this.listeners.add(own);
      watch.start();
      return () => {
        this.listeners.delete(own);
        if (this.listeners.size === 0) void watch.stop();
      };
    };
  }
}
