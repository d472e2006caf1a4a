import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { bech32 } from '@scure/base';
import { decodeInvoice, encodeInvoice } from '../protocol/bolt11.ts';
import { assertNodeCan, lacking } from '../trader/needs.ts';
import { refusal, sha256Of } from './bench.suite.ts';
import type { Lightning, LightningEvent } from './lightning.ts';
import { memoryNetwork, type MemoryNetwork, type MemoryNode } from './memory.ts';
import { FakeSparkWallet, PROVIDER_FINAL_CLTV } from './spark/fake-wallet.suite.ts';
import { carriesSparkRoute, openSpark, spark } from './spark/spark.ts';

const NOW = 1_700_000_000;
const AMOUNT = 5_000_000n;
const PREIMAGE = 'ab'.repeat(32);
const HASH = sha256Of(PREIMAGE);
const KEY = new Uint8Array(32).fill(7);
const terms = { amountMsat: AMOUNT, finalCltv: 40, expirySeconds: 3600, description: 'one item' };
const request = { ...terms, paymentHash: HASH };

/** Spark has no offline mode: a wallet of ours over nodes in memory answers as its SDK does. */
describe('Spark', () => {
  let network: MemoryNetwork;
  let peer: MemoryNode;
  let node: MemoryNode;
  let wallet: FakeSparkWallet;
  let driver: Lightning;
  beforeEach(() => {
    network = memoryNetwork({ network: 'regtest', seed: 'spark', height: 800_000, nowSeconds: NOW });
    peer = network.addNode({ name: 'peer', balanceMsat: 100_000_000n });
    node = network.addNode({ name: 'spark', balanceMsat: 50_000_000n });
    wallet = new FakeSparkWallet({ node, feeSats: 3 });
    driver = open();
  });

  const open = () => spark({ wallet, network: 'regtest', nowSeconds: () => NOW });
  const order = (bolt11: string, change: object = {}) => ({
    ...{ bolt11, maxFeeMsat: 3000n, maxCltvBlocks: 2016, timeoutSeconds: 30 },
    ...change,
  });
  const reasonOf = async (work: Promise<unknown>) => (await refusal(work, 'lightning_unavailable')).detail['reason'];
  const heldByPeer = async () => {
    const { bolt11 } = await driver.createHoldInvoice(request);
    await peer.lightning.pay({ bolt11, maxFeeMsat: 10_000n, maxCltvBlocks: 500, timeoutSeconds: 30 });
  };

  test('it says what it cannot promise, and no trade is sold with it', () => {
    const { pay, feeCap, hold, holdExpiryMarginBlocks, ...missing } = driver.capabilities;
    assert.deepEqual(
      { pay, feeCap, hold, holdExpiryMarginBlocks },
      { pay: true, feeCap: true, hold: true, holdExpiryMarginBlocks: 0 },
    );
    assert.ok(Object.values(missing).every((each) => each === false));
    assert.deepEqual(lacking('sell hold-first', driver.capabilities), ['cancel', 'holdDeadline', 'finalCltv']);
    assert.deepEqual(lacking('sell lock-first', driver.capabilities), ['ownPreimage', 'finalCltv']);
    assert.deepEqual(lacking('buy lock-first', driver.capabilities), ['routeCap']);
    assertNodeCan('buy hold-first', driver.capabilities);
    assert.throws(() => assertNodeCan('sell hold-first', driver.capabilities), { code: 'refused' });
  });

  test('canceling, an own preimage and the key of the payee are not supported', async () => {
    await refusal(driver.cancel(HASH), 'not_supported');
    await refusal(driver.createInvoice({ ...terms, preimage: PREIMAGE }), 'not_supported');
    await refusal(driver.nodeId(), 'not_supported');
  });

  test('a hold invoice is open, held without a known end, and settled by its preimage', async () => {
    const { bolt11 } = await driver.createHoldInvoice(request);
    assert.equal(decodeInvoice(bolt11).paymentHash, HASH);
    assert.deepEqual(await driver.invoice(HASH), { state: 'open' });
    await peer.lightning.pay({ bolt11, maxFeeMsat: 10_000n, maxCltvBlocks: 500, timeoutSeconds: 30 });
    assert.deepEqual(await driver.invoice(HASH), { state: 'held', amountMsat: AMOUNT, expiryHeight: 0, parts: 1 });
    await driver.settle(PREIMAGE);
    await driver.settle(PREIMAGE);
    assert.deepEqual(await driver.invoice(HASH), { state: 'settled', amountMsat: AMOUNT });
    assert.equal(wallet.calls.filter(({ method }) => method === 'claimHTLC').length, 1);
  });

  test('an invoice is asked for without a way past Lightning', async () => {
    await driver.createHoldInvoice(request);
    assert.deepEqual(wallet.calls[0]?.params, {
      ...{ amountSats: 5000, paymentHash: HASH, memo: 'one item', expirySeconds: 3600 },
      ...{ includeSparkAddress: false, includeSparkInvoice: false },
    });
  });

  test('the same request again is the same invoice, another one for the hash is refused', async () => {
    const both = await Promise.all([driver.createHoldInvoice(request), driver.createHoldInvoice(request)]);
    assert.deepEqual(both[0], both[1]);
    assert.equal(wallet.calls.length, 1);
    await refusal(driver.createHoldInvoice({ ...request, amountMsat: 6_000_000n }), 'invoice_exists');
    await refusal(driver.createHoldInvoice({ ...request, description: '' }), 'invoice_exists');
  });

  test('sums that are no whole sats, and a final CLTV beyond that of the provider, are refused', async () => {
    await refusal(driver.createHoldInvoice({ ...request, amountMsat: 5_000_001n }), 'bad_amount');
    const asked = { ...request, finalCltv: PROVIDER_FINAL_CLTV + 1 };
    const error = await refusal(driver.createHoldInvoice(asked), 'not_supported');
    assert.equal(error.detail['finalCltv'], PROVIDER_FINAL_CLTV);
  });

  const rewritten = (change: object) => (bolt11: string) => encodeInvoice({ ...decodeInvoice(bolt11), ...change }, KEY);
  const identityHint = {
    nodeId: '02'.padEnd(66, '1'),
    shortChannelId: '16000000x16000000x1',
    feeBaseMsat: 0n,
    feePpm: 0,
    cltvDelta: 0,
  };
  /** Puts a fallback field of version 31 before the signature, and a signature of nobody behind it. */
  const withFallback = (bolt11: string): string => {
    const { prefix, words } = bech32.decode(bolt11 as `${string}1${string}`, 4000);
    const body = words.slice(0, -104);
    const field = [9, 0, 5, 31, 1, 2, 3, 4];
    return bech32.encode(prefix, [...body, ...field, ...words.slice(-104)], 4000);
  };

  test('an invoice of the provider that is not what was asked for is refused by the rule that it breaks', async () => {
    const cases: [object, string][] = [
      [{ paymentHash: 'cd'.repeat(32) }, 'paymentHash'],
      [{ amountMsat: AMOUNT - 1000n }, 'amount'],
      [{ description: 'another' }, 'description'],
      [{ expirySeconds: 60 }, 'expiry'],
      [{ network: 'mainnet' }, 'network'],
      [{ routeHints: [[identityHint]] }, 'spark_route'],
    ];
    for (const [change, rule] of cases) {
      wallet.rewrite = rewritten(change);
      assert.equal((await refusal(driver.createHoldInvoice(request), 'bad_invoice')).detail['rule'], rule);
    }
    wallet.rewrite = (bolt11) => bolt11;
    await driver.createHoldInvoice(request);
  });

  test('a payment that went back is canceled, and cannot be settled', async () => {
    await heldByPeer();
    await node.lightning.cancel(HASH);
    assert.deepEqual(await driver.invoice(HASH), { state: 'canceled' });
    await refusal(driver.settle(PREIMAGE), 'invoice_not_held');
  });

  test('less than was asked for is not held', async () => {
    await heldByPeer();
    const answer = (totalValue: number) => ({
      preimageRequests: [
        { paymentHash: Uint8Array.from(Buffer.from(HASH, 'hex')), status: 0, transfer: { totalValue } },
      ],
    });
    wallet.next('queryHTLC', { do: 'answer', answer: answer(4999) });
    assert.deepEqual(await driver.invoice(HASH), { state: 'open' });
    wallet.next('queryHTLC', { do: 'answer', answer: answer(4999) });
    await refusal(driver.settle(PREIMAGE), 'invoice_not_held');
    assert.ok(wallet.calls.every(({ method }) => method !== 'claimHTLC'));
  });

  test('a settlement whose answer is lost is a settlement; one that did not come is tried again, and no preimage is told', async () => {
    await heldByPeer();
    wallet.next('claimHTLC', { do: 'fail before' });
    const error = await refusal(driver.settle(PREIMAGE), 'lightning_unavailable');
    assert.ok(!JSON.stringify([error.message, error.detail, error.stack, String(error.cause)]).includes(PREIMAGE));
    wallet.next('claimHTLC', { do: 'fail after' });
    await driver.settle(PREIMAGE);
    assert.equal((await driver.invoice(HASH)).state, 'settled');
  });

  test('a payment is pending, then settled with its preimage and fee, and is one for its hash', async () => {
    const { bolt11 } = await peer.lightning.createHoldInvoice(request);
    await Promise.all([driver.pay(order(bolt11)), driver.pay(order(bolt11))]);
    await driver.pay(order(bolt11));
    assert.deepEqual(await driver.payment(HASH), { state: 'pending' });
    const paid = wallet.calls.filter(({ method }) => method === 'payLightningInvoice');
    assert.deepEqual(
      paid.map(({ params }) => params),
      [{ invoice: bolt11, maxFeeSats: 3, preferSpark: false, idempotencyKey: HASH }],
    );
    await peer.lightning.settle(PREIMAGE);
    assert.deepEqual(await driver.payment(HASH), { state: 'settled', preimage: PREIMAGE, feeMsat: 3000n });
    const later = open();
    assert.deepEqual(await later.payment(HASH), { state: 'settled', preimage: PREIMAGE, feeMsat: 0n });
    await later.pay(order(bolt11));
  });

  test('a payment that came back has failed and may be made again', async () => {
    const { bolt11 } = await peer.lightning.createHoldInvoice(request);
    await driver.pay(order(bolt11));
    await peer.lightning.cancel(HASH);
    assert.equal((await driver.payment(HASH)).state, 'failed');
  });

  test('a fee above the cap and a sum beyond the wallet are no_route, other refusals payment_failed', async () => {
    const { bolt11 } = await peer.lightning.createHoldInvoice(request);
    const dear = await refusal(driver.pay(order(bolt11, { maxFeeMsat: 2999n })), 'no_route');
    assert.equal(dear.detail['reason'], 'budget');
    const large = await peer.lightning.createHoldInvoice({
      ...request,
      paymentHash: 'cd'.repeat(32),
      amountMsat: 60_000_000n,
    });
    assert.equal((await refusal(driver.pay(order(large.bolt11)), 'no_route')).detail['reason'], 'funds');
    class SparkValidationError extends Error {}
    wallet.next('payLightningInvoice', { do: 'throw', error: new SparkValidationError('Invalid amount') });
    await refusal(driver.pay(order(bolt11)), 'payment_failed');
  });

  test('a payment whose outcome is open is neither failed nor made again', async () => {
    const { bolt11 } = await peer.lightning.createHoldInvoice(request);
    wallet.next('payLightningInvoice', { do: 'fail before' });
    assert.equal(await reasonOf(driver.pay(order(bolt11))), 'timeout_unknown');
    wallet.next('payLightningInvoice', { do: 'fail after' });
    await driver.pay(order(bolt11));
    assert.deepEqual(await driver.payment(HASH), { state: 'pending' });
    wallet.next('queryHTLC', { do: 'fail before' });
    assert.equal(await reasonOf(driver.payment(HASH)), 'refused');
  });

  test('an invoice that could be paid past Lightning is refused, and money that went there is no payment', async () => {
    const { bolt11 } = await peer.lightning.createHoldInvoice(request);
    const marked = rewritten({ routeHints: [[identityHint]] })(bolt11);
    assert.equal(carriesSparkRoute(decodeInvoice(marked)), true);
    assert.equal((await refusal(driver.pay(order(marked)), 'bad_invoice')).detail['rule'], 'spark_route');
    const fallback = decodeInvoice(withFallback(bolt11));
    assert.equal(carriesSparkRoute(fallback), true);
    assert.equal((await refusal(driver.pay(order(fallback.text)), 'bad_invoice')).detail['rule'], 'spark_route');
    assert.equal(carriesSparkRoute(decodeInvoice(bolt11)), false);
    assert.ok(wallet.calls.every(({ method }) => method !== 'payLightningInvoice'));
    wallet.next('payLightningInvoice', { do: 'answer', answer: { id: 'transfer', transferDirection: 'OUTGOING' } });
    assert.equal(await reasonOf(driver.pay(order(bolt11))), 'paid_over_spark');
  });

  test('an expired, foreign, amountless or broken invoice is refused before anything is sent', async () => {
    const { bolt11 } = await peer.lightning.createHoldInvoice(request);
    const late = spark({ wallet, network: 'regtest', nowSeconds: () => NOW + 3600 });
    await refusal(late.pay(order(bolt11)), 'too_late');
    await refusal(spark({ wallet, network: 'mainnet' }).pay(order(bolt11)), 'wrong_network');
    const { amountMsat: _, ...amountless } = decodeInvoice(bolt11);
    await refusal(driver.pay(order(encodeInvoice(amountless, KEY))), 'bad_invoice');
    await refusal(driver.pay(order('lnbcrt1')), 'bad_invoice');
    assert.ok(wallet.calls.every(({ method }) => method === 'queryHTLC'));
  });

  test('answers of another shape, for another hash or with another preimage are refused', async () => {
    const foreign = { paymentHash: new Uint8Array(32), status: 0 };
    const answers = [
      undefined,
      {},
      { preimageRequests: [{ paymentHash: 'ab', status: 0 }] },
      { preimageRequests: [foreign] },
    ];
    for (const answer of answers) {
      wallet.next('queryHTLC', { do: 'answer', answer });
      assert.equal(await reasonOf(driver.payment(HASH)), 'garbage');
    }
    const own = { paymentHash: Uint8Array.from(Buffer.from(HASH, 'hex')), status: 1, preimage: new Uint8Array(32) };
    wallet.next('queryHTLC', { do: 'answer', answer: { preimageRequests: [own] } });
    assert.equal(await reasonOf(driver.payment(HASH)), 'garbage');
  });

  test('the balance is in msat, a payment is hinted at, and closing closes the wallet', async () => {
    assert.deepEqual(await driver.balance(), { spendableMsat: 50_000_000n, ownedMsat: 50_000_000n });
    const told = new Promise<LightningEvent>((resolve) => driver.subscribe(resolve));
    await heldByPeer();
    assert.deepEqual(await told, { type: 'invoice', paymentHash: HASH });
    await driver.close();
    assert.equal(wallet.calls.at(-1)?.method, 'cleanupConnections');
  });

  test('without the SDK a wallet cannot be opened, and the sentence says what to install', async () => {
    const options = { mnemonicOrSeed: 'a secret of twelve words', accountNumber: 0, network: 'regtest' } as const;
    const error = await refusal(openSpark(options), 'not_supported');
    assert.match(error.message, /npm install @buildonspark\/spark-sdk/);
    assert.ok(!JSON.stringify([error.message, error.detail]).includes('twelve'));
    await refusal(openSpark({ ...options, network: 'testnet4' }), 'wrong_network');
  });
});
