import { readLnurlTarget } from 'sparkle-protocol/lightning/lnurl-address';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Payout } from './payout.ts';

/** Payouts that are worked on at a time. */
const MOST = 8;
/** Of these, of one sale and to one domain: a service may take its time, and its creator have many addresses there. */
const MOST_OF_ONE = 2;

type Who = Pick<Payout, 'payoutId' | 'tradeId' | 'to'>;

/** The last two labels of the name of his service: names below a domain cost nothing. */
function domainOf(to: string): string {
  try {
    return readLnurlTarget(to).url.hostname.split('.').slice(-2).join('.');
  } catch (error) {
    // Why it is none is told to whoever asks it for an invoice.
    if (error instanceof SparkleError) return to;
    throw error;
  }
}

/** Who is seen to. Each place is had by itself: who is slow keeps his own, and those of his sale and his domain, nobody else's. */
export class Places {
  readonly #taken = new Map<string, readonly string[]>();

  /** Whether there was one. */
  take({ payoutId, tradeId, to }: Who): boolean {
    if (this.#taken.size >= MOST || this.#taken.has(payoutId)) return false;
    const names = [`sale ${tradeId}`, `domain ${domainOf(to)}`];
    if (names.some((name) => this.#count(name) >= MOST_OF_ONE)) return false;
    this.#taken.set(payoutId, names);
    return true;
  }

  leave(payoutId: string): void {
    this.#taken.delete(payoutId);
  }

  #count(name: string): number {
    return [...this.#taken.values()].filter((names) => names.includes(name)).length;
  }
}
