import { step as realStep, type Trade } from 'sparkle-protocol/protocol/trade/step';
import { lastAcceptHeight, lastPayHeight } from 'sparkle-protocol/protocol/deadlines';
import { Actor, type Now, type Step } from './actor.ts';
import { evictions, mined, reorgs } from './chain.ts';
import { buyerCheats, lettersOfCheat, sellerCheats } from './cheats.ts';
import { heightsOf, type Pace, wakeUpsOf } from './heights.ts';
import { lightningMoves, mayGoOn } from './lightning.ts';
import { type Letter, type Scene, sceneOf } from './scene.ts';
import { ABSENT, encodeWorld, isClaim, isPosted, LETTERS, MEMPOOL, type World } from './world.ts';

/** Who plays how, and what may go wrong around them. */
export type Scenario = {
  name: string;
  mode: Scene['mode'];
  deep: 'one confirmation' | 'three confirmations';
  buyer: 'honest' | 'cheat';
  seller: 'honest' | 'cheat';
  pace: Pace;
  reorgs: number;
  evictions: number;
  /** Whether nodes answer whenever they are asked. */
  answers: 'always' | 'not always';
  /** Whether a crash, or a node that does not answer, may come in the middle of the first broadcast of a claim. */
  reveals: 'whole' | 'broken off';
};

/** Where the game stands: numbers of the world and of the two stores; the store of a cheat is number 0. */
export type Position = { world: number; buyer: number; seller: number };

/**
 * `must`: happens by itself sooner or later (a look, an effect, a block, the outcome of a payment). `may`: nobody can count
 * on it (a letter that arrives, a wish to abort, a crash, a reorg, whatever a cheat does).
 */
export type Move = { name: string; kind: 'must' | 'may'; to: Position };

const TO_BUYER: readonly Letter[] = ['quote', 'accept', 'abort to buyer', 'complete to buyer'];
const lettersTo = { buyer: TO_BUYER, seller: LETTERS.filter((letter) => !TO_BUYER.includes(letter)) };
const CLOCK_SECONDS = [0, 3_700, 8_000];
const LAST_CLOCK = CLOCK_SECONDS.length - 1;

type Role = 'buyer' | 'seller';
const ROLES: readonly Role[] = ['buyer', 'seller'];

/** One thing a trader can do next: the numbers of his store and of the world afterwards. */
type Act = Omit<Move, 'to'> & { local: number; world: number };
/** `isQuiet`: he has looked, and nothing is left for him to do. */
type Turn = { acts: readonly Act[]; isQuiet: boolean };
const NOBODY: Turn = { acts: [], isQuiet: true };

/** More stores than this are not expected of one trader. */
export const MOST_STORES = 2 ** 14;

type Outside = { name: string; kind: Move['kind']; world: number };

/** One scenario as a graph that is drawn while it is walked. */
export class Game {
  readonly scenario: Scenario;
  readonly scene: Scene;
  readonly heights: readonly number[];
  readonly #wakeUps: readonly boolean[];
  readonly #actors: { buyer: Actor | undefined; seller: Actor | undefined };
  readonly #worlds: World[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #turns: Readonly<Record<Role, Map<number, Turn>>> = { buyer: new Map(), seller: new Map() };
  readonly #outside: (Outside[] | undefined)[] = [];
  readonly #blocks: (number[] | undefined)[] = [];

  constructor(scenario: Scenario, step: Step = realStep) {
    const scene = sceneOf(scenario);
    this.scenario = scenario;
    this.scene = scene;
    this.heights = heightsOf(scene, scenario.pace);
    this.#wakeUps = wakeUpsOf(this.heights);
    const { answers, reveals } = scenario;
    const actor = (role: 'buyer' | 'seller'): Actor | undefined =>
      scenario[role] === 'honest' ? new Actor({ role, scene, step, answers, reveals }) : undefined;
    this.#actors = { buyer: actor('buyer'), seller: actor('seller') };
  }

  start(): Position {
    const { reorgs: mayReorg, evictions: mayEvict } = this.scenario;
    const world = this.#number({
      ...{ step: 0, clock: 0, lock: ABSENT, abort: ABSENT, spender: 'none', spent: 0, payment: 'none', expiry: 0 },
      ...{ invoice: 'unknown', post: 0, shown: false, deep: false, sourceBy: 0, spendBy: 0 },
      ...{ reorgs: mayReorg, evictions: mayEvict },
    });
    return { world, buyer: this.#actors.buyer?.start ?? 0, seller: this.#actors.seller?.start ?? 0 };
  }

  world({ world }: Position): World {
    return this.#world(world);
  }

  #world(number: number): World {
    const found = this.#worlds[number];
    if (found === undefined) throw new Error(`there is no world ${number}`);
    return found;
  }

  trades({ buyer, seller }: Position): { buyer?: Trade; seller?: Trade } {
    const { buyer: one, seller: other } = this.#actors;
    return {
      ...(one === undefined ? {} : { buyer: one.trade(buyer) }),
      ...(other === undefined ? {} : { seller: other.trade(seller) }),
    };
  }

  /** All honest traders are done, and nothing that is still moving can change what they have. */
  isOver(position: Position): boolean {
    const { payment } = this.world(position);
    if (payment === 'under way' || payment === 'at the payee') return false;
    return ROLES.every((role) => {
      const actor = this.#actors[role];
      return actor === undefined || actor.isDone(position[role]);
    });
  }

  /** Everything that can happen next. */
  moves(position: Position): Move[] {
    const moves: Move[] = [];
    for (const role of ROLES)
      for (const { name, kind, local, world } of this.#turn(role, position).acts)
        moves.push({ name, kind, to: { ...position, [role]: local, world } });
    for (const { name, kind, world } of this.#outsideOf(position.world))
      moves.push({ name, kind, to: { ...position, world } });
    return [...moves, ...this.#blockMoves(position)];
  }

  #now(world: World): Now {
    const [height = 0, next = Infinity] = this.heights.slice(world.step, world.step + 2);
    return { step: world.step, height, next, nowSeconds: this.scene.startSeconds + (CLOCK_SECONDS[world.clock] ?? 0) };
  }

  /** What one trader can do next; the same whatever the other one has in his store. */
  #turn(role: Role, position: Position): Turn {
    const actor = this.#actors[role];
    if (actor === undefined) return NOBODY;
    const local = position[role];
    // Against a cheat, who has no store, no two positions share a turn.
    if (this.#actors[role === 'buyer' ? 'seller' : 'buyer'] === undefined)
      return this.#makeTurn(role, actor, { local, world: position.world });
    const key = position.world * MOST_STORES + local;
    const known = this.#turns[role].get(key);
    if (known !== undefined) return known;
    const turn = this.#makeTurn(role, actor, { local, world: position.world });
    this.#turns[role].set(key, turn);
    return turn;
  }

  #makeTurn(role: Role, actor: Actor, at: { local: number; world: number }): Turn {
    const { local } = at;
    const world = this.#world(at.world);
    const now = this.#now(world);
    const acts = actor.deeds(local, world, now).map(({ name, local: after, world: changed }): Act => ({
      name: `the ${role} does: ${name}`,
      kind: name.includes('crash') ? 'may' : 'must',
      local: after,
      world: changed === world ? at.world : this.#number(changed),
    }));
    // One lane per trade: while something is due, nothing else is decided.
    if (actor.isBusy(local)) return { acts, isQuiet: false };
    const looked = actor.look(local, world, now);
    const heard = this.#heard(role, actor, { local, world, now }).map(([name, after]): Act => ({
      name: `the ${role} ${name}`,
      kind: name === 'looks' ? 'must' : 'may',
      local: after,
      world: at.world,
    }));
    return {
      acts: [...heard.filter((act) => act.local !== local), ...acts],
      isQuiet: looked === local && !actor.hasDue(local),
    };
  }

  #heard(role: Role, actor: Actor, at: { local: number; world: World; now: Now }): [string, number][] {
    const { local, world, now } = at;
    const isShown = role === 'seller' && isClaim(world.spender) && world.spent === MEMPOOL;
    return [
      ['looks', actor.look(local, world, now)],
      ...this.#lettersFor(role, world).map((letter): [string, number] => [
        `reads: ${letter}`,
        actor.read(local, letter, now),
      ]),
      // R7: a claim may be thrown out of the mempool before anybody looks, and is heard of all the same.
      ...(isShown ? [['sees the preimage in the mempool', actor.hear(local, now)] as [string, number]] : []),
      ['starts again', actor.restart(local, now)],
      ['wants to abort', actor.abort(local, now)],
    ];
  }

  #lettersFor(role: 'buyer' | 'seller', world: World): readonly Letter[] {
    const from = role === 'buyer' ? 'seller' : 'buyer';
    if (this.scenario[from] === 'cheat') return lettersOfCheat({ scene: this.scene, world }, from);
    return lettersTo[role].filter((letter) => isPosted(world, letter));
  }

  #outsideOf(number: number): Outside[] {
    const known = this.#outside[number];
    if (known !== undefined) return known;
    const made = this.#makeOutside(number);
    this.#outside[number] = made;
    return made;
  }

  #makeOutside(number: number): Outside[] {
    const world = this.#world(number);
    const { scene } = this;
    const height = this.heights[world.step] ?? 0;
    const next = this.heights[world.step + 1] ?? Infinity;
    const { buyer, seller } = this.scenario;
    const asked = { scene, world, height, next };
    const as =
      (kind: Move['kind']) =>
      ([name, after]: [string, World]): Outside => ({
        name,
        kind,
        world: this.#number(after),
      });
    return [
      ...lightningMoves({ ...asked, seller }).map(as('must')),
      ...(world.clock < LAST_CLOCK ? [as('must')(['time passes', { ...world, clock: world.clock + 1 }])] : []),
      ...(buyer === 'cheat' ? buyerCheats(asked).map(as('may')) : []),
      ...(seller === 'cheat' ? sellerCheats(asked).map(as('may')) : []),
      ...reorgs(asked).map((after) => as('may')(['a reorg', after])),
      ...evictions(asked).map((after) => as('may')(['the mempool forgets a transaction', after])),
    ];
  }

  /** The next block that anybody waits for; it does not come before those who keep their deadlines have been awake. */
  #blockMoves(position: Position): Move[] {
    const world = this.world(position);
    if (this.#wakeUps[world.step] === true && !ROLES.every((role) => this.#turn(role, position).isQuiet)) return [];
    const worlds = this.#blocks[position.world] ?? this.#makeBlocks(world);
    this.#blocks[position.world] = worlds;
    const height = this.heights[world.step + 1] ?? 0;
    return worlds.map((after) => ({
      name: `block ${height}`,
      kind: 'must',
      to: {
        world: after,
        buyer: this.#actors.buyer?.aged(position.buyer, height) ?? 0,
        seller: this.#actors.seller?.aged(position.seller, height) ?? 0,
      },
    }));
  }

  #makeBlocks(world: World): number[] {
    const { scene, heights } = this;
    const from = heights[world.step];
    const to = heights[world.step + 1];
    if (from === undefined || to === undefined || !mayGoOn({ world, next: to })) return [];
    const { mode, terms, want } = scene;
    const { refundHeight } = terms;
    const isLate =
      to > 1 + (mode === 'hold-first' ? lastAcceptHeight(terms) : lastPayHeight({ refundHeight, ...want }));
    if (isLate && world.clock < LAST_CLOCK) return [];
    return mined({ scene, world, from, to }).map((after) => this.#number({ ...after, step: world.step + 1 }));
  }

  /** What makes no difference to anybody is made equal first. */
  #plain(world: World): World {
    const { buyer, seller } = this.scenario;
    let { payment } = world;
    // What a cheat learns late is no more than what he knows early and uses late.
    if (buyer === 'cheat' && payment === 'settled') payment = 'known settled';
    if (buyer === 'cheat' && payment === 'failing') payment = 'failed';
    const isOver = payment === 'none' || payment === 'known settled' || payment === 'failed';
    const expiry = isOver ? 0 : world.expiry;
    // Only a cheat who sells waits for the preimage to be shown.
    const shown = seller === 'honest' || world.shown;
    const isPlain = payment === world.payment && expiry === world.expiry && shown === world.shown;
    return isPlain ? world : { ...world, payment, expiry, shown };
  }

  #number(exact: World): number {
    const world = this.#plain(exact);
    const text = encodeWorld(world);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#worlds.push(world) - 1;
    this.#numbers.set(text, number);
    return number;
  }

  /** One line about where everything stands, for a story. */
  describe(position: Position): string {
    const world = this.world(position);
    const { buyer, seller } = this.#actors;
    const spent = world.spender === 'none' ? 'unspent' : `spent by a ${world.spender} (${world.spent})`;
    const parts = [
      `height ${this.heights[world.step]}`,
      `lock ${world.lock}${world.abort === ABSENT ? '' : `, abort ${world.abort}`}, ${spent}`,
      `payment ${world.payment}, invoice ${world.invoice}`,
      ...(buyer === undefined ? [] : [`buyer ${buyer.describe(position.buyer)}`]),
      ...(seller === undefined ? [] : [`seller ${seller.describe(position.seller)}`]),
    ];
    return parts.join(' | ');
  }
}
