import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { bech32, utf8 } from '@scure/base';
import { refusal } from './bench.suite.ts';
import certificates from './lnurl-certificates.vectors.json' with { type: 'json' };
import { askNameServers, isPublicAddress } from './lnurl-guard.ts';
import { getJson, type GetOptions } from './lnurl-get.ts';
import { FakeLnurlServer } from './lnurl-server.suite.ts';
import { lnurl } from './lnurl.ts';

const IPV4 = 1;

/** A name server on loopback: every name has the address 198.18.0.7, but for those that it never answers. RFC 1035. */
async function openNameServer() {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join('.');
    asked.push(name);
    if (name.startsWith('silent')) return;
    const isV4 = query.readUInt16BE(at + 1) === IPV4;
    const header = Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, isV4 ? 1 : 0, 0, 0, 0, 0]);
    query.copy(header, 0, 0, 2);
    const answer = Buffer.from([0xc0, 12, 0, IPV4, 0, 1, 0, 0, 0, 60, 0, 4, 198, 18, 0, 7]);
    socket.send(
      Buffer.concat([header, query.subarray(12, at + 5), ...(isV4 ? [answer] : [])]),
      from.port,
      from.address,
    );
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { asked, servers: [`127.0.0.1:${socket.address().port}`], close: () => socket.close() };
}

test('names of strangers are asked of the name servers themselves, and one that is never answered has no address', async (context) => {
  const { asked, servers, close } = await openNameServer();
  context.after(close);
  assert.deepEqual(await askNameServers('pay.example.com', servers), ['198.18.0.7']);
  const silent = Array.from({ length: 50 }, (_, count) => askNameServers(`silent${count}.example.com`, servers));
  assert.deepEqual(await askNameServers('other.example.com', servers), ['198.18.0.7']);
  assert.deepEqual((await Promise.all(silent)).flat(), []);
  assert.ok(asked.includes('silent49.example.com'));
});

/** A payee names a URL and we ask it: without a guard he could have our own network asked (server-side request forgery). */
describe('LNURL: asking what a stranger names', () => {
  let server: FakeLnurlServer;
  let origin: string;
  before(async () => {
    server = await FakeLnurlServer.open();
    origin = `https://pay.example.com:${server.port}`;
  });
  after(() => server.close());
  beforeEach(() => {
    server.asked.length = 0;
    server.json('/x', () => ({ fine: true }));
  });

  const options = (change: Partial<GetOptions> = {}): GetOptions => ({
    allowedOrigins: [],
    resolve: async () => ['127.0.0.1'],
    ca: certificates.ca,
    redirects: 'followed',
    timeoutMilliseconds: 3000,
    ...change,
  });
  const reasonOf = async (work: Promise<unknown>) => (await refusal(work, 'lightning_unavailable')).detail['reason'];

  test('private, loopback, link-local, shared, multicast and reserved addresses are not public', () => {
    const v4 = ['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1'];
    const moreV4 = ['172.31.255.255', '192.168.1.1', '192.0.2.1', '198.18.0.1', '224.0.0.1', '255.255.255.255'];
    const v6 = ['::', '::1', 'fe80::1', 'fc00::1', 'fd12:3456::1', 'ff02::1', '64:ff9b::7f00:1', '100::1'];
    const disguised = [
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '::127.0.0.1',
      '2002:7f00:1::1',
      '2001:0:1::1',
      '2001:db8::1',
    ];
    for (const address of [...v4, ...moreV4, ...v6, ...disguised])
      assert.equal(isPublicAddress(address), false, address);
    for (const text of ['', 'localhost', '127.1', '0x7f000001']) assert.equal(isPublicAddress(text), false, text);
  });

  test('addresses of the open Internet are public', () => {
    for (const address of ['1.1.1.1', '172.15.0.1', '172.32.0.1', '100.63.0.1', '2606:4700:4700::1111', '2a00:1450::1'])
      assert.equal(isPublicAddress(address), true, address);
  });

  test('numbers in any form are refused in place of a name', async () => {
    const hosts = ['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '0', '[::1]', '[::ffff:127.0.0.1]'];
    for (const host of [...hosts, '8.8.8.8', '[2606:4700:4700::1111]', '１２７.0.0.1'])
      assert.equal(await reasonOf(getJson(new URL(`https://${host}/x`), options())), 'forbidden_address', host);
    assert.deepEqual(server.asked, []);
  });

  test('names of inner networks are refused without asking the resolver', async () => {
    const resolve = () => assert.fail('the resolver was asked');
    const names = [
      'localhost',
      'a.localhost',
      'printer.local',
      'db.internal',
      'nas',
      'x.home.arpa',
      'y.onion',
      'z.lan',
    ];
    for (const name of [...names, 'LOCALHOST', 'printer.local.'])
      assert.equal(
        await reasonOf(getJson(new URL(`https://${name}/x`), options({ resolve }))),
        'forbidden_address',
        name,
      );
  });

  test('a name that leads into a private network is refused, if only one of its addresses does', async () => {
    for (const addresses of [
      ['127.0.0.1'],
      ['10.0.0.1'],
      ['1.1.1.1', '192.168.0.1'],
      ['::1'],
      ['::ffff:10.0.0.1'],
      ['x'],
    ]) {
      const resolve = async () => addresses;
      const asked = getJson(new URL(`${origin}/x`), options({ resolve }));
      assert.equal(await reasonOf(asked), 'forbidden_address', addresses.join());
    }
    assert.deepEqual(server.asked, []);
  });

  test('only https without credentials is asked', async () => {
    for (const url of ['http://pay.example.com/x', 'ftp://pay.example.com/x', 'https://a:b@pay.example.com/x'])
      assert.equal(await reasonOf(getJson(new URL(url), options())), 'forbidden_address', url);
  });

  test('an origin that was allowed may be private; its neighbours are not', async () => {
    const allowed = options({ allowedOrigins: [origin] });
    assert.deepEqual(await getJson(new URL(`${origin}/x`), allowed), { fine: true });
    const neighbour = new URL(`https://other.example.com:${server.port}/x`);
    assert.equal(await reasonOf(getJson(neighbour, allowed)), 'forbidden_address');
    const number = `https://127.0.0.1:${server.port}`;
    assert.deepEqual(await getJson(new URL(`${number}/x`), options({ allowedOrigins: [number] })), { fine: true });
  });

  test('the connection goes to the address that was checked: the name is asked for once', async () => {
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return ['127.0.0.1'];
    };
    await getJson(new URL(`${origin}/x`), options({ allowedOrigins: [origin], resolve }));
    assert.equal(asked, 1);
    assert.deepEqual(server.asked, [`pay.example.com:${server.port}/x`]);
  });

  test('a name whose answer changes is checked anew at each request', async () => {
    const answers = [['127.0.0.1'], ['1.1.1.1', '10.0.0.1']];
    const resolve = async () => answers.shift() ?? [];
    await getJson(new URL(`${origin}/x`), options({ allowedOrigins: [origin], resolve }));
    assert.equal(await reasonOf(getJson(new URL(`${origin}/x`), options({ resolve }))), 'forbidden_address');
  });

  const redirect = (location: string, status = 302) =>
    server.raw('/from', () => ({ status, headers: { location }, body: '' }));

  test('a redirect is followed to where the first request could have gone', async () => {
    redirect('/x');
    assert.deepEqual(await getJson(new URL(`${origin}/from`), options({ allowedOrigins: [origin] })), { fine: true });
  });

  test('a redirect to http, to a number, to an inner name or into a private network is refused', async () => {
    const targets = [`http://pay.example.com:${server.port}/x`, `https://127.0.0.1:${server.port}/x`];
    const more = ['https://metadata.internal/x', `https://other.example.com:${server.port}/x`, 'file:///etc/passwd'];
    for (const status of [301, 302, 303, 307, 308])
      for (const target of [...targets, ...more]) {
        redirect(target, status);
        const asked = getJson(new URL(`${origin}/from`), options({ allowedOrigins: [origin] }));
        assert.equal(await reasonOf(asked), 'forbidden_address', target);
      }
    assert.ok(server.asked.every((each) => each.endsWith('/from')));
  });

  test('a redirect is refused where none is to be followed', async () => {
    redirect('/x');
    const asked = getJson(new URL(`${origin}/from`), options({ allowedOrigins: [origin], redirects: 'refused' }));
    assert.equal(await reasonOf(asked), 'redirected');
    assert.equal(server.asked.length, 1);
  });

  test('redirects in a circle end', async () => {
    redirect('/from');
    const asked = getJson(new URL(`${origin}/from`), options({ allowedOrigins: [origin] }));
    assert.equal(await reasonOf(asked), 'garbage');
    assert.equal(server.asked.length, 4);
  });

  test('callback and proof of a payee are asked under the same guard as his address', async () => {
    const metadata = '[["text/plain","x"]]';
    const common = { tag: 'payRequest', minSendable: 1, maxSendable: 10_000_000, metadata };
    const payee = (to: string) =>
      lnurl({
        to,
        network: 'regtest',
        minExpirySeconds: 1,
        allowedOrigins: [origin],
        ca: certificates.ca,
        resolve: async () => ['127.0.0.1'],
      });
    for (const callback of [
      'https://169.254.169.254/latest',
      'https://other.example.com/pay',
      'http://pay.example.com/pay',
    ]) {
      server.json('/.well-known/lnurlp/mallory', () => ({ ...common, callback }));
      const asked = payee(`mallory@pay.example.com:${server.port}`).requestInvoice({ amountMsat: 5n, description: '' });
      assert.equal(await reasonOf(asked), 'forbidden_address', callback);
    }
    const inner = bech32.encode('lnurl', bech32.toWords(utf8.decode('http://10.0.0.1/admin')), false);
    assert.equal(await reasonOf(payee(inner).requestInvoice({ amountMsat: 5n, description: '' })), 'forbidden_address');
    assert.equal(
      await reasonOf(payee('root@localhost').requestInvoice({ amountMsat: 5n, description: '' })),
      'forbidden_address',
    );
  });
});
