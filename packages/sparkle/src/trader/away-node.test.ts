import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import { outcomeOf, pair, play, settle, stage } from './parts.suite.ts';

/** A seller whose node may be away, with the sentences of his log. */
async function withAwayNode() {
  const on = await stage();
  const node = { isAway: false };
  const { lightning } = on.parts.seller;
  const said: string[] = [];
  const away = () => Promise.reject(new SparkleError('lightning_unavailable', 'away'));
  const keep = (_fields: unknown, sentence: string) => void said.push(sentence);
  on.parts.seller = {
    ...on.parts.seller,
    log: { info: keep, warn: keep, error: keep },
    lightning: new Proxy(lightning, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name);
        if (typeof found !== 'function') return found;
        return node.isAway && name !== 'subscribe' ? away : found.bind(target);
      },
    }),
  };
  return { on, node, said };
}

test('a Lightning node that stays away is spoken of once, and again only after it was there', async () => {
  const { on, node, said } = await withAwayNode();
  const { seller, buyer } = await pair(on);
  on.parts.buyer.lightning.pay = async () => {};
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  await play(on, [seller], async () => (await seller.trade(tradeId))?.state === 'invoiced');
  const complaints = () => said.filter((sentence) => sentence.includes('could not be attended to')).length;
  for (const times of [1, 2]) {
    node.isAway = true;
    for (let look = 0; look < 5; look++) await settle([seller]);
    assert.equal(complaints(), times);
    node.isAway = false;
    await settle([seller]);
  }
});

test('a seller whose node is away from the lock until long after R takes the inscription back all the same', async () => {
  const { on, node } = await withAwayNode();
  const { seller, buyer } = await pair(on);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  await play(on, [seller], async () => (await seller.trade(tradeId))?.state === 'locking');
  await buyer.stop();
  await play(on, [seller], async () => (await seller.trade(tradeId))?.state === 'locked');
  node.isAway = true;
  await play(on, [seller], async () => (await seller.trade(tradeId))?.state === 'canceling');
  node.isAway = false;
  await play(on, [seller], async () => (await outcomeOf(seller, tradeId)) !== undefined);
  assert.equal(await outcomeOf(seller, tradeId), 'refunded');
});
