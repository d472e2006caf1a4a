import type { Chain, ChainEvent } from './chain.ts';

/** Whoever wants to be told: the first to come starts the watch, the last to leave stops it. */
export class Listeners {
  private readonly listeners = new Set<(event: ChainEvent) => void>();

  tell(event: ChainEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  clear(): void {
    this.listeners.clear();
  }

  subscription(watch: { start(): void; stop(): Promise<void> }): Chain['subscribe'] {
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
