import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Bench, refusal } from '../bench.suite.ts';
import certificates from './certificates.vectors.json' with { type: 'json' };
import { cln, type ClnOptions, createRuneLine, runeRestrictions, type RuneUse } from './cln.ts';
import { clnOptions, type FakeWorld, openFakeWorld } from './fake-world.suite.ts';

const HASH = 'ab'.repeat(32);

/** clnrest as it was measured: which answers count, what each refusal means, and what never leaves the driver. */
describe('Core Lightning: clnrest', () => {
  let world: FakeWorld;
  let options: ClnOptions;
  let bench: Bench;
  before(async () => {
    world = await openFakeWorld();
    options = clnOptions(world.payee.server, { nowSeconds: () => 1_700_000_000, nowMilliseconds: () => 0 });
    bench = new Bench({
      payer: world.payer.lightning,
      payee: world.payee.lightning,
      mine: () => assert.fail('not here'),
      height: () => assert.fail('not here'),
      restart: () => assert.fail('not here'),
      close: () => world.close(),
    });
  });
  after(() => world.close());

  const reasonOf = async (work: Promise<unknown>): Promise<unknown> =>
    (await refusal(work, 'lightning_unavailable')).detail['reason'];

  const answering = async (method: string, answer: { status: number; body: string }): Promise<unknown> => {
    world.payee.server.next(method, { do: 'answer', answer });
    return reasonOf(world.payee.lightning.invoice(HASH));
  };

  test('only HTTP 201 with JSON of the expected shape is an answer', async () => {
    const body = '{"holdinvoices":[]}';
    assert.equal(await answering('listholdinvoices', { status: 200, body }), 'garbage');
    assert.equal(await answering('listholdinvoices', { status: 201, body: '<html>' }), 'garbage');
    assert.equal(await answering('listholdinvoices', { status: 201, body: '' }), 'garbage');
    assert.equal(await answering('listholdinvoices', { status: 201, body: '{}' }), 'garbage');
    assert.equal(await answering('listholdinvoices', { status: 502, body: 'Bad Gateway' }), 'garbage');
    assert.equal(await answering('listholdinvoices', { status: 405, body: '{"code":1,"message":"no"}' }), 'garbage');
    const unknownState = body.replace('[]', `[{"payment_hash":"${HASH}","invoice":"x","state":"held","htlcs":[]}]`);
    assert.equal(await answering('listholdinvoices', { status: 201, body: unknownState }), 'garbage');
    const foreign = body.replace(
      '[]',
      `[{"payment_hash":"${'cd'.repeat(32)}","invoice":"x","state":"paid","htlcs":[]}]`,
    );
    assert.equal(await answering('listholdinvoices', { status: 201, body: foreign }), 'garbage');
    assert.deepEqual(await world.payee.lightning.invoice(HASH), { state: 'unknown' });
  });

  test('a refusal that nobody expected leaves the outcome open', async () => {
    const body = JSON.stringify({ code: null, data: null, message: 'Invalid JSON body' });
    assert.equal(await answering('listholdinvoices', { status: 500, body }), 'refused');
  });

  test('a rune that is foreign, unreadable, too narrow or used too often is named as what it is', async () => {
    const refused = async (status: number, code: number, message: string) =>
      answering('listholdinvoices', { status, body: JSON.stringify({ code, data: null, message }) });
    assert.equal(await refused(403, 1501, 'Not authorized: Missing rune'), 'unauthorized');
    assert.equal(await refused(401, 1501, 'Not authorized: Not derived from master'), 'unauthorized');
    assert.equal(await refused(401, -32602, 'rune: should be base64 string'), 'unauthorized');
    assert.equal(await refused(401, 1502, 'Not permitted: method is not equal to getinfo'), 'unauthorized');
    assert.equal(await refused(401, 1502, 'Not permitted: Rate of 60 per minute exceeded'), 'rate_limited');
  });

  test('a node that does not answer in time, hangs up or is away is unavailable, each by its reason', async () => {
    const hasty = await cln({ ...options, timeoutMilliseconds: 200 });
    world.payee.server.next('listholdinvoices', { do: 'stall' });
    assert.equal(await reasonOf(hasty.invoice(HASH)), 'timeout_unknown');
    await hasty.close();
    assert.equal(await reasonOf(hasty.invoice(HASH)), 'closed');
    world.payee.server.next('listholdinvoices', { do: 'lose the answer' });
    assert.equal(await reasonOf(world.payee.lightning.invoice(HASH)), 'connection_lost');
    assert.equal(await reasonOf(cln({ ...options, url: 'https://127.0.0.1:1' })), 'unreachable');
  });

  test('the printed restrictions name every method that the driver calls and no other', async () => {
    world.payee.server.calls.length = 0;
    const driver = await cln(options);
    const held = bench.secret();
    const { bolt11 } = await driver.createHoldInvoice({ ...bench.terms(), paymentHash: held.paymentHash });
    await world.payer.lightning.pay(bench.order(bolt11));
    await driver.settle(held.preimage);
    const given = bench.secret();
    await driver.createHoldInvoice({ ...bench.terms(), paymentHash: given.paymentHash });
    await driver.cancel(given.paymentHash);
    const plain = bench.secret();
    await driver.createInvoice({ ...bench.terms(), preimage: plain.preimage });
    await driver.cancel(plain.paymentHash);
    world.payee.node.injectName = 'injectinvoice';
    await driver.createHoldInvoice({ ...bench.terms(), paymentHash: bench.secret().paymentHash });
    world.payee.node.injectName = 'injectholdinvoice';
    const { preimage } = bench.secret();
    const other = await world.rival.lightning.createInvoice({ ...bench.terms(), preimage });
    await driver.pay(bench.order(other.bolt11));
    await driver.balance();
    const called = new Set(world.payee.server.calls.map(({ method }) => `method=${method}`));
    assert.deepEqual([...called].sort(), runeRestrictions('all').flat().sort());
    await driver.close();
  });

  const driverFor = (use: RuneUse) =>
    cln({ ...options, use, rune: { text: world.payee.server.createRune(runeRestrictions(use)) } });

  test('a rune made to receive cannot pay, one made to pay holds nothing, and the driver says so', async () => {
    const receiver = await driverFor('receive');
    const { pay, routeCap, hold, cancel } = receiver.capabilities;
    assert.deepEqual({ pay, routeCap, hold, cancel }, { pay: false, routeCap: false, hold: true, cancel: true });
    await refusal(receiver.pay(bench.order('lnbcrt1')), 'not_supported');
    assert.equal(await reasonOf(receiver.payment(HASH)), 'unauthorized');
    await receiver.createHoldInvoice({ ...bench.terms(), paymentHash: bench.secret().paymentHash });
    await receiver.close();
    const payer = await driverFor('pay');
    assert.equal(payer.capabilities.pay, true);
    assert.equal(payer.capabilities.hold, false);
    assert.equal(payer.capabilities.finalCltv, false);
    const { paymentHash } = bench.secret();
    await refusal(payer.createHoldInvoice({ ...bench.terms(), paymentHash }), 'not_supported');
    await payer.close();
  });

  test('without the plugin nothing can be held, and plain invoices and payments work', async () => {
    world.payee.node.injectName = undefined;
    const driver = await cln(options);
    assert.deepEqual([driver.capabilities.hold, driver.capabilities.holdDeadline], [false, false]);
    const { preimage, paymentHash } = bench.secret();
    await refusal(driver.createHoldInvoice({ ...bench.terms(), paymentHash }), 'not_supported');
    const { bolt11 } = await driver.createInvoice({ ...bench.terms(), preimage });
    await world.payer.lightning.pay(bench.order(bolt11));
    assert.equal((await driver.invoice(paymentHash)).state, 'settled');
    await driver.close();
    world.payee.node.injectName = 'injectholdinvoice';
  });

  test('the blocks at which held payments go back are those that the plugin was started with', async () => {
    assert.equal(world.payee.lightning.capabilities.holdExpiryMarginBlocks, 18);
    const told = await cln({ ...options, holdExpiryDeadline: 3 });
    assert.equal(told.capabilities.holdExpiryMarginBlocks, 18, 'what the node tells counts');
    await told.close();
    world.payee.node.configs = 'silent';
    await refusal(cln(options), 'bad_config');
    const given = await cln({ ...options, holdExpiryDeadline: 20 });
    assert.equal(given.capabilities.holdExpiryMarginBlocks, 20);
    await given.close();
    world.payee.node.configs = 'told';
  });

  test('a node on another chain is refused', async () => {
    await refusal(cln({ ...options, network: 'mainnet' }), 'wrong_network');
  });

  test('rune and authority can lie in files; what is not there or no rune is refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sparkle-cln-'));
    const rune = 'text' in options.rune ? options.rune.text : assert.fail('a text');
    await writeFile(join(folder, 'rune'), `${rune}\n`);
    await writeFile(join(folder, 'ca.pem'), certificates.ca);
    const files = { rune: { path: join(folder, 'rune') }, ca: { path: join(folder, 'ca.pem') } };
    const driver = await cln({ ...options, ...files });
    await driver.close();
    await refusal(cln({ ...options, ...files, ca: { path: join(folder, 'none') } }), 'bad_config');
    const wrong = await refusal(cln({ ...options, rune: { text: 'not a rune, but secret' } }), 'bad_config');
    assert.ok(!wrong.message.includes('secret'));
    await rm(folder, { recursive: true });
  });

  test('no error repeats a rune, a preimage or an invoice', async () => {
    const rune = 'text' in options.rune ? options.rune.text : assert.fail('a text');
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createHoldInvoice({ ...bench.terms(), paymentHash });
    const echo = (said: string) => ({
      status: 500,
      body: JSON.stringify({ code: -1, message: `cannot read ${said}` }),
    });
    const secrets = [rune, preimage, bolt11];
    for (const secret of secrets) {
      world.payee.server.next('cancelholdinvoice', { do: 'answer', answer: echo(secret) });
      const error = await refusal(world.payee.lightning.cancel(paymentHash), 'lightning_unavailable');
      assert.match(error.message, /cannot read/);
      assert.ok(!JSON.stringify([error.message, error.detail, String(error.cause), error.stack]).includes(secret));
    }
  });

  test('the line for the operator is written out', () => {
    assert.equal(
      createRuneLine('pay'),
      `lightning-cli createrune restrictions='[["method=getinfo","method=listpeerchannels","method=xpay","method=listpays"]]'`,
    );
  });
});
