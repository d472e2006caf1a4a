import type { Name, Tamper, World } from './world.ts';

export type Who = 'buyer' | 'seller';

/** When a trouble begins: so many blocks after somebody's trade came into a state, or in the midst of the next look. */
export type When = { who: Who; state: string; afterBlocks: number; amidCalls: number };

/** Something that goes wrong in one trade. Drawn before the trade begins, so that the story is told by the seed. */
export type Trouble = {
  name: string;
  told: string;
  /** What somebody does to his own parts. */
  tampers?: Partial<Record<Name, Tamper>>;
  /** Before anybody starts. */
  prepare?: (world: World) => void;
  when?: When;
  lastsBlocks?: number;
  /** For how many blocks it can keep an honest side from acting. */
  costBlocks?: number;
  /** How deep it cuts into the chain. */
  depth?: number;
  /** Whose word is not worth anything any more. */
  dishonest?: Name;
  begin?: (world: World) => void;
  /** After every block while it lasts. */
  each?: (world: World) => void;
  end?: (world: World) => void;
};

type Running = { trouble: Trouble; leftBlocks: number };

/** Lets troubles begin and end in their time. */
export class Troubles {
  readonly #world: World;
  #waiting: { trouble: Trouble; when: When; blocks: number }[];
  #running: Running[] = [];
  #areOver = false;

  constructor(world: World, troubles: readonly Trouble[]) {
    this.#world = world;
    for (const trouble of troubles) {
      trouble.prepare?.(world);
      if (trouble.when === undefined) this.#tell(trouble);
    }
    this.#waiting = troubles.flatMap((trouble) =>
      trouble.when === undefined ? [] : [{ trouble, when: trouble.when, blocks: trouble.when.afterBlocks }],
    );
  }

  /** Whether nothing is going on or about to begin, so that blocks may pass quickly. */
  get isQuiet(): boolean {
    return this.#running.length === 0 && !this.#waiting.some(({ when }) => this.#isDue(when));
  }

  /** Called between two things that happen: begins what is due. */
  tick(): void {
    const due = this.#waiting.filter(({ when, blocks }) => blocks <= 0 && this.#isDue(when));
    this.#waiting = this.#waiting.filter((each) => !due.includes(each));
    for (const { trouble, when } of due) this.#start(trouble, when);
  }

  onBlock(): void {
    for (const waiting of this.#waiting) if (this.#isDue(waiting.when)) waiting.blocks -= 1;
    for (const running of this.#running) {
      running.trouble.each?.(this.#world);
      running.leftBlocks -= 1;
    }
    const over = this.#running.filter(({ leftBlocks }) => leftBlocks <= 0);
    this.#running = this.#running.filter(({ leftBlocks }) => leftBlocks > 0);
    for (const { trouble } of over) this.#end(trouble);
  }

  /** Nothing goes wrong any more. */
  endAll(): void {
    this.#waiting = [];
    this.#areOver = true;
    for (const { trouble } of this.#running.splice(0)) this.#end(trouble);
  }

  #isDue({ who, state }: When): boolean {
    return this.#world.party(who).visited.has(state);
  }

  #start(trouble: Trouble, when: When): void {
    const begin = (): void => {
      if (this.#areOver) return;
      this.#tell(trouble);
      trouble.begin?.(this.#world);
      if (trouble.lastsBlocks !== undefined) this.#running.push({ trouble, leftBlocks: trouble.lastsBlocks });
    };
    const life = when.amidCalls > 0 ? this.#world.party(when.who).life : undefined;
    if (life === undefined) begin();
    else life.interrupt({ calls: when.amidCalls, act: begin });
  }

  #end(trouble: Trouble): void {
    this.#world.story.note(`over: ${trouble.name}`);
    trouble.end?.(this.#world);
  }

  #tell({ name, told }: Trouble): void {
    this.#world.story.count(name);
    this.#world.story.note(`TROUBLE ${name}: ${told}`);
  }
}
