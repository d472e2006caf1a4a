import assert from 'node:assert/strict';
import type { ChainTransaction } from 'sparkle-protocol/chain/chain';
import { addressScript, decodeTransaction, encodeDraft, txidOf } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { TradeEvent } from 'sparkle-protocol/protocol/trade/event';
import {
  address,
  at,
  claimFor,
  HEIGHT,
  held,
  holdSeller,
  holdTerms,
  lockFor,
  looked,
  sourceOutpoint,
  spentBy,
  unspent,
} from 'sparkle-protocol/protocol/trade/fixtures.suite';
import { step, type Trade } from 'sparkle-protocol/protocol/trade/step';
import { silentLog } from 'sparkle-protocol/trader/log';
import { Books, type BooksParts } from './books.ts';
import type { Database } from '../database/database.ts';
import { Ledger } from './ledger.ts';
import { notingStore, Outgoing } from './outgoing.ts';

export const { tradeId } = holdTerms;
const wallet = addressScript(address, 'regtest');
export const lock = lockFor(holdTerms);
const claim = claimFor(holdTerms);
/** The lock's change, spent by a child that hurries it. */
const changeSats = decodeTransaction(lock.raw).outputs[1]?.valueSats ?? 0n;
const bump = childOf(`${lock.txid}:1`, changeSats, 700n);

function childOf(outpoint: string, valueSats: bigint, feeSats: bigint) {
  const inputs = [{ outpoint, valueSats, script: wallet, sequence: 0, witness: [] }];
  const raw = encodeDraft({ lockHeight: 0, inputs, outputs: [{ script: wallet, valueSats: valueSats - feeSats }] });
  return { txid: txidOf(raw), raw, feeSats, feerateSatVb: 5 };
}

/** A chain on paper: what a test has mined, at its height. */
class Paper {
  readonly #known = new Map<string, ChainTransaction>();
  height = HEIGHT;
  isAway = false;
  /** What it was given to send. */
  readonly sent: string[] = [];

  constructor() {
    for (const [txid, values] of [
      [sourceOutpoint.slice(0, 64), [10_000n]],
      ['bb'.repeat(32), [1n, 1_000_000n]],
    ] as const) {
      const outputs = values.map((valueSats) => ({ script: wallet, valueSats }));
      const inputs = [{ outpoint: `${'dd'.repeat(32)}:0`, valueSats: 0n, script: '', sequence: 0, witness: [] }];
      this.#known.set(txid, { txid, raw: encodeDraft({ lockHeight: 0, inputs, outputs }) });
    }
  }

  /** In the mempool of the one node that is asked; of others nobody knows. */
  waits({ txid, raw }: { txid: string; raw: string }): void {
    this.#known.set(txid, { txid, raw });
  }

  mine({ txid, raw }: { txid: string; raw: string }): void {
    this.height += 1;
    this.#known.set(txid, { txid, raw, block: { height: this.height, hash: '0b'.repeat(32) } });
  }

  readonly chain: BooksParts['chain'] = {
    tip: async () => ({ height: this.height, hash: '0c'.repeat(32), timeSeconds: 0 }),
    transaction: async (txid) => {
      if (this.isAway) throw new SparkleError('chain_unavailable', 'the node must answer; it does not');
      return this.#known.get(txid);
    },
    spender: async (outpoint) =>
      [...this.#known.values()].find(({ raw }) =>
        decodeTransaction(raw).inputs.some((input) => input.outpoint === outpoint),
      ),
    subscribe: () => () => {},
    broadcast: async ([raw = '']) => void this.sent.push(raw),
  };
}

/** A sale in a database, that goes on by events as the trader tells them, and its books. */
export async function saleIn(database: Database, { trade = holdSeller.building as Trade } = {}) {
  const paper = new Paper();
  const outgoing = new Outgoing(database.tables);
  const ledger = new Ledger(database);
  const store = notingStore({ store: database.store, outgoing, log: silentLog });
  await store.create({ trade, effects: [] });
  const tell = async (...events: TradeEvent[]) => {
    for (const event of events) await store.update(tradeId, (before) => step(before, event));
  };
  const amountMsat = 90_000_001n;
  const parts: BooksParts = {
    ...{ store, chain: paper.chain, ledger, outgoing, log: silentLog, nowSeconds: () => 1_793_491_200 },
    trader: { onChange: () => () => true },
    lightning: { invoice: async () => ({ state: 'settled', amountMsat }), payment: async () => ({ state: 'unknown' }) },
  };
  const inSats = async () => {
    assert.deepEqual(await ledger.unbalanced(), []);
    return Object.fromEntries(
      (await ledger.balances()).map(({ account, balanceMsat }) => [account, Number(balanceMsat) / 1000]),
    );
  };
  const states = async () => (await outgoing.of(tradeId)).map(({ kind, state }) => `${kind} ${state}`).toSorted();
  return { database, paper, outgoing, ledger, store, tell, parts, books: new Books(parts), inSats, states };
}

/** Makes of a sale one that was hurried, locked, claimed and paid, all of it on the chain. */
export async function sell({ tell, paper }: Pick<Awaited<ReturnType<typeof saleIn>>, 'tell' | 'paper'>): Promise<void> {
  await tell(built, bumped, seen, claimed, settled);
  for (const each of [lock, bump, claim]) paper.mine(each);
}

export const built: TradeEvent = { type: 'lock_built', at: at(HEIGHT), lock };
export const bumped: TradeEvent = { type: 'bump_built', at: at(HEIGHT), bump };
export const seen = looked(HEIGHT + 2, { invoice: held, lock: unspent(1), source: spentBy(lock, 1) });
const claimed = looked(HEIGHT + 3, { invoice: held, lock: spentBy(claim, 1) });
const settled = looked(HEIGHT + 3, {
  invoice: { state: 'settled', amountMsat: 90_000_001n },
  lock: spentBy(claim, 1),
});

export const lockFees = Number(lock.feeSats);
export const SOLD = {
  items: -10_000,
  coins: -10_000 - lockFees - 700,
  locks: 0,
  delivered: 20_000,
  chain_fees: lockFees + 700,
  lightning: 90_000.001,
  sales: -90_000.001,
};
