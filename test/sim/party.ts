import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import type { MemoryNode } from 'sparkle-protocol/lightning/memory';
import { memoryDisk, memoryStore, type MemoryDisk } from 'sparkle-protocol/store/memory';
import { decodeState } from 'sparkle-protocol/protocol/json';
import type { Offer } from 'sparkle-protocol/protocol/trade/terms';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { Log } from 'sparkle-protocol/trader/log';
import type { Parts } from 'sparkle-protocol/trader/parts';
import { type Purchase, Trader } from 'sparkle-protocol/trader/trader';
import { Life } from './life.ts';
import type { Purse } from './purse.ts';
import type { Story } from './story.ts';

export type PartyOptions = {
  name: string;
  node: MemoryNode;
  wallet: Purse;
  /** What the node had in the beginning. */
  startMsat: bigint;
  /** All parts but the store, the same in every life. */
  parts: Omit<Parts, 'store' | 'log'>;
  story: Story;
  /** What a dishonest or planted trader does to his own parts. */
  tamper: (parts: Parts) => Parts;
};

/** A person with a disk, a node, a wallet and a program that may die and be started again. */
export class Party {
  readonly name: string;
  readonly id: string;
  readonly node: MemoryNode;
  readonly wallet: Purse;
  readonly startMsat: bigint;
  readonly disk: MemoryDisk = memoryDisk();
  /** States that one of his trades has been in. */
  readonly visited = new Set<string>();
  /** Gone for good. */
  hasLeft = false;
  /** Keeps to the rules: his program is ours, his parts are not tampered with to cheat. */
  isHonest = true;
  /** Whether he has a program at all; a puppet has not. */
  runs = true;
  chainIsDown = false;
  /** What his wallet had in the beginning, the inscription not counted. */
  startSats = 0n;
  offers: Omit<Offer, 'sellerId' | 'network'>[] = [];
  purchases: Purchase[] = [];
  /** Blocks until the program is started again after a crash. */
  restartInBlocks = 0;
  lives = 0;
  /** Deaths to come: blocks until the restart, and checkpoints until the next death. */
  fuses: { checkpoints: number; awayBlocks: number }[] = [];
  readonly #options: PartyOptions;
  #life: Life | undefined;
  #trader: Trader | undefined;

  constructor(options: PartyOptions) {
    const { name, node, wallet, parts, startMsat } = options;
    this.#options = options;
    this.name = name;
    this.node = node;
    this.wallet = wallet;
    this.startMsat = startMsat;
    this.id = identityKey(parts).public;
  }

  get life(): Life | undefined {
    return this.#life?.isAlive === true ? this.#life : undefined;
  }

  /** Read from the disk itself: what would be there after the power failed. */
  trades(): Trade[] {
    return [...this.disk.trades.values()].map(({ body }) => decodeState(body) as Trade);
  }

  live(): Trade[] {
    return [...this.disk.trades.values()]
      .filter(({ claims }) => !claims.ended)
      .map(({ body }) => decodeState(body) as Trade);
  }

  /** Whether all that he wanted was begun and has ended. */
  isDone(): boolean {
    const rows = [...this.disk.trades.values()];
    return rows.length >= this.purchases.length && rows.every(({ claims }) => claims.ended);
  }

  /** Starts the program as its user would: again and again while a part of it cannot be reached. */
  start(): void {
    const { parts, story, tamper } = this.#options;
    const life = new Life(tamper({ ...parts, store: memoryStore(this.disk), log: this.#log() }), {
      fault: (sentence) => story.fault(`${this.name}: ${sentence}`),
      note: (sentence) => story.note(`${this.name}: ${sentence}`),
      died: (where) => {
        this.restartInBlocks = this.#nextAway;
        story.note(`${this.name} dies at ${where}`);
        story.count('crash');
      },
    });
    this.#life = life;
    life.setChainDown(this.chainIsDown);
    this.lives += 1;
    const fuse = this.fuses.shift();
    if (fuse !== undefined) this.#light(life, fuse);
    const trader = new Trader(life.parts, life.checkpoint);
    trader.onChange((trade, event) => {
      this.visited.add(trade.state);
      story.say(() => `${this.name} is ${trade.state} after ${event}`);
    });
    this.#trader = trader;
    void this.#begin(life, trader);
  }

  #nextAway = 0;

  #light(life: Life, { checkpoints, awayBlocks }: { checkpoints: number; awayBlocks: number }): void {
    this.#nextAway = awayBlocks;
    life.setFuse(checkpoints);
  }

  async #begin(life: Life, trader: Trader): Promise<void> {
    try {
      for (const offer of this.offers) await trader.sell(offer);
      await trader.start();
      for (const purchase of this.purchases)
        if (
          !this.trades().some((trade) => trade.role === 'buyer' && trade.want.inscriptionId === purchase.inscriptionId)
        )
          await trader.buy(purchase);
    } catch (error) {
      if (!life.isAlive) return;
      const { story } = this.#options;
      if (error instanceof SparkleError) story.note(`${this.name} cannot start: ${error.code}`);
      else story.fault(`${this.name} cannot start: ${String(error)}`);
      life.kill();
      this.restartInBlocks = 0;
    }
  }

  /** A block has come: whoever is down and has waited long enough starts again. */
  onBlock(): void {
    if (!this.runs || this.hasLeft || this.life !== undefined) return;
    if (this.restartInBlocks > 0) this.restartInBlocks -= 1;
    else this.start();
  }

  /** Dies now, and comes back after so many blocks. */
  crash(awayBlocks: number): void {
    this.restartInBlocks = awayBlocks;
    this.#life?.kill();
  }

  setChainDown(isDown: boolean): void {
    this.chainIsDown = isDown;
    this.#life?.setChainDown(isDown);
  }

  leave(): void {
    this.hasLeft = true;
    this.#life?.kill();
  }

  abort(reason: string): void {
    const life = this.life;
    const trader = this.#trader;
    const [trade] = this.live();
    if (life === undefined || trader === undefined || trade === undefined) return;
    trader.abort(trade.tradeId, reason).catch((error: unknown) => {
      if (life.isAlive && !(error instanceof SparkleError)) this.#options.story.fault(`abort threw ${String(error)}`);
    });
  }

  #log(): Log {
    const { story } = this.#options;
    const tell =
      (level: 'info' | 'warn' | 'error') =>
      (fields: Record<string, unknown>, sentence: string): void => {
        const { code } = fields;
        if (code === 'internal' || code === 'preimage_leaked')
          story.fault(`${this.name}: ${sentence} (${String(code)})`);
        story.say(() => `${this.name} ${level}: ${sentence} ${JSON.stringify(fields, textOfBigint)}`);
      };
    return { info: tell('info'), warn: tell('warn'), error: tell('error') };
  }
}

const textOfBigint = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}` : value);
