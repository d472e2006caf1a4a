import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OutputAssets, RunePolicy } from '../protocol/guard.ts';
import type { Parts } from './parts.ts';
import { outcomeOf, pair, play, type Stage, stage } from './parts.suite.ts';
import { Trader } from './trader.ts';

/** A purchase from a seller with other parts, played until both have ended. */
async function sellWith(on: Stage, changed: Partial<Parts>): Promise<{ outcome: string | undefined; codes: string[] }> {
  const seller = new Trader({ ...on.parts.seller, ...changed });
  const buyer = new Trader(on.parts.buyer);
  await seller.start();
  await buyer.start();
  await seller.sell(on.offer);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  await play(on, [seller, buyer], async () => (await outcomeOf(seller, tradeId)) !== undefined);
  const trade = await seller.trade(tradeId);
  return { outcome: await outcomeOf(seller, tradeId), codes: trade?.state === 'ended' ? trade.codes : [] };
}

test('an output that holds more than what is sold is not locked, and the payment goes back', async () => {
  const on = await stage();
  const { ordinals } = on.parts.seller;
  const assets = async (outpoint: string) => {
    const known = await ordinals.assets(outpoint);
    return { ...known, inscriptions: [...known.inscriptions, { id: `${'ab'.repeat(32)}i0`, offsetSats: 1n }] };
  };
  assert.deepEqual(await sellWith(on, { ordinals: { ...ordinals, assets } }), {
    outcome: 'canceled',
    codes: ['refused'],
  });
  assert.equal(on.nodes.buyer.balanceMsat(), 1_000_000_000n);
});

test('an output in which runes lie is not locked, and one of which nobody knows only if the wallet is trusted', async () => {
  const outcomeWith = async (known: Partial<OutputAssets>, runes: RunePolicy) => {
    const on = await stage();
    const { ordinals } = on.parts.seller;
    const assets = async (outpoint: string) => ({ ...(await ordinals.assets(outpoint)), ...known });
    return (await sellWith(on, { ordinals: { ...ordinals, assets }, runes })).outcome;
  };
  assert.equal(await outcomeWith({ runes: 'some' }, 'trust wallet'), 'canceled');
  assert.equal(await outcomeWith({ runes: 'unknown' }, 'must know'), 'canceled');
  assert.equal(await outcomeWith({ runes: 'unknown' }, 'trust wallet'), 'traded');
  assert.equal(await outcomeWith({ runes: 'none' }, 'must know'), 'traded');
});

test('an inscription that is not where the offer says is not locked', async () => {
  const on = await stage();
  const { ordinals } = on.parts.seller;
  const locate = async (id: string) => ({ ...(await ordinals.locate(id)), satpoint: `${'ab'.repeat(32)}:0:0` });
  assert.deepEqual(await sellWith(on, { ordinals: { ...ordinals, locate } }), {
    outcome: 'canceled',
    codes: ['refused'],
  });
});

test('a wallet that gives back another transaction than it was to sign locks nothing', async () => {
  const on = await stage();
  const { wallet, chain } = on.parts.seller;
  const other = (await chain.transaction(on.offer.sourceOutpoint.slice(0, 64)))?.raw ?? '';
  const changed = { ...wallet, address: () => wallet.address(), coins: () => wallet.coins(), sign: async () => other };
  assert.deepEqual(await sellWith(on, { wallet: changed }), { outcome: 'canceled', codes: ['bad_transaction'] });
});

test('a seller with two hundred sales under way takes no more', async () => {
  const on = await stage();
  const { seller, buyer } = await pair(on);
  await seller.stop();
  const open = { role: 'seller', mode: 'hold-first', state: 'quoting' };
  const crowd = Array.from({ length: 200 }, (_, index) => ({
    ...{ ...open, tradeId: `x${index}`, terms: { paymentHash: `${index}` } },
  }));
  // Those that another instance holds count, too.
  const others = { liveAnywhere: async () => crowd as never, subscribe: () => () => undefined };
  const store = { ...on.parts.seller.store, ...others };
  const busy = new Trader({ ...on.parts.seller, store });
  await busy.start();
  await busy.sell(on.offer);
  const tradeId = await buyer.buy(on.purchase(busy.id, 'hold-first'));
  await play(on, [buyer], async () => (await outcomeOf(buyer, tradeId)) !== undefined);
  const trade = await buyer.trade(tradeId);
  assert.deepEqual(trade?.state === 'ended' && trade.codes, ['busy']);
});
