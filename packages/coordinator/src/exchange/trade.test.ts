import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { coordinatorMarket, coordinatorTiming } from 'sparkle-protocol/market/coordinator';
import type { Market } from 'sparkle-protocol/market/market';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { outcomeOf, stage, type Stage } from 'sparkle-protocol/trader/parts.suite';
import { Trader } from 'sparkle-protocol/trader/trader';
import { WebSocket } from 'ws';
import { until } from '../../../../test/regtest/kept-process.ts';
import { network, Service } from '../hub/hub.suite.ts';

const timing = { ...coordinatorTiming, firstRetryMilliseconds: 20, lastRetryMilliseconds: 200, ackMilliseconds: 20 };
const MOST_BLOCKS = 200;
/** The seller's answer to the buyer's first. */
const RESTART_AT_LETTER = 2;

/** The part's own key signs, as it signs the trader's messages. */
function over(service: Service, { seed }: { seed: Uint8Array }, where: 'outside' | 'inside') {
  const me = identityKey({ seed, network });
  const sign = (digest: Uint8Array): Uint8Array => schnorr.sign(digest, me.secret, new Uint8Array(32));
  const signer = { publicKey: me.public, sign };
  if (where === 'inside') return service.hub.marketFor(signer);
  return coordinatorMarket({ url: service.url, network, signer, clock: systemClock(), timing, WebSocket });
}

/** The letters that were sent and that nobody has taken yet. */
class Underway {
  readonly #texts = new Set<string>();
  readonly #meanwhile: (count: number) => Promise<void>;
  #count = 0;

  /** `meanwhile` is what happens while a letter waits to be sent, with the number of all until then. */
  constructor(meanwhile: (count: number) => Promise<void>) {
    this.#meanwhile = meanwhile;
  }

  get isEmpty(): boolean {
    return this.#texts.size === 0;
  }

  /** The same market, whose letters are counted. One that could not be sent is sent again, after a block or more. */
  over(market: Market): Market {
    const texts = this.#texts;
    return {
      ...market,
      send: async (to, envelope) => {
        texts.add(envelope.text);
        await this.#meanwhile((this.#count += 1));
        await market.send(to, envelope).catch((error: unknown) => {
          texts.delete(envelope.text);
          throw error;
        });
      },
      inbox: (me, receive) =>
        market.inbox(me, async (envelope) => {
          await receive(envelope);
          texts.delete(envelope.text);
        }),
    };
  }
}

type Play = { on: Stage; traders: readonly Trader[]; underway: Underway };

/** As `play`, with letters that take their time on a real connection: a block whenever all of them are taken. */
async function playSlowly({ on, traders, underway }: Play, done: () => Promise<boolean>): Promise<void> {
  for (let block = 0; block < MOST_BLOCKS; block += 1) {
    await until('all letters to be taken', async () => {
      await Promise.all(traders.map((trader) => trader.look()));
      await Promise.all(traders.map((trader) => trader.idle()));
      return underway.isEmpty;
    });
    if (await done()) return;
    on.mine(1);
  }
  assert.fail(`nothing came of it within ${MOST_BLOCKS} blocks`);
}

for (const [where, mode] of [
  ['outside', 'hold-first'],
  ['outside', 'lock-first'],
  ['inside', 'hold-first'],
] as const)
  test(
    `${mode}: a buyer finds an offer and trades with a seller ${where} the coordinator, whose connections are cut and who restarts`,
    { timeout: 60_000 },
    async (context) => {
      const service = await Service.start();
      const on = await stage();
      const underway = new Underway(async (letter) => {
        // The others arrive over a connection that lives.
        if (letter % 2 === 0) for (const socket of service.app.websocketServer.clients) socket.terminate();
        if (letter !== RESTART_AT_LETTER || where === 'inside') return;
        await service.end();
        await service.begin();
      });
      const markets = [
        underway.over(over(service, on.parts.seller, where)),
        underway.over(over(service, on.parts.buyer, 'outside')),
      ] as const;
      const seller = new Trader({ ...on.parts.seller, market: markets[0] });
      const buyer = new Trader({ ...on.parts.buyer, market: markets[1] });
      context.after(async () => {
        await Promise.all([seller.stop(), buyer.stop()]);
        await Promise.all(markets.map((market) => market.close()));
        await service.remove();
      });
      await Promise.all([seller.start(), buyer.start()]);
      await seller.sell(on.offer);
      const [found] = await markets[1].browse();
      assert.deepEqual(
        [found?.inscriptionId, found?.sellerId, found?.priceSats],
        [on.inscriptionId, seller.id, 90_000n],
      );
      const tradeId = await buyer.buy(on.purchase(seller.id, mode));
      const play = { on, traders: [seller, buyer], underway };
      await playSlowly(
        play,
        async () => (await outcomeOf(seller, tradeId)) !== undefined && (await outcomeOf(buyer, tradeId)) !== undefined,
      );
      assert.deepEqual([await outcomeOf(seller, tradeId), await outcomeOf(buyer, tradeId)], ['traded', 'traded']);
      assert.equal(on.nodes.seller.balanceMsat(), 1_090_000_000n);
    },
  );
