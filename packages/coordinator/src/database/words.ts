import type { Database } from './database.ts';

/** What carries words to the other instances; where there is none, this is the only one. */
type Carrier = { tell(notice: { word: string }): void; subscribeWords(listener: (word: string) => void): () => void };

/** Words that reach everybody who listens, in this instance at once, in others over the carrier. */
export function wordsOf(carrier: Carrier | undefined): Pick<Database, 'announce' | 'listen'> {
  const listeners = new Set<(word: string) => void>();
  return {
    announce(word) {
      carrier?.tell({ word });
      for (const listener of listeners) listener(word);
    },
    listen(listener) {
      listeners.add(listener);
      const stop = carrier?.subscribeWords(listener);
      return () => {
        listeners.delete(listener);
        stop?.();
      };
    },
  };
}
