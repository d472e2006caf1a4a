import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { bech32, utf8 } from '@scure/base';
import { refusal, sha256Of } from './bench.suite.ts';
import type { PlainPayee } from './lightning.ts';
import certificates from './lnurl-certificates.vectors.json' with { type: 'json' };
import { readLnurlTarget } from './lnurl-address.ts';
import { FakeLnurlServer, payeeInvoice } from './lnurl-server.suite.ts';
import { lnurl, type LnurlOptions } from './lnurl.ts';

const NOW = 1_700_000_000;
const AMOUNT = 5_000_000n;
const PREIMAGE = 'aa'.repeat(32);
const HASH = sha256Of(PREIMAGE);
const METADATA = JSON.stringify([
  ['text/plain', 'alice sells'],
  ['text/identifier', 'alice@pay.example.com'],
]);
const hashOfText = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('LNURL payee', () => {
  let server: FakeLnurlServer;
  let origin: string;
  before(async () => {
    server = await FakeLnurlServer.open();
    origin = `https://pay.example.com:${server.port}`;
  });
  after(() => server.close());
  beforeEach(() => {
    server.asked.length = 0;
    server.json('/.well-known/lnurlp/alice', () => offer({}));
    server.json('/pay', () => ({ pr: invoice({}), routes: [], verify: `${origin}/verify` }));
  });

  const offer = (change: object) => ({
    tag: 'payRequest',
    callback: `${origin}/pay?id=a%20b`,
    minSendable: 1000,
    maxSendable: 10_000_000,
    metadata: METADATA,
    commentAllowed: 5,
    ...change,
  });
  const invoice = (change: object): string =>
    payeeInvoice({
      amountMsat: AMOUNT,
      descriptionHash: hashOfText(METADATA),
      timestampSeconds: NOW - 100,
      expirySeconds: 3600,
      paymentHash: HASH,
      ...change,
    });
  const payee = (change: Partial<LnurlOptions> = {}): PlainPayee =>
    lnurl({
      to: `alice@pay.example.com:${server.port}`,
      network: 'regtest',
      minExpirySeconds: 600,
      allowedOrigins: [origin],
      ca: certificates.ca,
      resolve: async () => ['127.0.0.1'],
      nowSeconds: () => NOW,
      ...change,
    });
  const ask = (of: PlainPayee, amountMsat = AMOUNT) => of.requestInvoice({ amountMsat, description: 'lot 12 of many' });
  const reasonOf = async (work: Promise<unknown>) => (await refusal(work, 'lightning_unavailable')).detail['reason'];

  test('an invoice is asked for as LUD-16, LUD-06 and LUD-12 have it', async () => {
    const { bolt11, paymentHash } = await ask(payee());
    assert.deepEqual([bolt11, paymentHash], [invoice({}), HASH]);
    assert.deepEqual(server.asked, [
      `pay.example.com:${server.port}/.well-known/lnurlp/alice`,
      `pay.example.com:${server.port}/pay?id=a%20b&amount=5000000&comment=lot%201`,
    ]);
  });

  test('a UMA address is resolved by the plain request, without its dollar sign', async () => {
    await ask(payee({ to: `$Alice@pay.example.com:${server.port}` }));
    assert.equal(server.asked[0], `pay.example.com:${server.port}/.well-known/lnurlp/alice`);
  });

  test('a tag is part of the request and not of the name', async () => {
    server.json('/.well-known/lnurlp/alice+shop', () => offer({}));
    await ask(payee({ to: `alice+shop@pay.example.com:${server.port}` }));
  });

  test('a bech32 LNURL in either case leads to the URL that it holds', async () => {
    server.json('/api', () => offer({ commentAllowed: 0, callback: `${origin}/pay` }));
    const text = bech32.encode('lnurl', bech32.toWords(utf8.decode(`${origin}/api?q=1`)), false);
    await ask(payee({ to: text }));
    await ask(payee({ to: `lightning:${text.toUpperCase()}` }));
    assert.deepEqual(server.asked.slice(0, 2), [
      `pay.example.com:${server.port}/api?q=1`,
      `pay.example.com:${server.port}/pay?amount=5000000`,
    ]);
  });

  test('the example of LUD-01 is read', () => {
    const text =
      'LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZD3EV56NYD3HXQURZEPEXEJXXEPNXSCRVWFNV9NXZCN9XQ6XYEFHVGCXXCMYXYMNSERXFQ5FNS';
    assert.equal(
      readLnurlTarget(text).url.href,
      'https://service.com/api?q=3fc3645b439ce8e7f2553a69e5267081d96dcd340693afabe04be7b0ccd178df',
    );
  });

  test('what is neither an address nor an LNURL is refused at once', async () => {
    const bad = ['', 'alice', 'alice@', '@b.com', 'a@b@c.com', 'al ice@b.com', 'alice@b.com/x', 'alice@b.com:99999'];
    const worse = ['alice@user:secret@b.com', 'alice@b.com?x', 'lnurl1qqqq', 'LNURL1dp68gurn8ghj7', `a@${'-'}`];
    for (const to of [...bad, ...worse]) assert.throws(() => payee({ to }), { code: 'bad_config' }, to);
  });

  test('a sum that the payee does not take is refused before an invoice is asked for', async () => {
    await refusal(ask(payee(), 999n), 'bad_amount');
    await refusal(ask(payee(), 10_000_001n), 'bad_amount');
    await refusal(ask(payee(), 0n), 'bad_amount');
    assert.ok(server.asked.every((each) => !each.includes('/pay')));
  });

  test('an invoice that is not what was asked for is refused by the rule that it breaks', async () => {
    const cases: [object, string][] = [
      [{ amountMsat: AMOUNT + 1n }, 'amount'],
      [{ descriptionHash: hashOfText('another text') }, 'description_hash'],
      [{ network: 'mainnet' }, 'network'],
      [{ timestampSeconds: NOW - 3001 }, 'expiry'],
      [{ timestampSeconds: NOW - 4000 }, 'expiry'],
    ];
    for (const [change, rule] of cases) {
      server.json('/pay', () => ({ pr: invoice(change) }));
      assert.equal((await refusal(ask(payee()), 'bad_invoice')).detail['rule'], rule);
    }
    server.json('/pay', () => ({ pr: `${invoice({}).slice(0, -1)}q` }));
    await refusal(ask(payee()), 'bad_invoice');
  });

  test('answers that are errors, no JSON or of another shape are refused', async () => {
    const answers: [unknown, string][] = [
      [{ status: 'ERROR', reason: 'no such user' }, 'service_error'],
      [offer({ tag: 'withdrawRequest' }), 'garbage'],
      [offer({ minSendable: '1000' }), 'garbage'],
      [offer({ maxSendable: 2 ** 60 }), 'garbage'],
      [offer({ callback: 'pay' }), 'garbage'],
      [offer({ metadata: 'alice' }), 'garbage'],
      [offer({ metadata: '[["text/long-desc","x"]]' }), 'garbage'],
      [offer({ metadata: METADATA.replace('alice@', 'mallory@') }), 'garbage'],
      [[], 'garbage'],
    ];
    for (const [answer, reason] of answers) {
      server.json('/.well-known/lnurlp/alice', () => answer);
      assert.equal(await reasonOf(ask(payee())), reason, JSON.stringify(answer));
    }
    server.raw('/.well-known/lnurlp/alice', () => ({ status: 200, headers: {}, body: '<html>' }));
    assert.equal(await reasonOf(ask(payee())), 'garbage');
    server.json('/.well-known/lnurlp/alice', () => offer({}));
    server.json('/pay', () => ({ status: 'ERROR', reason: 'busy' }));
    assert.equal(await reasonOf(ask(payee())), 'service_error');
  });

  test('status and content type mean nothing, as LUD-01 has it', async () => {
    const body = JSON.stringify(offer({}));
    server.raw('/.well-known/lnurlp/alice', () => ({ status: 500, headers: { 'content-type': 'text/html' }, body }));
    await ask(payee());
  });

  test('settlement is what the service can prove with the preimage (LUD-21)', async () => {
    const asker = payee();
    const verify = (change: object) =>
      server.json('/verify', () => ({ status: 'OK', settled: true, preimage: PREIMAGE, pr: invoice({}), ...change }));
    assert.equal(await asker.settlement(HASH), 'unknown');
    await ask(asker);
    verify({ settled: false, preimage: null });
    assert.equal(await asker.settlement(HASH), 'open');
    verify({ preimage: null });
    assert.equal(await asker.settlement(HASH), 'unknown');
    verify({ preimage: 'bb'.repeat(32) });
    assert.equal(await reasonOf(asker.settlement(HASH)), 'garbage');
    verify({ pr: invoice({ expirySeconds: 3601 }) });
    assert.equal(await reasonOf(asker.settlement(HASH)), 'garbage');
    verify({});
    assert.equal(await asker.settlement(HASH), 'settled');
    server.json('/verify', () => ({ status: 'ERROR', reason: 'Not found' }));
    assert.equal(await reasonOf(asker.settlement(HASH)), 'service_error');
    await asker.close();
    assert.equal(await asker.settlement(HASH), 'unknown');
  });

  test('a service without LUD-21 leaves the settlement unknown', async () => {
    server.json('/pay', () => ({ pr: invoice({}), routes: [] }));
    const asker = payee();
    await ask(asker);
    assert.equal(await asker.settlement(HASH), 'unknown');
  });

  test('an answer of more than 64 kB is cut off', async () => {
    const body = JSON.stringify(offer({ filler: 'x'.repeat(70_000) }));
    server.raw('/.well-known/lnurlp/alice', () => ({ status: 200, headers: {}, body }));
    assert.equal(await reasonOf(ask(payee())), 'too_large');
  });

  test('a service that never answers, and a resolver that never does, end in time', async () => {
    server.raw('/.well-known/lnurlp/alice', () => 'never');
    assert.equal(await reasonOf(ask(payee({ timeoutMilliseconds: 200 }))), 'timeout_unknown');
    const silent = payee({ timeoutMilliseconds: 50, resolve: () => new Promise(() => {}) });
    assert.equal(await reasonOf(ask(silent)), 'timeout_unknown');
  });

  test('a name without an address and a port where nobody listens are unreachable', async () => {
    assert.equal(await reasonOf(ask(payee({ resolve: async () => [] }))), 'unreachable');
    const failing = payee({ resolve: () => Promise.reject(new Error('ENOTFOUND')) });
    assert.equal(await reasonOf(ask(failing)), 'unreachable');
    const closed = payee({ to: 'alice@pay.example.com:1', allowedOrigins: ['https://pay.example.com:1'] });
    assert.equal(await reasonOf(ask(closed)), 'unreachable');
  });

  test('a certificate by nobody known is refused', async () => {
    const { ca: _, ...options } = { ca: '', to: `alice@pay.example.com:${server.port}` };
    const stranger = lnurl({
      ...options,
      network: 'regtest',
      minExpirySeconds: 600,
      allowedOrigins: [origin],
      resolve: async () => ['127.0.0.1'],
    });
    assert.equal(await reasonOf(ask(stranger)), 'unreachable');
    assert.deepEqual(server.asked, []);
  });
});
