import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startRegtest, withoutBitcoind, type Regtest } from '../../../../../test/regtest/bitcoind.ts';
import { LdkWorld, regtestBlocks } from '../../../../../test/regtest/ldk.ts';
import { SparkleError } from '../../protocol/errors.ts';
import { eventually, sha256Of } from '../bench.suite.ts';
import type { Lightning } from '../lightning.ts';
import type { BlockSource } from './block-source.ts';
import type { LdkNode } from './node.ts';

const AMOUNT_MSAT = 30_000_000n;
const FINAL_CLTV = 30;

// The cases build on each other's channels: the last one closes what the first one opened.
describe('an embedded Lightning node, killed and started again from its directory', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  let world: LdkWorld;
  let count = 0;
  const alice = (): LdkNode => world.node('alice');
  const bob = (): LdkNode => world.node('bob');

  before(async () => {
    regtest = await startRegtest();
    world = await LdkWorld.open(regtest);
  });
  after(async () => {
    await world.close();
    await regtest.stop();
  });

  const invoice = async (payee: Lightning) => {
    count += 1;
    const preimage = sha256Of(Buffer.from(`crash ${count}`).toString('hex'));
    const paymentHash = sha256Of(preimage);
    const terms = { amountMsat: AMOUNT_MSAT, finalCltv: FINAL_CLTV, expirySeconds: 3600, description: '' };
    const { bolt11 } = await payee.createHoldInvoice({ ...terms, paymentHash });
    return { preimage, paymentHash, bolt11 };
  };
  const pay = (payer: Lightning, bolt11: string): Promise<void> =>
    payer.pay({ bolt11, maxFeeMsat: 10_000n, maxCltvBlocks: FINAL_CLTV + 5, timeoutSeconds: 60 });
  const isHeld = (payee: () => Lightning, paymentHash: string) =>
    eventually('a held invoice', async () => {
      const found = await payee().invoice(paymentHash);
      return found.state === 'held' ? found : undefined;
    });
  const isPaid = async (payer: () => Lightning, of: { paymentHash: string; preimage: string }) => {
    const payment = await eventually('a settled payment', async () => {
      const found = await payer().payment(of.paymentHash);
      return found.state === 'settled' ? found : undefined;
    });
    assert.equal(payment.preimage, of.preimage);
  };
  const restartBoth = async (): Promise<void> => {
    for (const name of ['alice', 'bob']) await world.end(name, 'kill');
    for (const name of ['alice', 'bob']) await world.start(name);
    await world.channelsUp();
  };

  test('a funding transaction that could not be broadcast is broadcast after the restart', async () => {
    const blocks: BlockSource = {
      ...regtestBlocks(regtest),
      broadcast: () => Promise.reject(new SparkleError('chain_unavailable', 'the node is away')),
    };
    await world.start('alice', { blocks });
    await world.start('bob');
    await world.connect({ from: 'alice', to: 'bob' });
    const wanted = { nodeId: await bob().nodeId(), sats: 1_000_000n, pushMsat: 400_000_000n };
    const { fundingTxid } = await alice().openChannel(wanted);
    assert.deepEqual(await regtest.rpc('getrawmempool'), []);
    await world.restart('alice', 'kill');
    await world.inMempool(fundingTxid);
    await world.mine(1);
    await world.channelsUp();
  });

  test('a payer killed in the moment he has paid finds his payment pending, and pays once', async () => {
    const { preimage, paymentHash, bolt11 } = await invoice(bob());
    await pay(alice(), bolt11);
    await world.restart('alice', 'kill');
    assert.equal((await alice().payment(paymentHash)).state, 'pending');
    await pay(alice(), bolt11);
    const held = await isHeld(bob, paymentHash);
    assert.equal(held.amountMsat, AMOUNT_MSAT);
    await bob().settle(preimage);
    await isPaid(alice, { paymentHash, preimage });
  });

  test('a payee killed in the moment he has settled has settled', async () => {
    const { preimage, paymentHash, bolt11 } = await invoice(bob());
    await pay(alice(), bolt11);
    await isHeld(bob, paymentHash);
    const settled = bob().settle(preimage);
    bob().kill();
    await settled;
    await world.end('alice', 'kill');
    await world.start('alice');
    await world.end('bob', 'kill');
    await world.start('bob');
    assert.deepEqual(await bob().invoice(paymentHash), { state: 'settled', amountMsat: AMOUNT_MSAT });
    await isPaid(alice, { paymentHash, preimage });
  });

  test('a payee killed in the moment he has canceled has canceled', async () => {
    const { preimage, paymentHash, bolt11 } = await invoice(bob());
    await pay(alice(), bolt11);
    await isHeld(bob, paymentHash);
    const canceled = bob().cancel(paymentHash);
    bob().kill();
    await canceled;
    await world.end('bob', 'kill');
    await world.start('bob');
    await eventually('a failed payment', async () =>
      (await alice().payment(paymentHash)).state === 'failed' ? true : undefined,
    );
    await assert.rejects(bob().settle(preimage), { code: 'invoice_not_held' });
  });

  test('both killed while one holds: the payment is still held, and can be settled', async () => {
    const { preimage, paymentHash, bolt11 } = await invoice(bob());
    await pay(alice(), bolt11);
    const held = await isHeld(bob, paymentHash);
    await restartBoth();
    assert.deepEqual(await bob().invoice(paymentHash), held);
    await bob().settle(preimage);
    await isPaid(alice, { paymentHash, preimage });
  });

  test('a node that stops right after it settled has nothing left in its channels, and keeps them', async () => {
    const { preimage, paymentHash, bolt11 } = await invoice(bob());
    await pay(alice(), bolt11);
    const { expiryHeight } = await isHeld(bob, paymentHash);
    await bob().settle(preimage);
    await world.end('bob', 'stop');
    await isPaid(alice, { paymentHash, preimage });
    assert.deepEqual(
      alice()
        .channels()
        .flatMap(({ outgoing }) => outgoing),
      [],
    );
    await world.mine(expiryHeight + 10 - (await regtest.height()));
    await world.start('bob');
    await world.channelsUp();
    assert.equal(bob().channels().length, 1);
  });

  test('a reorg is followed, also by a node that was away during it', async () => {
    await world.end('bob', 'kill');
    await regtest.reorg({ depth: 3, mempool: 'mined' });
    await world.start('bob');
    await world.mine(1);
    await world.channelsUp();
    assert.deepEqual([alice().height(), bob().height()], [await regtest.height(), await regtest.height()]);
    const { preimage, paymentHash, bolt11 } = await invoice(bob());
    await pay(alice(), bolt11);
    await isHeld(bob, paymentHash);
    await bob().settle(preimage);
    await isPaid(alice, { paymentHash, preimage });
  });

  test('with the payer gone, a settled payment is claimed on chain, and the payer learns the preimage there', async () => {
    const { preimage, paymentHash, bolt11 } = await invoice(bob());
    await pay(alice(), bolt11);
    const { expiryHeight } = await isHeld(bob, paymentHash);
    await world.end('alice', 'kill');
    await bob().settle(preimage);
    // LDK goes on chain 18 blocks before the expiry.
    await world.mine(expiryHeight - 18 - (await regtest.height()));
    const closed = await eventually('a closed channel', async () => {
      await world.mine(1);
      return bob()
        .journal(0)
        .find(({ type }) => type === 'channel_closed');
    });
    assert.equal(closed.detail['reason'], 'HTLCsTimedOut');
    await world.mine(2);
    await world.start('alice');
    await eventually('the preimage on chain', async () => {
      await world.mine(1);
      return (await alice().payment(paymentHash)).state === 'settled' ? true : undefined;
    });
    await isPaid(alice, { paymentHash, preimage });
  });

  test('a channel closed together is swept to the wallets, once', async () => {
    await world.channel({ from: 'alice', to: 'bob', sats: 500_000n, pushMsat: 200_000_000n });
    const open = alice()
      .channels()
      .find(({ usable }) => usable);
    assert.ok(open !== undefined);
    await alice().closeChannel({ channelId: open.channelId, how: 'together' });
    await eventually('the closing transaction', async () =>
      (await regtest.rpc<string[]>('getrawmempool')).length > 0 ? true : undefined,
    );
    const swept = async (node: LdkNode): Promise<string> =>
      eventually('a sweep', async () => {
        await world.mine(1);
        return node
          .journal(0)
          .filter(({ type }) => type === 'swept')
          .at(-1)?.detail['txid'];
      });
    for (const node of [alice(), bob()]) {
      const txid = await swept(node);
      await eventually('a confirmed sweep', async () => {
        await world.mine(1);
        const tx = await regtest.rpc<{ confirmations?: number }>('getrawtransaction', [txid, 1]).catch(() => undefined);
        return (tx?.confirmations ?? 0) > 0 ? true : undefined;
      });
    }
  });
});
