import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { coordinatorMarket, coordinatorTiming } from 'sparkle-protocol/market/coordinator';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { outcomeOf, stage, type Stage } from 'sparkle-protocol/trader/parts.suite';
import { Trader } from 'sparkle-protocol/trader/trader';
import { WebSocket } from 'ws';
import { network, Service } from '../hub/hub.suite.ts';

const timing = { ...coordinatorTiming, firstRetryMilliseconds: 20, lastRetryMilliseconds: 200, ackMilliseconds: 20 };
const MOST_ROUNDS = 2_000;

/** The part's own key signs, as it signs the trader's messages. */
function over(service: Service, { seed }: { seed: Uint8Array }, where: 'outside' | 'inside') {
  const me = identityKey({ seed, network });
  const sign = (digest: Uint8Array): Uint8Array => schnorr.sign(digest, me.secret, new Uint8Array(32));
  const signer = { publicKey: me.public, sign };
  if (where === 'inside') return service.hub.marketFor(signer);
  return coordinatorMarket({ url: service.url, network, signer, clock: systemClock(), timing, WebSocket });
}

/** As `play`, with letters that take their time on a real connection: a block only now and then. */
async function playSlowly(on: Stage, traders: readonly Trader[], done: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    await Promise.all(traders.map((trader) => trader.look()));
    await Promise.all(traders.map((trader) => trader.idle()));
    if (await done()) return;
    if (round % 8 === 7) on.mine(1);
  }
  assert.fail(`nothing came of it within ${MOST_ROUNDS} rounds`);
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
      const markets = [over(service, on.parts.seller, where), over(service, on.parts.buyer, 'outside')] as const;
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
      let rounds = 0;
      await playSlowly(on, [seller, buyer], async () => {
        rounds += 1;
        if (rounds % 7 === 0) for (const socket of service.app.websocketServer.clients) socket.terminate();
        if (rounds === 10 && where === 'outside') {
          await service.end();
          await service.begin();
        }
        return (await outcomeOf(seller, tradeId)) !== undefined && (await outcomeOf(buyer, tradeId)) !== undefined;
      });
      assert.deepEqual([await outcomeOf(seller, tradeId), await outcomeOf(buyer, tradeId)], ['traded', 'traded']);
      assert.equal(on.nodes.seller.balanceMsat(), 1_090_000_000n);
    },
  );
