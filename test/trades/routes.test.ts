import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { getChannels, getPayments } from 'lightning';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { LndPair, twoHopNodes } from './nodes.ts';
import { Said } from './said.ts';
import { Staged } from './staged.ts';

const skip = withoutBitcoind || withoutLnd;

describe('a trade whose payment goes through an LND that is neither’s, to an embedded node', { skip }, () => {
  let world: World;
  after(() => world?.stop());

  test('traded, then refunded: the router earns its fee once', async () => {
    const said = new Said();
    world = await createWorld({ log: () => {}, openNodes: twoHopNodes(said), traderLog: said.log });
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    await trade.finish();
    const payment = await world.buyer.lightning.payment(await trade.paymentHash());
    assert.ok(payment.state === 'settled' && payment.feeMsat > 0n);
    await trade.assertTraded({ feeMsat: payment.feeMsat });
    const back = await Staged.begin(world, { mode: 'hold-first' });
    await back.buyerLeaves();
    await back.finish();
    await back.assertRefunded();
  });
});

describe('a trade whose price is larger than either channel', { skip }, () => {
  const said = new Said();
  const pair = new LndPair({ said, channelsSats: [200_000n, 200_000n] });
  let world: World;
  after(() => world?.stop());

  const parts = async () => {
    const { payments } = await getPayments({ lnd: pair.lnds.node('buyer').lnd });
    return payments[0]?.attempts.filter((attempt) => attempt.is_confirmed).length ?? 0;
  };

  test('it is paid in parts, and all of them are settled, or all come back', async () => {
    world = await createWorld({ log: () => {}, openNodes: pair.open, traderLog: said.log });
    const terms = { mode: 'hold-first', priceSats: 250_000n, confirmations: 3 } as const;
    const back = await Staged.begin(world, terms);
    await back.buyerLeaves();
    await back.finish();
    await back.assertRefunded();
    const trade = await Staged.begin(world, terms);
    const hash = await trade.held();
    const held = await world.seller.lightning.invoice(hash);
    assert.ok(held.state === 'held' && held.parts >= 2 && held.amountMsat === 250_000_000n);
    await trade.finish();
    await trade.assertTraded();
    assert.ok((await parts()) >= 2);
    const { channels } = await getChannels({ lnd: pair.lnds.node('seller').lnd });
    assert.ok(channels.every(({ pending_payments }) => pending_payments.length === 0));
  });
});
