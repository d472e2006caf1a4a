import type { Moment, TradeEvent } from 'sparkle-protocol/protocol/trade/event';
import { lookOf } from 'sparkle-protocol/protocol/trade/look';
import type { Change } from 'sparkle-protocol/protocol/trade/machine';
import { isEnded, type Trade } from 'sparkle-protocol/protocol/trade/step';
import { deeds, resultEvent } from './hands.ts';
import { aged, attempted, type Due, finished, opened, postponed, resumed, written } from './outbox.ts';
import type { Letter, Scene } from './scene.ts';
import { Stores } from './stores.ts';
import { viewOf } from './views.ts';
import type { World } from './world.ts';

export type Step = (trade: Trade, event: TradeEvent) => Change<Trade>;

/** One thing a trader can do next: what it is called, his store afterwards, and the world afterwards. */
export type Deed = { name: string; local: number; world: World };

/** `step` numbers the height, `next` is the one that comes after it. */
export type Now = Moment & { step: number; next: number };

export type Player = {
  role: 'buyer' | 'seller';
  scene: Scene;
  step: Step;
  /** Whether nodes answer whenever they are asked. */
  answers: 'always' | 'not always';
  /** Whether a crash, or a node that does not answer, may come in the middle of the first broadcast of a claim. */
  reveals: 'whole' | 'broken off';
};

/** Effects that ask the trader's own keys and wallet alone: no node can leave them without an answer. */
const PRIVATE: ReadonlySet<string> = new Set([
  ...['send', 'build_lock', 'build_abort', 'bump_lock', 'presign_claim', 'build_claim', 'build_refund', 'alert'],
]);
const isPrivate = ({ effect }: Due): boolean =>
  PRIVATE.has(effect.do) || (effect.do === 'broadcast' && effect.what === 'bump');

/** A trader that runs the real `step`, with the store and the order of writing and acting of `trader/engine.ts`. */
export class Actor {
  readonly start: number;
  readonly #player: Player;
  readonly #stores = new Stores();

  constructor(player: Player) {
    const { role, scene } = player;
    this.#player = player;
    const change: Change<Trade> = role === 'buyer' ? scene.openedBuyer : scene.openedSeller;
    this.start = this.#stores.number(aged(opened(change), scene.startHeight));
  }

  /** How many different stores were reached. */
  get size(): number {
    return this.#stores.size;
  }

  trade(local: number): Trade {
    return this.#stores.at(local).trade;
  }

  /** Something is due that only this trader himself waits for. */
  isBusy(local: number): boolean {
    return this.#stores.at(local).due.length > 0;
  }

  isDone(local: number): boolean {
    return isEnded(this.trade(local)) && !this.hasDue(local);
  }

  hasDue(local: number): boolean {
    const { due, aside } = this.#stores.at(local);
    return due.length + aside.length > 0;
  }

  /** The same store when it is `height`. */
  aged(local: number, height: number): number {
    return this.#stores.made(local, `aged ${height}`, (store) => aged(store, height));
  }

  look(local: number, world: World, now: Now): number {
    const trade = this.trade(local);
    if (isEnded(trade)) return local;
    const { name, view } = viewOf(lookOf(trade), { scene: this.#player.scene, world, now });
    return this.#told(local, now, name, (at) => ({ type: 'looked', at, view: view() }));
  }

  read(local: number, letter: Letter, now: Now): number {
    const message = this.#player.scene.letters[letter];
    return this.#told(local, now, letter, (at) => ({ type: 'message', at, message }));
  }

  restart(local: number, now: Now): number {
    return this.#told(local, now, 'restarted', (at) => ({ type: 'restarted', at }));
  }

  hear(local: number, now: Now): number {
    const { preimage, claims } = this.#player.scene;
    return this.#told(local, now, 'preimage', (at) => ({ type: 'preimage_seen', at, preimage, txid: claims[0].txid }));
  }

  abort(local: number, now: Now): number {
    return this.#told(local, now, 'abort', (at) => ({ type: 'abort_requested', at, reason: 'the explorer wants it' }));
  }

  #told(local: number, now: Now, name: string, event: (at: Moment) => TradeEvent): number {
    const key = `${name} ${now.step} ${now.nowSeconds}`;
    return this.#stores.made(local, key, (store) => {
      const at = { height: now.height, nowSeconds: now.nowSeconds };
      const change = this.#stores.changed(local, key, (trade) => this.#player.step(trade, event(at)));
      return aged(written(store, change), now.height);
    });
  }

  /** Every way to run the effect that is due first, with a crash at every place where one can come. */
  deeds(local: number, world: World, now: Now): Deed[] {
    const { due, aside } = this.#stores.at(local);
    const [first] = due;
    if (first !== undefined) return this.#runs({ local, due: first, world, now });
    if (aside.length === 0) return [];
    return [{ name: 'what had no answer once more', local: this.#stores.made(local, 'resumed', resumed), world }];
  }

  #runs(running: { local: number; due: Due; world: World; now: Now }): Deed[] {
    const { local, due, world, now } = running;
    const { scene, reveals } = this.#player;
    const { effect } = due;
    const name = effect.do === 'broadcast' ? `broadcast ${effect.what}` : effect.do;
    if (isTooLate(due, this.trade(local), now, world))
      return this.#ran({ ...running, name, result: 'too_late', after: world });
    const isGuarded = effect.do === 'broadcast' && effect.firstRunUntilHeight !== undefined;
    // The engine notes the attempt before it acts.
    const begun = isGuarded ? this.#stores.made(local, 'attempted', attempted) : local;
    const outcomes = deeds(effect, { scene, world, ...now });
    const whole = outcomes.flatMap(({ world: after, result }) =>
      this.#ran({ local: begun, due, world, now, name, result, after }),
    );
    if (isGuarded && reveals === 'whole') return whole.filter((deed) => !deed.name.includes('crash'));
    const worlds = [world, ...outcomes.map((each) => each.world)];
    const unsent = begun === local ? [] : [{ name: `${name}, crash before it is sent`, local: begun, world }];
    return [...unsent, ...whole, ...this.#unanswered({ local: begun, due, name, worlds })];
  }

  /** A node that does not answer may have done what it was asked for, or not: the effect waits and the others go on. */
  #unanswered(asked: { local: number; due: Due; name: string; worlds: World[] }): Deed[] {
    const { local, due, name, worlds } = asked;
    const isWaiting = this.#stores.at(local).aside.length > 0;
    if (this.#player.answers === 'always' || isPrivate(due) || isWaiting) return [];
    const waits = this.#stores.made(local, 'postponed', postponed);
    return [...new Set(worlds)].map((world) => ({ name: `${name}, no answer (crash of a node)`, local: waits, world }));
  }

  /** Done and written down; done, but the crash came before its result was written; written, but not marked as done. */
  #ran(ran: { local: number; due: Due; world: World; now: Now; name: string; result: string; after: World }): Deed[] {
    const { local, due, world, now, result, after } = ran;
    const told = this.#answered(local, due, result, now);
    const done = this.#stores.made(told, 'finished', finished);
    const name = result === 'done' ? ran.name : `${ran.name}: ${result}`;
    const all: Deed[] = [{ name, local: done, world: after }];
    if (after !== world) all.push({ name: `${name}, crash before the result is stored`, local, world: after });
    if (told !== local) all.push({ name: `${name}, crash before it is marked as done`, local: told, world: after });
    return all;
  }

  #answered(local: number, due: Due, result: string, now: Now): number {
    const { effect, tried } = due;
    const at = { height: now.height, nowSeconds: now.nowSeconds };
    const { scene, step } = this.#player;
    const event = resultEvent(scene, { effect, result, at, attempts: tried ? 1 : 0 });
    if (event === undefined) return local;
    const name = `${result} ${this.#stores.nameOf(due)} ${now.step} ${now.nowSeconds}`;
    return this.#stores.made(local, name, (store) =>
      aged(
        written(
          store,
          this.#stores.changed(local, name, (trade) => step(trade, event)),
        ),
        now.height,
      ),
    );
  }

  describe(local: number): string {
    const { trade, due, aside } = this.#stores.at(local);
    const how = trade.state === 'ended' ? `${trade.outcome} (${trade.codes.join(', ')})` : trade.state;
    const waiting = [...due, ...aside].map(({ effect }) => effect.do);
    return waiting.length === 0 ? how : `${how}, due: ${waiting.join(', ')}`;
  }
}

/** What the engine asks right before it acts: see `#guardFirstRun` in engine.ts and `pay` in effects.ts. */
function isTooLate({ effect, tried }: Due, trade: Trade, { height }: Now, world: World): boolean {
  if (effect.do === 'broadcast')
    return effect.firstRunUntilHeight !== undefined && !tried && height > effect.firstRunUntilHeight;
  const isWanted = trade.state === 'paying' || trade.state === 'verifying';
  return effect.do === 'pay' && !isWanted && (world.payment === 'none' || world.payment === 'failed');
}
