import { findPreimage } from 'sparkle-protocol/protocol/spend';
import { paymentHashOf } from 'sparkle-protocol/protocol/trade/step';
import { until } from '../test/regtest/kept-process.ts';
import { ldkNodes } from '../world/nodes.ts';
import { purchase } from '../world/story.ts';
import { createWorld, type World } from '../world/world.ts';
import { spread } from './percentiles.ts';

const TRADES = 50;
const PRICE_SATS = 10_000n;

type Times = { held?: number; broadcast?: number; preimage?: number; settled?: number };

/** Hold-first trades one after the other on regtest with real nodes; milliseconds as the seller's process sees them. */
export async function benchTrades() {
  const world = await createWorld({ log: () => {}, openNodes: ldkNodes });
  try {
    const all: Times[] = [];
    for (let index = 0; index < TRADES; index++) all.push(await timed(world, index));
    const between = (from: keyof Times, to: keyof Times) =>
      spread(
        all.flatMap((times) =>
          (times[to] ?? NaN) >= (times[from] ?? NaN) ? [(times[to] ?? 0) - (times[from] ?? 0)] : [],
        ),
      );
    return {
      'held -> lock broadcast, ms': between('held', 'broadcast'),
      'preimage seen -> settled, ms': between('preimage', 'settled'),
    };
  } finally {
    await world.stop();
  }
}

async function timed(world: World, index: number): Promise<Times> {
  const { seller, buyer } = world;
  const times: Times = {};
  const inscribed = await world.inscribe(seller, `bench ${index}`);
  await seller.trader.sell(await world.offer(inscribed, 'hold-first', PRICE_SATS));
  const stop = listen(world, times);
  const wanted = purchase(world, inscribed.inscriptionId, { mode: 'hold-first', priceSats: PRICE_SATS });
  const tradeId = await buyer.trader.buy(wanted);
  const state = async (party: World['seller']) => (await party.trader.trade(tradeId))?.state;
  await until('the lock is broadcast', () => times.broadcast !== undefined);
  await world.mine(1);
  await until('the payment is settled', async () => (await state(seller)) === 'ended');
  await world.mine(6);
  await until('the buyer has ended', async () => (await state(buyer)) === 'ended');
  stop();
  return times;
}

/** When the node says that a payment arrived, and when the trader has sent the lock, seen the preimage, and settled. */
function listen({ seller }: World, times: Times): () => void {
  let hash = '';
  const stops = [
    seller.lightning.subscribe(({ type }) => {
      if (type === 'invoice') times.held ??= performance.now();
    }),
    seller.trader.onChange((trade, event) => {
      hash = paymentHashOf(trade) ?? hash;
      if (event === 'broadcast_done' && trade.state === 'locking') times.broadcast ??= performance.now();
      if (trade.state === 'ended') times.settled ??= performance.now();
    }),
    seller.chain.subscribe((event) => {
      if (event.type === 'transaction' && findPreimage(event.raw, hash) !== undefined)
        times.preimage ??= performance.now();
    }),
  ];
  return () => stops.forEach((stop) => stop());
}
