import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SparkleError } from '../../protocol/errors.ts';
import { refusal } from '../bench.suite.ts';
import { bakeMacaroonLine } from './calls.ts';
import { readAccess, readLndEnvironment, readMargin, readSocket } from './credentials.ts';

const SECRET = 'c0ffee'.repeat(20);
const MACAROON = `0201${'ab'.repeat(60)}`;

const bad = (work: () => unknown): SparkleError => {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof SparkleError && error.code === 'bad_config', String(error));
    return error;
  }
  return assert.fail('expected a refusal');
};

describe('where LND is and how it is asked', () => {
  test('the names of the coordinator’s manual are read', () => {
    const settings = readLndEnvironment({
      LND_HOST: 'localhost:10009',
      LND_CERT_PATH: '/path/to/tls.cert',
      LND_MACAROON_PATH: '/path/to/sparkle.macaroon',
      UNRELATED: 'x',
    });
    assert.deepEqual(settings, {
      access: {
        socket: 'localhost:10009',
        cert: { path: '/path/to/tls.cert' },
        macaroon: { path: '/path/to/sparkle.macaroon' },
      },
      uses: ['receive', 'pay'],
      adminMacaroon: 'refused',
      holdExpiryMarginBlocks: 18,
    });
  });

  test('contents stand in the place of paths, in hex or base64', () => {
    const base64 = Buffer.from(MACAROON, 'hex').toString('base64');
    const settings = readLndEnvironment({
      LND_HOST: 'node.example:443',
      LND_CERT: '',
      LND_MACAROON: base64,
      LND_USES: 'receive',
      LND_ADMIN_MACAROON: 'yes',
      LND_HOLD_EXPIRY_MARGIN_BLOCKS: '40',
    });
    assert.deepEqual(settings, {
      access: { socket: 'node.example:443', macaroon: { base64 } },
      uses: ['receive'],
      adminMacaroon: 'allowed',
      holdExpiryMarginBlocks: 40,
    });
    const { access } = readLndEnvironment({ LND_HOST: 'localhost:1', LND_MACAROON: MACAROON });
    assert.deepEqual(access.macaroon, { hex: MACAROON });
  });

  test('all complaints come at once, and none shows what was given', () => {
    const error = bad(() =>
      readLndEnvironment({
        LND_HOST: `https://${SECRET}`,
        LND_CERT_PATH: '/cert',
        LND_CERT: `${SECRET}!`,
        LND_MACAROON: `${SECRET}!`,
        LND_MACAROON_PATH: `/home/${SECRET}`,
        LND_USES: SECRET,
        LND_ADMIN_MACAROON: SECRET,
        LND_HOLD_EXPIRY_MARGIN_BLOCKS: '16',
      }),
    );
    const names = (error.detail['complaints'] as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(names.toSorted(), [
      ...['LND_ADMIN_MACAROON', 'LND_CERT', 'LND_CERT', 'LND_HOLD_EXPIRY_MARGIN_BLOCKS', 'LND_HOST'],
      ...['LND_MACAROON', 'LND_MACAROON', 'LND_USES'],
    ]);
    assert.ok(!JSON.stringify([error.message, error.detail, error.stack]).includes(SECRET));
  });

  test('what is missing is named', () => {
    const error = bad(() => readLndEnvironment({}));
    assert.match(error.message, /LND_HOST is missing; LND_MACAROON_PATH is missing/);
  });

  test('a socket is host and port, without a scheme', () => {
    for (const socket of ['localhost:10009', '127.0.0.1:10009', '[::1]:10009', 'abc-1.onion:65535'])
      assert.equal(readSocket(socket), socket);
    for (const socket of ['localhost', 'localhost:', 'https://localhost:1', 'localhost:0', 'localhost:65536', ':1', ''])
      bad(() => readSocket(socket));
  });

  test('a margin that no LND can have is refused', () => {
    assert.equal(readMargin(17), 17);
    for (const blocks of [16, 0, 18.5, 2017, Number.NaN]) bad(() => readMargin(blocks));
  });

  test('a file that is no macaroon or certificate is refused without showing any of it', async () => {
    const socket = 'localhost:1';
    const macaroon = { hex: MACAROON };
    const wrong = [
      { socket, macaroon: { hex: SECRET } },
      { socket, macaroon: { hex: 'x'.repeat(100) } },
      { socket, macaroon: { base64: 'a b' } },
      { socket, macaroon: { path: '/nowhere/at/all' } },
      { socket, macaroon, cert: { hex: SECRET } },
      { socket, macaroon, cert: { base64: Buffer.from(SECRET).toString('base64') } },
    ];
    for (const access of wrong) {
      const error = await refusal(readAccess(access), 'bad_config');
      assert.ok(!JSON.stringify([error.message, error.detail, error.stack, error.cause]).includes(SECRET));
    }
    const good = await readAccess({ socket, macaroon });
    assert.deepEqual(good, { socket, macaroon: Buffer.from(MACAROON, 'hex').toString('base64') });
  });

  test('the command that makes a macaroon names every call and no more (D29: by lncli as it is)', () => {
    assert.equal(
      bakeMacaroonLine({ uses: ['pay'], saveTo: 'pay.macaroon' }),
      'lncli bakemacaroon --save_to pay.macaroon uri:/lnrpc.Lightning/GetInfo uri:/lnrpc.Lightning/ChannelBalance ' +
        'uri:/lnrpc.Lightning/ListChannels uri:/routerrpc.Router/SendPaymentV2 uri:/routerrpc.Router/TrackPaymentV2',
    );
    const receive = bakeMacaroonLine({ uses: ['receive'], saveTo: 'receive.macaroon' });
    assert.match(receive, /AddHoldInvoice .*SettleInvoice .*CancelInvoice$/);
    assert.doesNotMatch(receive, /router|Macaroon\//);
  });
});
