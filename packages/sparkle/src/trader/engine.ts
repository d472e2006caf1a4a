import type { Chain } from '../chain/chain.ts';
import type { Wallet } from '../chain/wallet.ts';
import type { Lightning } from '../lightning/lightning.ts';
import type { Market } from '../market/market.ts';
import type { Ordinals } from '../ordinals/ordinals.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { TradeEvent } from '../protocol/trade/event.ts';
import { lookOf } from '../protocol/trade/look.ts';
import type { Change } from '../protocol/trade/machine.ts';
import { isEnded, step, type Trade } from '../protocol/trade/step.ts';
import type { Due, Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import { refusalOf, runEffect, type Hands } from './effects.ts';
import { createLanes } from './lanes.ts';
import type { Log } from './log.ts';
import { lookAt } from './watch.ts';

/** Everything a trader is made of. The rescue seed stays in here: no port ever sees it. */
export type Parts = {
  network: NetworkName;
  seed: Uint8Array;
  chain: Chain;
  wallet: Wallet;
  lightning: Lightning;
  ordinals: Ordinals;
  market: Market;
  store: Store;
  clock: Clock;
  log: Log;
  /** How often to look although nothing was heard, in milliseconds (R14: at least every 60 s). */
  tickMilliseconds: number;
};

/** Something to watch a trade by: called after every change, once it is stored. */
export type Listener = (trade: Trade, event: TradeEvent['type'] | 'opened') => void;

/** Where a crash can be planted in tests: around the write and around the act. */
export type Checkpoint = (at: 'before_write' | 'after_write' | 'before_act' | 'after_act', what: string) => void;

export type Engine = {
  open(change: Change<Trade>): Promise<void>;
  tell(tradeId: string, event: (at: { height: number; nowSeconds: number }) => TradeEvent): Promise<void>;
  resume(): Promise<void>;
  lookAtAll(): Promise<void>;
  idle(): Promise<void>;
  onChange(listener: Listener): () => void;
};

const RETRY_FIRST_SECONDS = 1;
const RETRY_MOST_SECONDS = 60;

/** The only loop that moves money: decide, write down, then act. Killed anywhere, what was decided is still due. */
export function createEngine(parts: Parts, hands: Hands, checkpoint: Checkpoint = () => {}): Engine {
  const { store, chain, clock, log } = parts;
  const lanes = createLanes();
  const listeners = new Set<Listener>();

  const moment = async () => ({ height: (await chain.tip()).height, nowSeconds: clock.nowSeconds() });
  const notify = (trade: Trade, type: TradeEvent['type'] | 'opened') =>
    listeners.forEach((listener) => listener(trade, type));

  async function decide(tradeId: string, event: TradeEvent): Promise<Due[]> {
    checkpoint('before_write', event.type);
    let before: Trade | undefined;
    const { trade, due } = await store.update(tradeId, (current) => {
      before = current;
      return step(current, event);
    });
    checkpoint('after_write', event.type);
    if (before?.state !== trade.state) {
      log.info({ tradeId, from: before?.state, to: trade.state, event: event.type }, 'trade moved');
      void lanes.later(tradeId, () => look(tradeId));
    }
    notify(trade, event.type);
    return due;
  }

  async function act(due: Due): Promise<TradeEvent | undefined> {
    if (due.effect.do === 'broadcast' && due.effect.firstRunUntilHeight !== undefined) {
      const { height } = await chain.tip();
      if (due.attempts === 0 && height > due.effect.firstRunUntilHeight)
        throw new SparkleError(
          'too_late',
          `the preimage may not be revealed above height ${due.effect.firstRunUntilHeight}, and it is ${height}`,
        );
      // From here on the preimage must be taken for revealed, whether or not the broadcast is seen to succeed.
      await store.postpone(due.key, 0);
    }
    checkpoint('before_act', due.effect.do);
    const event = await runEffect(parts, hands, due);
    checkpoint('after_act', due.effect.do);
    return event === undefined ? undefined : { ...event, at: await moment() };
  }

  /** Runs what is due, and what becomes due by it. An effect is done only after its result is written down. */
  async function drain(queue: Due[]): Promise<void> {
    for (let due = queue.shift(); due !== undefined; due = queue.shift()) {
      try {
        const event = await act(due);
        if (event !== undefined) queue.push(...(await decide(due.tradeId, event)));
        await store.done(due.key);
      } catch (error) {
        queue.push(...(await failed(due, error)));
      }
    }
  }

  async function failed(due: Due, error: unknown): Promise<Due[]> {
    const { tradeId, effect, attempts, key } = due;
    const refusal = refusalOf(due, error);
    if (refusal !== undefined) {
      log.warn({ tradeId, effect: effect.do, code: refusal.code }, refusal.message);
      const { code, message: sentence } = refusal;
      const next = await decide(tradeId, {
        type: 'effect_failed',
        at: await moment(),
        effect: effect.do,
        code,
        sentence,
      });
      await store.done(key);
      return next;
    }
    const wait = Math.min(RETRY_MOST_SECONDS, RETRY_FIRST_SECONDS * 2 ** attempts);
    await store.postpone(key, (clock.nowSeconds() + wait) * 1000);
    const code = error instanceof SparkleError ? error.code : 'internal';
    log.warn({ tradeId, effect: effect.do, attempts, code }, 'an effect failed and stays due');
    return [];
  }

  async function look(tradeId: string): Promise<void> {
    const trade = await store.load(tradeId);
    if (trade === undefined || isEnded(trade)) return;
    const view = await lookAt(parts, lookOf(trade), clock.nowSeconds());
    const at = { height: view.tip.height, nowSeconds: view.nowSeconds };
    await drain(await decide(tradeId, { type: 'looked', at, view }));
  }

  const retry = async (tradeId: string) => {
    const now = clock.nowSeconds() * 1000;
    await drain((await store.due(tradeId)).filter(({ notBefore }) => notBefore <= now));
  };

  return {
    open: async (change) => {
      const due = await store.create(change);
      const { tradeId } = change.trade;
      notify(change.trade, 'opened');
      await lanes.run(tradeId, () => drain(due));
      void lanes.later(tradeId, () => look(tradeId));
    },
    tell: (tradeId, event) => lanes.run(tradeId, async () => drain(await decide(tradeId, event(await moment())))),
    resume: async () => {
      for (const { tradeId } of await store.live())
        await lanes.run(tradeId, async () => {
          await drain(await decide(tradeId, { type: 'restarted', at: await moment() }));
          await retry(tradeId);
          await look(tradeId);
        });
      await drain((await store.due()).filter(({ effect }) => effect.do === 'send'));
    },
    lookAtAll: async () => {
      const live = await store.live();
      await Promise.allSettled(
        live.map(({ tradeId }) =>
          lanes.run(tradeId, async () => {
            await retry(tradeId);
            await look(tradeId);
          }),
        ),
      );
    },
    idle: lanes.idle,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
