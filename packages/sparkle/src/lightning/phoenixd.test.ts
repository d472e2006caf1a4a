import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { decodeInvoice } from '../protocol/bolt11.ts';
import { eventually, refusal, sha256Of } from './bench.suite.ts';
import { memoryNetwork, type MemoryNetwork, type MemoryNode } from './memory.ts';
import { FakePhoenixd, FULL_PASSWORD, LIMITED_PASSWORD } from './phoenixd-server.suite.ts';
import { phoenixd, type Phoenixd, type PhoenixdOptions } from './phoenixd.ts';

const NOW = 1_700_000_000;
const AMOUNT = 5_000_000n;

/** phoenixd cannot be run here: a server of ours speaks its wire over a node in memory. */
describe('phoenixd', () => {
  let network: MemoryNetwork;
  let wallet: MemoryNode;
  let shop: MemoryNode;
  let server: FakePhoenixd;
  let driver: Phoenixd;
  let elapsed = 0;
  let count = 0;
  before(async () => {
    network = memoryNetwork({ network: 'regtest', seed: 'phoenixd', height: 800_000, nowSeconds: NOW });
    wallet = network.addNode({ name: 'phoenixd', balanceMsat: 100_000_000n });
    shop = network.addNode({ name: 'shop', balanceMsat: 100_000_000n });
    server = await FakePhoenixd.open(wallet);
    driver = phoenixd(options());
  });
  beforeEach(() => {
    server.asked.length = 0;
  });
  after(async () => {
    await driver.close();
    await server.close();
  });

  const options = (change: Partial<PhoenixdOptions> = {}): PhoenixdOptions => ({
    url: server.url,
    password: FULL_PASSWORD,
    network: 'regtest',
    expirySeconds: 3600,
    timeoutMilliseconds: 5000,
    clock: { nowSeconds: () => NOW, nowMilliseconds: () => elapsed },
    ...change,
  });
  const secret = () => {
    count += 1;
    const preimage = sha256Of(`${count}`.padStart(64, 'f'));
    return { preimage, paymentHash: sha256Of(preimage) };
  };
  const terms = { amountMsat: AMOUNT, finalCltv: 18, expirySeconds: 3600, description: 'shoes' };
  const order = (bolt11: string) => ({ bolt11, maxFeeMsat: 10_000n, maxCltvBlocks: 500, timeoutSeconds: 10 });
  const reasonOf = async (work: Promise<unknown>) => (await refusal(work, 'lightning_unavailable')).detail['reason'];
  const ask = (of: Phoenixd = driver) => of.requestInvoice({ amountMsat: AMOUNT, description: 'one item' });

  test('an invoice is what was asked for, and open until it is paid', async () => {
    const { bolt11, paymentHash } = await ask();
    const invoice = decodeInvoice(bolt11);
    assert.deepEqual([invoice.paymentHash, invoice.amountMsat, invoice.description], [paymentHash, AMOUNT, 'one item']);
    assert.equal(await driver.settlement(paymentHash), 'open');
    await shop.lightning.pay(order(bolt11));
    assert.equal(await driver.settlement(paymentHash), 'settled');
    assert.equal(await driver.settlement('ab'.repeat(32)), 'unknown');
  });

  test('the preimage that phoenixd tells before payment never leaves the driver', async () => {
    const { bolt11, paymentHash } = await ask();
    const preimage = server.preimages.at(-1) ?? assert.fail('a preimage');
    const said: unknown[] = [bolt11, await driver.settlement(paymentHash)];
    const leak = { paymentHash, preimage, isPaid: 'no' };
    for (const body of [JSON.stringify(leak), `not JSON ${preimage}`])
      for (const status of [200, 400, 500]) {
        server.next('/payments/incoming', { do: 'answer', answer: { status, body } });
        const error = await refusal(driver.settlement(paymentHash), 'lightning_unavailable');
        said.push([error.message, error.detail, error.stack, String(error.cause)]);
      }
    assert.ok(!JSON.stringify(said).includes(preimage));
  });

  test('a sum that is no whole number of sats, and a description that is too long, are refused', async () => {
    await refusal(driver.requestInvoice({ amountMsat: 1500n, description: '' }), 'bad_amount');
    await refusal(driver.requestInvoice({ amountMsat: 999n, description: '' }), 'bad_amount');
    await refusal(driver.requestInvoice({ amountMsat: AMOUNT, description: 'x'.repeat(129) }), 'bad_invoice');
    assert.deepEqual(server.asked, []);
  });

  test('an invoice with other terms than were asked for is refused by the rule that it breaks', async () => {
    const { bolt11, paymentHash } = await ask();
    const give = (answer: object) =>
      server.next('/createinvoice', { do: 'answer', answer: { status: 200, body: JSON.stringify(answer) } });
    const wrong = async (asked: { amountMsat: bigint; description: string }, change: Partial<PhoenixdOptions> = {}) => {
      give({ paymentHash, serialized: bolt11 });
      return (await refusal(phoenixd(options(change)).requestInvoice(asked), 'bad_invoice')).detail['rule'];
    };
    assert.equal(await wrong({ amountMsat: AMOUNT + 1000n, description: 'one item' }), 'amount');
    assert.equal(await wrong({ amountMsat: AMOUNT, description: 'two items' }), 'description');
    const same = { amountMsat: AMOUNT, description: 'one item' };
    assert.equal(await wrong(same, { expirySeconds: 60 }), 'expiry');
    assert.equal(await wrong(same, { network: 'mainnet' }), 'network');
    give({ paymentHash: 'cd'.repeat(32), serialized: bolt11 });
    assert.equal((await refusal(ask(), 'bad_invoice')).detail['rule'], 'paymentHash');
  });

  test('a payment ends with the preimage and its fee', async () => {
    wallet.setSending({ routeFeeMsat: 24_000n });
    const { preimage, paymentHash } = secret();
    const { bolt11 } = await shop.lightning.createInvoice({ ...terms, preimage });
    await driver.pay(order(bolt11));
    assert.deepEqual(await driver.payment(paymentHash), { state: 'settled', preimage, feeMsat: 24_000n });
    await driver.pay(order(bolt11));
    assert.equal(server.asked.filter((each) => each === '/payinvoice').length, 1);
    wallet.setSending({ routeFeeMsat: 0n });
  });

  test('paying a hold invoice returns while it is held, and two callers make one payment', async () => {
    const { preimage, paymentHash } = secret();
    const { bolt11 } = await shop.lightning.createHoldInvoice({ ...terms, paymentHash });
    await Promise.all([driver.pay(order(bolt11)), driver.pay(order(bolt11))]);
    assert.deepEqual(await driver.payment(paymentHash), { state: 'pending' });
    assert.equal(server.asked.filter((each) => each === '/payinvoice').length, 1);
    await shop.lightning.settle(preimage);
    await eventually('a settled payment', async () =>
      (await driver.payment(paymentHash)).state === 'settled' ? true : undefined,
    );
  });

  test('a payment that was canceled has failed, and one without a route is refused', async () => {
    const { paymentHash } = secret();
    const { bolt11 } = await shop.lightning.createHoldInvoice({ ...terms, paymentHash });
    await driver.pay(order(bolt11));
    await shop.lightning.cancel(paymentHash);
    await eventually('a failed payment', async () =>
      (await driver.payment(paymentHash)).state === 'failed' ? true : undefined,
    );
    const dear = await shop.lightning.createInvoice({ ...terms, ...secret(), amountMsat: 900_000_000n });
    await refusal(driver.pay(order(dear.bolt11)), 'no_route');
    const refused = await shop.lightning.createInvoice({ ...terms, preimage: secret().preimage });
    await shop.lightning.cancel(decodeInvoice(refused.bolt11).paymentHash);
    await refusal(driver.pay(order(refused.bolt11)), 'payment_failed');
  });

  test('a payment command whose answer is lost is neither failed nor given again while it may begin', async () => {
    const { preimage, paymentHash } = secret();
    const { bolt11 } = await shop.lightning.createInvoice({ ...terms, preimage });
    server.next('/payinvoice', { do: 'lose the request' });
    assert.equal(await reasonOf(driver.pay(order(bolt11))), 'connection_lost');
    assert.deepEqual(await driver.payment(paymentHash), { state: 'pending' });
    await driver.pay(order(bolt11));
    assert.equal(server.asked.filter((each) => each === '/payinvoice').length, 1);
    elapsed += 60_000;
    assert.deepEqual(await driver.payment(paymentHash), { state: 'unknown' });
    await driver.pay(order(bolt11));
    assert.equal((await driver.payment(paymentHash)).state, 'settled');
  });

  test('an invoice that phoenixd calls paid already is no failure', async () => {
    const { preimage, paymentHash } = secret();
    const { bolt11 } = await shop.lightning.createInvoice({ ...terms, preimage });
    const body = JSON.stringify({ paymentHash, reason: 'AlreadyPaid' });
    server.next('/payinvoice', { do: 'answer', answer: { status: 200, body } });
    assert.equal(await reasonOf(driver.pay(order(bolt11))), 'already_paid');
    server.next('/payinvoice', { do: 'answer', answer: { status: 500, body: 'oops' } });
    assert.equal(await reasonOf(driver.pay(order(bolt11))), 'refused');
  });

  test('an expired, foreign, amountless or broken invoice is refused before anything is sent', async () => {
    const { bolt11 } = await shop.lightning.createInvoice({ ...terms, preimage: secret().preimage, expirySeconds: 5 });
    const late = phoenixd(options({ clock: { nowSeconds: () => NOW + 5, nowMilliseconds: () => 0 } }));
    await refusal(late.pay(order(bolt11)), 'too_late');
    await refusal(phoenixd(options({ network: 'mainnet' })).pay(order(bolt11)), 'wrong_network');
    await refusal(driver.pay(order('lnbcrt1')), 'bad_invoice');
    assert.ok(!server.asked.includes('/payinvoice'));
  });

  test('the limited password is enough to be paid, and no password is repeated in an error', async () => {
    const limited = phoenixd(options({ password: LIMITED_PASSWORD }));
    const { bolt11, paymentHash } = await ask(limited);
    assert.equal(await limited.settlement(paymentHash), 'open');
    assert.equal(await reasonOf(limited.pay(order(bolt11))), 'unauthorized');
    const wrong = 'a-wrong-password-nobody-may-see';
    const error = await refusal(ask(phoenixd(options({ password: wrong }))), 'lightning_unavailable');
    const encoded = Buffer.from(`:${wrong}`).toString('base64');
    const said = JSON.stringify([error.message, error.detail, error.stack, String(error.cause)]);
    assert.ok(!said.includes(wrong) && !said.includes(encoded));
  });

  test('a wallet that is away, hangs or answers garbage is unavailable, each by its reason', async () => {
    server.next('/createinvoice', { do: 'stall' });
    assert.equal(await reasonOf(ask(phoenixd(options({ timeoutMilliseconds: 100 })))), 'timeout_unknown');
    server.next('/createinvoice', { do: 'lose the answer' });
    assert.equal(await reasonOf(ask()), 'connection_lost');
    server.next('/createinvoice', { do: 'answer', answer: { status: 200, body: '<html>' } });
    assert.equal(await reasonOf(ask()), 'garbage');
    server.next('/createinvoice', { do: 'answer', answer: { status: 400, body: 'missing amountSat' } });
    assert.equal(await reasonOf(ask()), 'refused');
    assert.equal(await reasonOf(ask(phoenixd(options({ url: 'http://127.0.0.1:1' })))), 'unreachable');
    const closed = phoenixd(options());
    await closed.close();
    assert.equal(await reasonOf(ask(closed)), 'closed');
  });

  test('a password goes over plain HTTP on this machine alone', () => {
    for (const url of ['http://phoenix.example.com', 'ftp://127.0.0.1', 'http://a:b@127.0.0.1', 'http://10.0.0.1', 'x'])
      assert.throws(() => phoenixd(options({ url })), { code: 'bad_config' }, url);
    for (const url of ['https://phoenix.example.com', 'http://localhost:9740', 'http://[::1]:9740'])
      assert.equal(phoenixd(options({ url })).capabilities.hold, false);
    assert.throws(() => phoenixd(options({ password: ' ' })), { code: 'bad_config' });
  });

  test('it says what it cannot promise', () => {
    const { pay, ...others } = driver.capabilities;
    assert.equal(pay, true);
    for (const [name, value] of Object.entries(others)) assert.ok(value === false || value === 0, name);
  });
});
