import { setTimeout as pass } from 'node:timers/promises';
import { chance } from '../kills/run.ts';
import type { Stage } from './stage.ts';
import type { Supervised } from './supervised.ts';

type Draw = (below: number) => number;

/** How long what was killed may stay away. */
const MOST_AWAY_MILLISECONDS = 6_000;
/** Longest between two kills: an instance that starts needs all parts for as long as it takes. */
const MOST_QUIET_MILLISECONDS = { instances: 12_000, parts: 45_000 };

/** Kills one after another of some victims, leaves it away for a while, and brings it back, until it is told to stop. */
export class Mayhem {
  readonly kills: Record<string, number> = {};
  readonly #victims: readonly Supervised[];
  readonly #draw: Draw;
  readonly #quietMilliseconds: number;
  readonly #over = new AbortController();
  readonly #done: Promise<void>;

  constructor(victims: readonly Supervised[], { draw, quietMilliseconds }: { draw: Draw; quietMilliseconds: number }) {
    this.#victims = victims;
    this.#quietMilliseconds = quietMilliseconds;
    this.#draw = draw;
    this.#done = this.#run();
    // What did not come back is told to whoever stops it.
    this.#done.catch(() => undefined);
  }

  /** Resolves when everything is up. Rejects when something did not come back. */
  async stop(): Promise<void> {
    this.#over.abort();
    await this.#done;
  }

  /** The moments of kills are drawn from the clock: at no other would what falls between two steps be hit. */
  async #passes(mostMilliseconds: number): Promise<void> {
    await pass(this.#draw(mostMilliseconds), undefined, { signal: this.#over.signal }).catch(() => undefined);
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#passes(this.#quietMilliseconds);
      const victim = this.#victims[this.#draw(this.#victims.length)];
      if (victim === undefined || this.#over.signal.aborted) return;
      this.kills[victim.name] = (this.kills[victim.name] ?? 0) + 1;
      await victim.kill();
      await this.#passes(MOST_AWAY_MILLISECONDS);
      await victim.up();
    }
  }
}

/** Instances, LND or database, and bitcoind are killed each on their own: one often begins while others are away. */
export function mayhemIn({ instances, parts }: Stage, seed: number): Mayhem[] {
  const { bitcoind, lnd, postgres } = parts;
  const { instances: often, parts: seldom } = MOST_QUIET_MILLISECONDS;
  return [
    new Mayhem(instances, { draw: chance(seed + 1), quietMilliseconds: often }),
    new Mayhem([lnd, postgres], { draw: chance(seed + 2), quietMilliseconds: seldom }),
    new Mayhem([bitcoind], { draw: chance(seed + 3), quietMilliseconds: seldom }),
  ];
}
