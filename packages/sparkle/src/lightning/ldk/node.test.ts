import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startRegtest, withoutBitcoind, type Regtest } from '../../../../../test/regtest/bitcoind.ts';
import { LdkWorld, regtestBlocks } from '../../../../../test/regtest/ldk.ts';
import { decodeInvoice, invoiceExpiresAt } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import { eventually, refusal, sha256Of } from '../bench.suite.ts';
import type { Lightning } from '../lightning.ts';
import type { BlockSource } from './block-source.ts';
import { startLdkNode, type LdkNode } from './node.ts';

const AMOUNT_MSAT = 20_000_000n;
const FINAL_CLTV = 40;
const ROUTE_CAP = FINAL_CLTV + 10;

describe('an embedded Lightning node', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  let world: LdkWorld;
  let count = 0;
  const alice = (): LdkNode => world.node('alice');
  const bob = (): LdkNode => world.node('bob');

  before(async () => {
    regtest = await startRegtest();
    world = await LdkWorld.open(regtest);
    for (const name of ['alice', 'bob']) await world.start(name);
    // Two channels, so that one payment can need both.
    for (let channel = 0; channel < 2; channel += 1)
      await world.channel({ from: 'alice', to: 'bob', sats: 300_000n, pushMsat: 100_000_000n });
  });
  after(async () => {
    await world.close();
    await regtest.stop();
  });

  const secret = (): { preimage: string; paymentHash: string } => {
    count += 1;
    const preimage = sha256Of(Buffer.from(`ldk ${count}`).toString('hex'));
    return { preimage, paymentHash: sha256Of(preimage) };
  };
  const terms = { amountMsat: AMOUNT_MSAT, finalCltv: FINAL_CLTV, expirySeconds: 3600, description: '' };
  const order = (bolt11: string) => ({
    bolt11,
    maxFeeMsat: 50_000n,
    maxCltvBlocks: ROUTE_CAP,
    timeoutSeconds: 60,
  });
  const heldAt = (payee: Lightning, paymentHash: string) =>
    eventually('a held invoice', async () => {
      const invoice = await payee.invoice(paymentHash);
      return invoice.state === 'held' ? invoice : undefined;
    });
  const paymentIs = (payer: Lightning, paymentHash: string, state: 'settled' | 'failed') =>
    eventually(`a ${state} payment`, async () => {
      const payment = await payer.payment(paymentHash);
      return payment.state === state ? payment : undefined;
    });
  const hold = async (amountMsat = AMOUNT_MSAT) => {
    const { preimage, paymentHash } = secret();
    const { bolt11 } = await bob().createHoldInvoice({ ...terms, amountMsat, paymentHash });
    await alice().pay(order(bolt11));
    const held = await heldAt(bob(), paymentHash);
    return { preimage, paymentHash, bolt11, held };
  };

  describe('starting', () => {
    test('blocks of another network are refused with wrong_network', async () => {
      await refusal(startLdkNode({ ...world.options('dave'), network: 'signet' }), 'wrong_network');
    });

    test('blocks of another chain of the same network are refused with wrong_network', async () => {
      await world.start('dave');
      const seen = await regtest.rpc<string>('getbestblockhash');
      await world.end('dave', 'stop');
      await regtest.mine(1);
      const blocks = regtestBlocks(regtest);
      const others: BlockSource = {
        ...blocks,
        header: async (hash) => (hash === seen ? undefined : blocks.header(hash)),
      };
      await refusal(startLdkNode({ ...world.options('dave'), blocks: others }), 'wrong_network');
    });

    test('a directory that another node uses is refused with bad_state', async () => {
      await refusal(startLdkNode(world.options('alice')), 'bad_state');
      assert.equal((await alice().balance()).ownedMsat, 400_000_000n);
    });

    test('another seed, a short one, and mainnet without caps are refused with bad_config', async () => {
      const { seed } = world.options('bob');
      await refusal(startLdkNode({ ...world.options('dave'), seed }), 'bad_config');
      await refusal(startLdkNode({ ...world.options('dave'), seed: seed.subarray(1) }), 'bad_config');
      await refusal(startLdkNode({ ...world.options('dave'), network: 'mainnet' }), 'bad_config');
    });

    test('a node above whose caps something is asked refuses with bad_amount', async () => {
      const dave = await world.start('dave', { caps: { paymentMsat: 5_000n, channelSats: 50_000n } });
      const { paymentHash } = secret();
      await refusal(dave.createHoldInvoice({ ...terms, paymentHash }), 'bad_amount');
      await refusal(dave.openChannel({ nodeId: await bob().nodeId(), sats: 50_001n, pushMsat: 0n }), 'bad_amount');
      await world.end('dave', 'stop');
    });

    test('a node without channels gives no invoice, because nobody could pay it', async () => {
      const dave = await world.start('dave');
      const { paymentHash } = secret();
      await refusal(dave.createHoldInvoice({ ...terms, paymentHash }), 'lightning_unavailable');
      assert.deepEqual(await dave.invoice(paymentHash), { state: 'unknown' });
    });

    test('a channel from somebody who may not open one is refused, and both sides go on', async () => {
      await world.end('dave', 'stop');
      const dave = await world.start('dave', { acceptChannelsFrom: [await bob().nodeId()] });
      await world.connect({ from: 'alice', to: 'dave' });
      const nodeId = await dave.nodeId();
      await refusal(alice().openChannel({ nodeId, sats: 100_000n, pushMsat: 0n }), 'lightning_unavailable');
      assert.deepEqual(
        dave.journal(0).map(({ type, detail }) => [type, detail['reason']]),
        [['channel_refused', 'not allowed by the operator']],
      );
      assert.equal(alice().channels().length, 2);
      await world.end('dave', 'stop');
    });

    test('a channel the wallet does not pay for is given up', async () => {
      await world.end('bob', 'stop');
      await world.start('bob', {
        fundChannel: () => Promise.reject(new SparkleError('insufficient_funds', 'the wallet is empty')),
      });
      await world.connect({ from: 'bob', to: 'alice' });
      const nodeId = await alice().nodeId();
      await refusal(bob().openChannel({ nodeId, sats: 100_000n, pushMsat: 0n }), 'lightning_unavailable');
      await world.restart('bob', 'stop');
      await world.channelsUp();
      assert.equal(bob().channels().length, 2);
    });

    test('a node that has ended answers nothing', async () => {
      const dave = await world.start('dave');
      await world.end('dave', 'stop');
      const { paymentHash, preimage } = secret();
      await refusal(dave.invoice(paymentHash), 'lightning_unavailable');
      await refusal(dave.payment(paymentHash), 'lightning_unavailable');
      await refusal(dave.settle(preimage), 'lightning_unavailable');
      await refusal(dave.balance(), 'lightning_unavailable');
      assert.throws(() => dave.channels(), SparkleError);
    });
  });

  describe('paying', () => {
    test('the first HTLC expires within the cap, and both sides know the expiries of theirs', async () => {
      const { preimage, paymentHash, held } = await hold();
      const height = await regtest.height();
      const payment = await alice().payment(paymentHash);
      assert.ok(payment.state === 'pending' && payment.expiryHeight !== undefined);
      assert.ok(payment.expiryHeight <= height + ROUTE_CAP, `${payment.expiryHeight} at ${height}`);
      const [htlc] = bob()
        .channels()
        .flatMap(({ incoming }) => incoming);
      assert.deepEqual(htlc, { paymentHash, amountMsat: AMOUNT_MSAT, expiryHeight: held.expiryHeight });
      assert.equal(held.expiryHeight, payment.expiryHeight);
      await bob().settle(preimage);
      await paymentIs(alice(), paymentHash, 'settled');
    });

    test('a payment in two parts is held as their sum with the smaller expiry', async () => {
      const amountMsat = 250_000_000n;
      const { preimage, paymentHash, held } = await hold(amountMsat);
      assert.equal(held.amountMsat, amountMsat);
      assert.equal(held.parts, 2);
      const expiries = bob()
        .channels()
        .flatMap(({ incoming }) => incoming.map(({ expiryHeight }) => expiryHeight));
      assert.equal(held.expiryHeight, Math.min(...expiries));
      await bob().settle(preimage);
      await paymentIs(alice(), paymentHash, 'settled');
      const back = secret();
      const { bolt11 } = await alice().createInvoice({ ...terms, amountMsat: 150_000_000n, preimage: back.preimage });
      await bob().pay(order(bolt11));
      await paymentIs(bob(), back.paymentHash, 'settled');
    });

    test('an invoice ends when the caller wants, whatever time the newest block shows', async () => {
      world.aheadMilliseconds = 5_000_000;
      const { paymentHash } = secret();
      const wanted = Math.floor(Date.now() / 1000) + 5_000 + 600;
      const { bolt11 } = await bob().createHoldInvoice({ ...terms, expirySeconds: 600, paymentHash });
      const end = invoiceExpiresAt(decodeInvoice(bolt11));
      assert.ok(end - wanted >= 0 && end - wanted <= 5, `${end} instead of ${wanted}`);
      world.aheadMilliseconds += 700_000;
      assert.deepEqual(await bob().invoice(paymentHash), { state: 'canceled' });
      await refusal(alice().pay(order(bolt11)), 'too_late');
      world.aheadMilliseconds = 0;
      await alice().pay(order(bolt11));
      await paymentIs(alice(), paymentHash, 'failed');
      assert.deepEqual(await bob().invoice(paymentHash), { state: 'canceled' });
    });

    test('a final CLTV below what the library can keep is refused with bad_height', async () => {
      const { paymentHash } = secret();
      await refusal(bob().createHoldInvoice({ ...terms, paymentHash, finalCltv: 23 }), 'bad_height');
      const { bolt11 } = await bob().createHoldInvoice({ ...terms, paymentHash, finalCltv: 24 });
      assert.equal(decodeInvoice(bolt11).minFinalCltv, 24);
    });

    test('ten payments can be held at once, and each ends as its payee decides', async () => {
      const secrets = Array.from({ length: 10 }, secret);
      for (const { paymentHash } of secrets) {
        const { bolt11 } = await bob().createHoldInvoice({ ...terms, amountMsat: 1_000_000n, paymentHash });
        await alice().pay(order(bolt11));
      }
      for (const { paymentHash } of secrets) await heldAt(bob(), paymentHash);
      for (const [index, { paymentHash, preimage }] of secrets.entries())
        await (index % 3 === 0 ? bob().cancel(paymentHash) : bob().settle(preimage));
      for (const [index, { paymentHash }] of secrets.entries())
        await paymentIs(alice(), paymentHash, index % 3 === 0 ? 'failed' : 'settled');
    });
  });
});
