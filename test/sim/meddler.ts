import { identityKey } from 'sparkle-protocol/protocol/keys';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { readMessage, writeMessage, type TradeMessage } from 'sparkle-protocol/protocol/messages';
import type { Envelope } from 'sparkle-protocol/market/market';
import { seedOf } from './base.ts';
import type { Chance } from './chance.ts';
import type { Actor, World } from './world.ts';

const LETTERS_PER_TICK = 0.3;
const MOST_LETTERS = 60;

/** Reads every letter on the square, and sends letters of his own: copies, to anybody; torn ones; forged ones. */
export class Meddler implements Actor {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #read: Envelope[] = [];
  #sent = 0;

  constructor(world: World, chance: Chance) {
    this.#world = world;
    this.#chance = chance;
    const fate = world.weather;
    world.weather = (mail) => {
      this.#read.push(mail.envelope);
      return fate(mail);
    };
  }

  async tick(): Promise<void> {
    const [letter] = this.#read.length === 0 ? [] : [this.#read[this.#chance.between(0, this.#read.length - 1)]];
    if (letter === undefined || this.#sent >= MOST_LETTERS || !this.#chance.happens(LETTERS_PER_TICK)) return;
    this.#sent += 1;
    const { market } = this.#world.partsOf('buyer');
    const to = this.#world.party(this.#chance.oneOf(['buyer', 'seller'] as const)).id;
    await market.send(to, { from: letter.from, text: this.#changed(letter.text) });
  }

  #changed(text: string): string {
    switch (this.#chance.oneOf(['copied', 'torn', 'altered', 'renamed', 'forged'] as const)) {
      case 'copied':
        return text;
      case 'torn':
        return text.slice(0, this.#chance.between(0, text.length));
      case 'altered': {
        const at = this.#chance.between(0, text.length - 1);
        return (
          text.slice(0, at) + this.#chance.oneOf(['0', '1', 'f', '"', '{', '\u0000'] as const) + text.slice(at + 1)
        );
      }
      case 'renamed':
        return this.#written(text, (message) => message);
      case 'forged':
        return this.#written(text, ({ inscriptionId, signed }) => ({
          op: 'trade_abort',
          inscriptionId,
          code: 'changed_my_mind',
          signed: { tradeId: signed?.tradeId ?? '', from: signed?.from ?? '', expiresAt: signed?.expiresAt ?? 1 },
        }));
    }
  }

  /** The same trade, but another signs: it is his own name that is under it, or the letter is not written. */
  #written(text: string, change: (message: TradeMessage) => TradeMessage): string {
    const { public: from, secret } = identityKey({ seed: seedOf('meddler'), network: 'regtest' });
    try {
      const { message } = readMessage(text, { nowSeconds: 0 });
      const changed = change(message);
      if (changed.signed === undefined) return text;
      const signed = { ...changed.signed, from };
      return writeMessage({ ...changed, signed } as TradeMessage, { secret, auxRand: this.#chance.bytes(32) });
    } catch (error) {
      if (!(error instanceof SparkleError)) throw error;
      return text;
    }
  }
}
