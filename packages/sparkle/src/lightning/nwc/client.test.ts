import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import { hex } from '@scure/base';
import { finalizeEvent, generateSecretKey } from 'nostr-tools/pure';
import { startRelay } from '../../../../../test/regtest/relay.ts';
import { eventually, refusal } from '../bench.suite.ts';
import { Conversation } from './conversation.ts';
import { connectNwc } from './nwc.ts';
import {
  clientSecret,
  incoming,
  info,
  order,
  invoiceWith,
  paymentHash,
  ScriptedWallet,
  timing,
  walletSecret,
  type Request,
} from './scripted.suite.ts';
import { kinds } from './wire.ts';

let wallet: ScriptedWallet;
let extra: ScriptedWallet | undefined;
beforeEach(async () => {
  wallet = await ScriptedWallet.open({ scheme: 'nip44_v2' });
});
afterEach(async () => {
  await wallet.close();
  await extra?.close();
  extra = undefined;
});

const open = { state: 'open' };
const reasonOf = async (work: Promise<unknown>): Promise<unknown> =>
  (await refusal(work, 'lightning_unavailable')).detail['reason'];

test('an old wallet is spoken to in NIP-04, and heard', async () => {
  extra = await ScriptedWallet.open({ scheme: 'nip04' });
  extra.script = { lookup_invoice: () => incoming({ state: 'pending' }) };
  const lightning = await extra.connect();
  assert.deepEqual(await lightning.invoice(paymentHash), open);
  const tags = extra.asked('lookup_invoice')[0]?.event.tags ?? [];
  assert.deepEqual(
    tags.find(([name]) => name === 'encryption'),
    ['encryption', 'nip04'],
  );
  const told: string[] = [];
  lightning.subscribe(({ type }) => told.push(type));
  await extra.notify('payment_sent', paymentHash);
  await eventually('a hint', async () => (told.length === 1 ? true : undefined));
});

test('every request carries an expiration and is for the wallet alone', async () => {
  wallet.script = { lookup_invoice: () => incoming({ state: 'pending' }) };
  const lightning = await wallet.connect();
  await lightning.invoice(paymentHash);
  for (const { event } of wallet.requests) {
    assert.deepEqual(event.tags.slice(0, 2), [
      ['p', wallet.conversation.self],
      ['encryption', 'nip44_v2'],
    ]);
    assert.equal(event.tags[2]?.[0], 'expiration');
    assert.ok(Number(event.tags[2]?.[1]) <= Date.now() / 1000 + timing.answerMilliseconds / 1000 + 1);
  }
});

/** What the relay tells before the wallet's own answer. */
function forge(make: (request: Request) => unknown): void {
  wallet.script.lookup_invoice = (request) => {
    wallet.relay.inject(make(request) as never);
    return incoming({ state: 'pending' });
  };
}

const settled = { result: { type: 'incoming', payment_hash: paymentHash, amount: 1, state: 'settled' } };

test('an answer by another author is no answer', async () => {
  const lightning = await wallet.connect();
  const stranger = generateSecretKey();
  forge((request) => {
    const { kind, tags, created_at } = wallet.reply(request, settled);
    const conversation = new Conversation({ secretKey: stranger, peer: wallet.conversation.peer });
    const text = JSON.stringify({ result_type: 'lookup_invoice', ...settled });
    return finalizeEvent(
      { kind, tags, created_at, content: conversation.encrypt({ scheme: 'nip44_v2', text }) },
      stranger,
    );
  });
  assert.deepEqual(await lightning.invoice(paymentHash), open);
});

test('an answer whose signature does not fit is no answer', async () => {
  const lightning = await wallet.connect();
  forge((request) => ({ ...wallet.reply(request, settled), sig: wallet.sign({ kind: 1, tags: [], content: '' }).sig }));
  assert.deepEqual(await lightning.invoice(paymentHash), open);
});

test('an answer to another request, and one that was given before, are no answers', async () => {
  const lightning = await wallet.connect();
  const [first] = wallet.requests;
  assert.ok(first !== undefined);
  forge(() => wallet.reply({ ...first, method: 'lookup_invoice' }, settled));
  assert.deepEqual(await lightning.invoice(paymentHash), open);
  const answered = wallet.relay.events.filter(({ kind }) => kind === kinds.response);
  forge(() => answered.at(-1));
  wallet.script.lookup_invoice = ((before) => (request: Request) => {
    before?.(request);
    return incoming({ state: 'settled' });
  })(wallet.script.lookup_invoice);
  assert.equal((await lightning.invoice(paymentHash)).state, 'settled');
});

test('everything delivered twice is heard once', async () => {
  wallet.script = { lookup_invoice: () => incoming({ state: 'pending' }) };
  wallet.relay.setCopies(3);
  const lightning = await wallet.connect();
  const told: string[] = [];
  lightning.subscribe(({ type }) => told.push(type));
  assert.deepEqual(await lightning.invoice(paymentHash), open);
  await wallet.notify('payment_received', paymentHash);
  assert.deepEqual(await lightning.invoice(paymentHash), open);
  await eventually('a hint', async () => (told.length > 0 ? true : undefined));
  assert.deepEqual(told, ['invoice']);
  assert.equal(wallet.asked('lookup_invoice').length, 2);
});

test('an answer that is not what NIP-47 says is named garbage', async () => {
  const lightning = await wallet.connect();
  const garbage = [
    { type: 'sideways' },
    { ...settled.result, amount: -1 },
    { ...settled.result, state: 'odd' },
    null,
    'x',
  ];
  for (const result of garbage) {
    wallet.script.lookup_invoice = () => ({ result });
    assert.equal(await reasonOf(lightning.invoice(paymentHash)), 'garbage');
  }
  wallet.script.lookup_invoice = (request) => {
    wallet.relay.inject(wallet.reply({ ...request, method: 'get_balance' }, settled) as never);
    return 'silence';
  };
  assert.equal(await reasonOf(lightning.invoice(paymentHash)), 'garbage');
});

test('a relay that refuses, and one that takes and tells nobody, leave the outcome unknown', async () => {
  const lightning = await wallet.connect();
  wallet.relay.treat(({ kind }) => (kind === kinds.request ? 'refuse' : 'pass'));
  assert.equal(await reasonOf(lightning.payment(paymentHash)), 'unreachable');
  wallet.relay.treat(({ kind }) => (kind === kinds.request ? 'lose' : 'pass'));
  assert.equal(await reasonOf(lightning.payment(paymentHash)), 'timeout_unknown');
});

test('a relay that says nothing of what it delivers keeps no answer from coming, however late', async () => {
  wallet.relay.treat(({ kind }) => (kind === kinds.request ? 'mute' : 'pass'));
  const lightning = await wallet.connect({ timing: { ...timing, relayMilliseconds: 1_000 } });
  const late: { answer?: () => void } = {};
  wallet.script.lookup_invoice = (request) => {
    late.answer = () => wallet.relay.inject(wallet.reply(request, settled) as never);
    return 'silence';
  };
  const looking = lightning.invoice(paymentHash);
  await eventually('the request', async () => late.answer);
  const end = performance.now() + 1_100;
  // What the relay did not say in its time is no refusal.
  await eventually('its time to be over', async () => (performance.now() > end ? true : undefined));
  late.answer?.();
  assert.equal((await looking).state, 'settled');
});

test('a relay that is away is found again, told of once, and what may have been missed is hinted at', async () => {
  wallet.script = { make_hold_invoice: () => incoming({ invoice: invoiceWith() }) };
  const lightning = await wallet.connect();
  const request = {
    paymentHash,
    amountMsat: 5_000_000n,
    finalCltv: 171,
    expirySeconds: 3_600,
    description: 'one item',
  };
  await lightning.createHoldInvoice(request);
  const told: string[] = [];
  lightning.subscribe(({ type, paymentHash: hash }) => told.push(`${type} ${hash}`));
  await wallet.relay.down();
  await eventually('the outage to be seen', async () => (wallet.warnings.length > 0 ? true : undefined));
  assert.equal(await reasonOf(lightning.payment(paymentHash)), 'unreachable');
  await wallet.relay.up();
  await eventually('the relay to be back', async () => (wallet.warnings.length === 2 ? true : undefined));
  await eventually('a hint', async () => (told.length > 0 ? true : undefined));
  assert.deepEqual(told, [`invoice ${paymentHash}`]);
  wallet.script.lookup_invoice = () => incoming({ state: 'pending' });
  // The wallet finds the relay again in its own time.
  await eventually('an answer', () => lightning.invoice(paymentHash).catch(() => undefined));
  const host = new URL(wallet.relay.url).host;
  assert.deepEqual(wallet.warnings, [`the relay at ${host} is away; trying again`, `the relay at ${host} is back`]);
});

test('with one of two relays down everything goes on', async () => {
  const second = await startRelay();
  await second.down();
  try {
    const both = `${wallet.connection}&relay=${encodeURIComponent(second.url)}`;
    const lightning = await wallet.connect({ connection: both });
    wallet.script.lookup_invoice = () => incoming({ state: 'pending' });
    assert.deepEqual(await lightning.invoice(paymentHash), open);
  } finally {
    await second.stop();
  }
});

test('a wallet on another network, or without an answer, is not connected to', async () => {
  wallet.script = { get_info: () => info({ network: 'mainnet' }) };
  await refusal(wallet.connect(), 'wrong_network');
  wallet.script = { get_info: () => 'silence' };
  assert.equal(await reasonOf(wallet.connect()), 'timeout_unknown');
  await wallet.relay.down();
  assert.equal(await reasonOf(wallet.connect()), 'unreachable');
});

test('a wallet that may not be asked for its info is taken at what it announced', async () => {
  wallet.script = { get_info: () => ({ error: { code: 'RESTRICTED', message: 'no' } }) };
  const lightning = await wallet.connect();
  assert.ok(lightning.capabilities.pay && lightning.capabilities.hold);
  assert.ok(!lightning.capabilities.holdDeadline);
  await refusal(lightning.nodeId(), 'not_supported');
  assert.equal(await lightning.network(), 'regtest');
});

test('what waits when the connection is closed is told so, and what comes after too', async () => {
  wallet.script = { lookup_invoice: () => 'silence' };
  const lightning = await wallet.connect();
  const waiting = reasonOf(lightning.invoice(paymentHash));
  await eventually('the request', async () => (wallet.asked('lookup_invoice').length > 0 ? true : undefined));
  await lightning.close();
  assert.equal(await waiting, 'closed');
  assert.equal(await reasonOf(lightning.payment(paymentHash)), 'closed');
});

test('a connection string that is broken connects nowhere', async () => {
  const options = { network: 'regtest', nowMilliseconds: () => Date.now(), warn: () => undefined } as const;
  await refusal(connectNwc({ ...options, connection: 'nostr+walletconnect://' }), 'bad_config');
});

test('the secret of the connection is in no warning, error, object or request', async () => {
  wallet.script = { lookup_invoice: () => 'silence' };
  const lightning = await wallet.connect();
  wallet.relay.treat(({ kind }) => (kind === kinds.request ? 'refuse' : 'pass'));
  const errors = [
    await refusal(lightning.invoice(paymentHash), 'lightning_unavailable'),
    await refusal(lightning.pay({ ...order, bolt11: invoiceWith() }), 'lightning_unavailable'),
  ];
  await wallet.relay.down();
  await eventually('the outage to be seen', async () => (wallet.warnings.length > 0 ? true : undefined));
  const seen = inspect([errors, wallet.warnings, lightning, wallet.relay.events], { depth: 12, showHidden: true });
  for (const secret of [clientSecret, walletSecret]) assert.ok(!seen.includes(hex.encode(secret)));
});

test('a listener that fails harms nobody else', async () => {
  const lightning = await wallet.connect();
  const told: string[] = [];
  lightning.subscribe(() => {
    throw new Error('a defect');
  });
  lightning.subscribe(({ type }) => told.push(type));
  await wallet.notify('payment_sent', paymentHash);
  await eventually('the hint', async () => (told.length === 1 ? true : undefined));
  assert.deepEqual(wallet.warnings, ['a listener failed: Error: a defect']);
});
