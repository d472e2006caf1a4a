import type { Filter } from 'nostr-tools/filter';
import type { EventTemplate, VerifiedEvent } from 'nostr-tools/pure';
import { RelayLink, type Handing, type LinkTiming } from './relay-link.ts';

type RelaysOptions = {
  urls: readonly string[];
  filters: () => Filter[];
  /** Each event once, however many relays and times deliver it. Its signature is checked and it fits the filters. */
  onEvent: (event: VerifiedEvent) => void;
  onReady: () => void;
  sign: (event: EventTemplate) => VerifiedEvent;
  warn: (words: string) => void;
  timing: LinkTiming;
};

/** So many ids are remembered; an event that comes again after that many others is caught by whoever acts on it. */
const MOST_SEEN = 10_000;

/** Several relays as one: heard from any, told to all, alive while one of them is. */
export class Relays {
  readonly #links: RelayLink[];
  readonly #options: RelaysOptions;
  readonly #seen = new Set<string>();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(options: RelaysOptions) {
    this.#options = options;
    const { urls, filters, onReady, sign, warn, timing } = options;
    this.#links = urls.map(
      (url) =>
        new RelayLink({
          ...{ url, filters, sign, warn, timing },
          onEvent: (event) => this.#heard(event),
          isKnown: (id) => this.#seen.has(id),
          onReady: () => {
            for (const look of this.#waiting) look();
            onReady();
          },
        }),
    );
  }

  /** Resolves once a relay listens, to `false` when none did in that time. */
  ready(withinMilliseconds: number): Promise<boolean> {
    if (this.#closed || this.#links.some((link) => link.ready)) return Promise.resolve(!this.#closed);
    return new Promise((resolve) => {
      const end = (isReady: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(isReady);
      };
      const look = (): void => end(!this.#closed);
      const timer = setTimeout(() => end(false), withinMilliseconds);
      this.#waiting.add(look);
    });
  }

  /** Tells all relays that are there: the best that came of it. `refused` means that surely nobody was told. */
  async publish(event: VerifiedEvent): Promise<Handing> {
    const handed = this.#links.filter((link) => link.ready).map((link) => link.publish(event));
    // The first that took it is enough; a slow relay keeps nobody waiting.
    return new Promise((resolve) => {
      for (const each of handed) void each.then((handing) => handing === 'taken' && resolve('taken'));
      void Promise.all(handed).then((all) => resolve(all.includes('unknown') ? 'unknown' : 'refused'));
    });
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#links) link.close();
    for (const look of this.#waiting) look();
  }

  #heard(event: VerifiedEvent): void {
    if (this.#closed || this.#seen.has(event.id)) return;
    this.#seen.add(event.id);
    const [oldest] = this.#seen;
    if (this.#seen.size > MOST_SEEN && oldest !== undefined) this.#seen.delete(oldest);
    this.#options.onEvent(event);
  }
}
