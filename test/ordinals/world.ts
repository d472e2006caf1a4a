import assert from 'node:assert/strict';
import { hex } from '@scure/base';
import type { InscriptionPlace, Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { envelopesOf } from 'sparkle-protocol/protocol/envelope';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { subsidySats } from 'sparkle-protocol/protocol/satflow';
import { readTransaction } from 'sparkle-protocol/protocol/transaction';
import type { Chance } from '../sim/chance.ts';
import { ordBench, type OrdBench } from './bench.ts';
import { mined, type MinedBlock } from './mined.ts';
import { fanOut, openScript, openWitness, randomMove, takings, type OpenCoin } from './moves.ts';

/** Coinbases can be spent after 100 blocks: this many are there when the first block of chance comes. */
const FIRST_BLOCKS = 101;
/** Of ids and outputs that a block did not touch, so many are compared after it; all are at the end. */
const MOST_OLD = 6;

type Place = { height: number; hash: string; timeSeconds: number };

/** All that a block leaves behind. `ids` in the order of their reveals, `outputs` all that may hold something. */
type State = Place & { bank: OpenCoin; coins: OpenCoin[]; ids: string[]; outputs: string[]; coinbases: string[] };

export type AgreeWorld = {
  /** A block of chance on top of the best one, then both indexes are compared. */
  block(): Promise<void>;
  /** Replaces the last blocks by one more, of other chance, then both are compared on everything. */
  reorg(depth: number): Promise<void>;
  /** Compares everything there is, and says what that was. */
  compareAll(): Promise<Census>;
  height(): number;
  stop(): Promise<void>;
};

/** How many inscriptions came to what, and of how many outputs the answers were compared. */
export type Census = {
  inscriptions: number;
  outputs: number;
  /** Lost, burned or unbound. */
  gone: number;
  inCoinbases: number;
  behindOtherSats: number;
  sharingAnOutput: number;
  sharingASat: number;
};

/** A satpoint, or the code of a refusal. */
const said = (asked: Promise<InscriptionPlace>): Promise<string> =>
  asked.then(
    ({ satpoint }) => satpoint,
    (error: unknown) => {
      if (error instanceof SparkleError) return error.code;
      throw error;
    },
  );

class World implements AgreeWorld {
  readonly #chance: Chance;
  readonly #bench: OrdBench;
  readonly #states: State[];
  #salt = 0;

  constructor(of: { chance: Chance; bench: OrdBench; first: State }) {
    this.#chance = of.chance;
    this.#bench = of.bench;
    this.#states = [of.first];
  }

  get #last(): State {
    const last = this.#states.at(-1);
    assert.ok(last !== undefined);
    return last;
  }

  async block(): Promise<void> {
    const before = this.#last;
    const spent = await this.#play();
    await this.#bench.server.caughtUp();
    // An output that is spent is answered by what it held.
    const touched = (await Promise.all(spent.map((outpoint) => this.#bench.local.inscriptionsIn(outpoint)))).flat();
    await this.#compareReveals();
    const old = <T>(all: readonly T[]): T[] =>
      Array.from({ length: Math.min(MOST_OLD, all.length) }, () => all[this.#chance.between(0, all.length - 1)] as T);
    const fresh = this.#last.ids.slice(before.ids.length);
    await this.#comparePlaces([...new Set([...fresh, ...touched, ...old(before.ids)])]);
    const made = this.#last.outputs.filter((outpoint) => !before.outputs.includes(outpoint));
    await this.#compareOutputs([...new Set([...made, ...old(this.#last.outputs)])]);
  }

  async reorg(depth: number): Promise<void> {
    this.#states.splice(-depth);
    for (let block = 0; block <= depth; block += 1) await this.#play();
    await this.#bench.server.caughtUp();
    await this.compareAll();
  }

  async compareAll(): Promise<Census> {
    const { ids, outputs, coinbases } = this.#last;
    await this.#compareReveals();
    const places = (await this.#comparePlaces(ids)).filter((place) => place.includes(':'));
    await this.#compareAssets(outputs);
    const outpointOf = (place: string): string => place.slice(0, place.lastIndexOf(':'));
    const shared = (keys: string[]): number => keys.length - new Set(keys).size;
    return {
      ...{ inscriptions: ids.length, outputs: outputs.length, gone: ids.length - places.length },
      inCoinbases: places.filter((place) => coinbases.includes(place.slice(0, 64))).length,
      behindOtherSats: places.filter((place) => !place.endsWith(':0')).length,
      sharingAnOutput: shared(places.map(outpointOf)),
      sharingASat: shared(places),
    };
  }

  height(): number {
    return this.#last.height;
  }

  stop(): Promise<void> {
    return this.#bench.stop();
  }

  /** Mines the next block. Returns what it spends of the outputs before it. */
  async #play(): Promise<string[]> {
    const state = this.#last;
    const spent = new Set<string>();
    let { bank, coins } = state;
    const moves = [];
    if (coins.length < 10) {
      const fan = fanOut(this.#chance, bank, 8);
      spent.add(bank.outpoint);
      bank = fan.bank;
      coins = [...coins, ...fan.move.made];
      moves.push(fan.move);
    }
    for (let count = this.#chance.between(1, 5); count > 0 && coins.length > 0; count -= 1) {
      const { move, spent: taken } = randomMove(this.#chance, coins);
      for (const { outpoint } of taken) spent.add(outpoint);
      coins = [...coins.filter(({ outpoint }) => !spent.has(outpoint)), ...move.made];
      moves.push(move);
    }
    const block = this.#mine(state, moves);
    await this.#submit(block);
    this.#states.push(this.#after(state, { block, moves, bank, coins, spent }));
    return state.outputs.filter((outpoint) => spent.has(outpoint));
  }

  #mine(state: State, moves: readonly { raw: string; feeSats: bigint }[]): MinedBlock {
    const subsidy = subsidySats({ height: state.height + 1, network: 'regtest' });
    const feesSats = moves.reduce((sum, { feeSats }) => sum + feeSats, 0n);
    const coinbase = takings(this.#chance, { subsidySats: subsidy, feesSats });
    return mined({ previous: state, raws: moves.map(({ raw }) => raw), coinbase, salt: (this.#salt += 1) });
  }

  async #submit({ raw }: MinedBlock): Promise<void> {
    const answer = await this.#bench.regtest.rpc<string | null>('submitblock', [raw]);
    // On a branch that is not the best one yet the node says that it cannot tell.
    assert.ok(answer === null || answer === 'inconclusive', `the node refused a block: ${answer}`);
  }

  #after(
    state: State,
    made: {
      block: MinedBlock;
      moves: readonly { raw: string; txid: string }[];
      bank: OpenCoin;
      coins: OpenCoin[];
      spent: ReadonlySet<string>;
    },
  ): State {
    const { block, moves, bank, coins, spent } = made;
    const { height, hash, timeSeconds, coinbaseTxid } = block;
    const ids = moves.flatMap(({ raw, txid }) =>
      envelopesOf(readTransaction(raw)).map(({ index }) => `${txid}i${index}`),
    );
    const kept = [...state.outputs.filter((outpoint) => !spent.has(outpoint)), `${coinbaseTxid}:0`, bank.outpoint];
    const outputs = [...new Set([...kept, ...coins.map(({ outpoint }) => outpoint)])];
    const coinbases = [...state.coinbases, coinbaseTxid];
    return { height, hash, timeSeconds, bank, coins, ids: [...state.ids, ...ids], outputs, coinbases };
  }

  async #comparePlaces(ids: readonly string[]): Promise<string[]> {
    const ask = (ordinals: Ordinals) => Promise.all(ids.map((id) => said(ordinals.locate(id))));
    const [local, ord] = [await ask(this.#bench.local), await ask(this.#bench.ord)];
    assert.deepEqual(named(ids, local), named(ids, ord));
    return local;
  }

  async #compareOutputs(outputs: readonly string[]): Promise<void> {
    const ask = (ordinals: Ordinals) => Promise.all(outputs.map((outpoint) => ordinals.inscriptionsIn(outpoint)));
    const [local, ord] = [await ask(this.#bench.local), await ask(this.#bench.ord)];
    assert.deepEqual(named(outputs, local), named(outputs, ord));
  }

  async #compareAssets(outputs: readonly string[]): Promise<void> {
    const ask = (ordinals: Ordinals) =>
      Promise.all(
        outputs.map(async (outpoint) => {
          const { inscriptions, marks } = await ordinals.assets(outpoint);
          return { held: inscriptions.map(({ id, offsetSats }) => `${id} at ${offsetSats}`), marks };
        }),
      );
    const [local, ord] = [await ask(this.#bench.local), await ask(this.#bench.ord)];
    assert.deepEqual(named(outputs, local), named(outputs, ord));
  }

  /** ord's own list of what the best block reveals: neither reader may see an envelope that the other does not. */
  async #compareReveals(): Promise<void> {
    const { height } = this.#last;
    const url = `${this.#bench.server.url}/inscriptions/block/${height}`;
    const response = await fetch(url, { headers: { accept: 'application/json' } });
    const { ids, more } = (await response.json()) as { ids: string[]; more: boolean };
    assert.equal(more, false);
    const before = this.#states.at(-2)?.ids.length ?? 0;
    assert.deepEqual(this.#last.ids.slice(before).toSorted(), ids.toSorted());
  }
}

const named = (names: readonly string[], values: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(names.map((name, index) => [name, values[index]]));

/**
 * A node and an `ord` server whose blocks are made here: inscriptions are moved, merged, parted, burned, paid as fees and
 * left by miners as chance has it. The blocks end below height 150, where regtest halves its subsidy and ord does not.
 */
export async function agreeWorld(of: { chance: Chance; index: readonly ('runes' | 'sats')[] }): Promise<AgreeWorld> {
  const bench = await ordBench({ blocks: 0, index: of.index });
  const { rpc } = bench.regtest;
  try {
    const hashes = await rpc<string[]>('generatetodescriptor', [FIRST_BLOCKS, `raw(${hex.encode(openScript)})`]);
    const { tx } = await rpc<{ tx: string[] }>('getblock', [hashes[0]]);
    const { height, hash, timeSeconds } = await bench.chain.tip();
    const bank = { outpoint: `${tx[0]}:0`, valueSats: 5_000_000_000n, witness: openWitness };
    const first = { height, hash, timeSeconds, bank, coins: [], ids: [], outputs: [], coinbases: [] };
    return new World({ chance: of.chance, bench, first });
  } catch (error) {
    await bench.stop();
    throw error;
  }
}
