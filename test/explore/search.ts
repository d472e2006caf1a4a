import { Game, MOST_STORES, type Position } from './game.ts';
import { lossIn } from './rules.ts';

/** A path that should not exist, as a story: what happened, and how things stood after it. */
export type Violation = { why: string; story: string[] };

export type Found = {
  name: string;
  states: number;
  edges: number;
  /** How games ended, and in how many states. */
  outcomes: Map<string, number>;
  losses: Violation[];
  deadlocks: Violation[];
  millis: number;
};

function keyOf({ world, buyer, seller }: Position): number {
  if (buyer >= MOST_STORES || seller >= MOST_STORES) throw new Error('more stores than the explorer can count');
  return (world * MOST_STORES + buyer) * MOST_STORES + seller;
}

const positionOf = (key: number): Position => ({
  seller: key % MOST_STORES,
  buyer: Math.floor(key / MOST_STORES) % MOST_STORES,
  world: Math.floor(key / MOST_STORES / MOST_STORES),
});

/** A list of numbers that grows by doubling: the edges of a graph are many. */
class Numbers {
  #items = new Uint32Array(1 << 16);
  length = 0;

  push(item: number): void {
    if (this.length === this.#items.length) {
      const more = new Uint32Array(2 * this.#items.length);
      more.set(this.#items);
      this.#items = more;
    }
    this.#items[this.length++] = item;
  }

  at(index: number): number {
    return this.#items[index] ?? 0;
  }
}

/** Breadth first, so that the first violation found has the shortest story. */
export class Search {
  readonly #game: Game;
  readonly #numbers = new Map<number, number>();
  readonly #keys: number[] = [];
  readonly #parents = new Numbers();
  readonly #from = new Numbers();
  readonly #to = new Numbers();
  readonly #over: number[] = [];
  readonly #outcomes = new Map<string, number>();
  readonly #losses: Violation[] = [];
  #edges = 0;

  constructor(game: Game) {
    this.#game = game;
  }

  run({ mostStates }: { mostStates: number }): Found {
    const begun = performance.now();
    this.#reach(this.#game.start(), 0);
    for (let at = 0; at < this.#keys.length && this.#losses.length === 0; at++) {
      if (at > mostStates) throw new Error(`${this.#game.scenario.name} has more than ${mostStates} states`);
      this.#visit(at);
    }
    return {
      name: this.#game.scenario.name,
      states: this.#keys.length,
      edges: this.#edges,
      outcomes: this.#outcomes,
      losses: this.#losses,
      deadlocks: this.#losses.length > 0 ? [] : this.#deadlocks(),
      millis: performance.now() - begun,
    };
  }

  #visit(at: number): void {
    const position = this.#position(at);
    const loss = lossIn({ world: this.#game.world(position), ...this.#game.trades(position) });
    if (loss !== undefined) return void this.#losses.push({ why: loss, story: this.#story(at) });
    if (this.#game.isOver(position)) {
      const outcome = this.#outcomeOf(position);
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
      return void this.#over.push(at);
    }
    for (const { kind, to } of this.#game.moves(position)) {
      const number = this.#reach(to, at);
      this.#edges++;
      if (kind === 'may') continue;
      this.#from.push(at);
      this.#to.push(number);
    }
  }

  #reach(position: Position, parent: number): number {
    const key = keyOf(position);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#keys.push(key) - 1;
    this.#numbers.set(key, number);
    this.#parents.push(parent);
    return number;
  }

  #outcomeOf(position: Position): string {
    const { buyer, seller } = this.#game.trades(position);
    const said = [buyer, seller].flatMap((trade) =>
      trade?.state === 'ended' ? [`${trade.role} ${trade.outcome}`] : [],
    );
    return said.join(', ');
  }

  /**
   * From every state, what happens by itself must be able to bring all honest traders to an end, whatever nobody can count
   * on. Walks back from the ends; what is not met is stuck.
   */
  #deadlocks(): Violation[] {
    const first = new Int32Array(this.#keys.length).fill(-1);
    const next = new Int32Array(this.#from.length);
    for (let edge = 0; edge < this.#from.length; edge++) {
      const to = this.#to.at(edge);
      next[edge] = first[to] ?? -1;
      first[to] = edge;
    }
    const met = new Uint8Array(this.#keys.length);
    const open = [...this.#over];
    for (const at of open) met[at] = 1;
    for (let at = open.pop(); at !== undefined; at = open.pop())
      for (let edge = first[at] ?? -1; edge !== -1; edge = next[edge] ?? -1) {
        const from = this.#from.at(edge);
        if (met[from] === 1) continue;
        met[from] = 1;
        open.push(from);
      }
    const stuck = met.indexOf(0);
    if (stuck === -1) return [];
    const count = met.reduce((sum, each) => sum + (each === 0 ? 1 : 0), 0);
    return [{ why: `${count} states lead to no end, this one first`, story: this.#story(stuck) }];
  }

  #story(end: number): string[] {
    const path: number[] = [];
    for (let at = end; at !== 0; at = this.#parents.at(at)) path.push(at);
    const lines: string[] = [`begin: ${this.#game.describe(this.#position(0))}`];
    let before = 0;
    for (const at of path.reverse()) {
      const move = this.#game.moves(this.#position(before)).find(({ to }) => keyOf(to) === this.#keys[at]);
      lines.push(`${move?.name ?? 'something'}: ${this.#game.describe(this.#position(at))}`);
      before = at;
    }
    return lines;
  }

  #position(at: number): Position {
    return positionOf(this.#keys[at] ?? 0);
  }
}
