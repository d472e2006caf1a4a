import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { SparkleError } from '../protocol/errors.ts';
import { bitcoindRpc, hex32, sats, type BitcoindRpcOptions } from './bitcoind-rpc.ts';
import { refusedWith } from './suite-hands.ts';

type Answer = { status: number; body: string } | 'silence' | 'hang up';

const stops: (() => void)[] = [];
after(() => {
  for (const stop of stops) stop();
});

/** A server that gives these answers in order, the last again and again, and remembers what it was asked. */
async function serve(answers: Answer[]) {
  const asked: { authorization: string | undefined; body: string }[] = [];
  const reply = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const answer = answers[Math.min(asked.length, answers.length - 1)] ?? 'silence';
    asked.push({ authorization: request.headers.authorization, body });
    if (answer === 'silence') return;
    if (answer === 'hang up') return void request.socket.destroy();
    response.writeHead(answer.status).end(answer.body);
  };
  const server = createServer((request, response) => void reply(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const open = (change: Partial<BitcoindRpcOptions> = {}) =>
    bitcoindRpc({ url, credentials: { user: 'u', password: 'p' }, timeoutMilliseconds: 5_000, ...change });
  return { asked, open };
}

const result = (value: unknown): Answer => ({
  status: 200,
  body: JSON.stringify({ result: value, error: null, id: 1 }),
});
const error = (status: number, code: number, message: string): Answer => ({
  ...{ status, body: JSON.stringify({ result: null, error: { code, message }, id: 1 }) },
});

const unavailable = (reason: RegExp) => (thrown: unknown) => {
  refusedWith('chain_unavailable')(thrown);
  assert.match(String((thrown as SparkleError).detail['reason'] ?? (thrown as SparkleError).message), reason);
  return true;
};

describe('JSON-RPC to a node', () => {
  test('a result is a result and a refusal is an answer', async () => {
    const { asked, open } = await serve([
      result([1]),
      error(500, -5, 'No such thing'),
      error(404, -32601, 'Method not found'),
    ]);
    const rpc = open();
    assert.deepEqual(await rpc.ask('method', ['a', 1]), { result: [1] });
    assert.deepEqual(JSON.parse(asked[0]?.body ?? ''), { jsonrpc: '1.0', id: 1, method: 'method', params: ['a', 1] });
    assert.equal(asked[0]?.authorization, `Basic ${Buffer.from('u:p').toString('base64')}`);
    assert.deepEqual(await rpc.ask('method', []), { refusal: { code: -5, reason: 'No such thing' } });
    assert.deepEqual(await rpc.ask('method', []), { refusal: { code: -32601, reason: 'Method not found' } });
  });

  test('a refusal or another shape where a result is needed means that the node cannot be used', async () => {
    const { open } = await serve([error(500, -1, 'pruned'), result('xyz')]);
    const rpc = open();
    await assert.rejects(rpc.call('getblock', [], hex32), unavailable(/pruned/));
    await assert.rejects(rpc.call('getblock', [], hex32), unavailable(/another shape/));
  });

  test('whatever is no JSON-RPC is no answer', async () => {
    const { open } = await serve([
      { status: 503, body: 'Work queue depth exceeded' },
      { status: 200, body: '[]' },
      { status: 200, body: '' },
      'hang up',
      error(500, -28, 'Loading block index'),
    ]);
    const rpc = open();
    await assert.rejects(rpc.ask('m', []), unavailable(/503/));
    await assert.rejects(rpc.ask('m', []), unavailable(/not JSON-RPC/));
    await assert.rejects(rpc.ask('m', []), unavailable(/without JSON/));
    await assert.rejects(rpc.ask('m', []), unavailable(/cannot be reached/));
    await assert.rejects(rpc.ask('m', []), unavailable(/Loading block index/));
  });

  test('a node that does not answer in time counts as unavailable', async () => {
    const { open } = await serve(['silence']);
    await assert.rejects(open({ timeoutMilliseconds: 30 }).ask('m', []), unavailable(/within 30 ms/));
  });

  test('the cookie is read anew when the node refuses it, once', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sparkle-cookie-'));
    const cookieFile = join(dir, '.cookie');
    const denied = { status: 401, body: '' };
    const { asked, open } = await serve([denied, result(1), denied, denied, result(2)]);
    const rpc = open({ credentials: { cookieFile } });
    await writeFile(cookieFile, '__cookie__:one\n');
    assert.deepEqual(await rpc.ask('m', []), { result: 1 });
    await writeFile(cookieFile, '__cookie__:two\n');
    await assert.rejects(rpc.ask('m', []), unavailable(/credentials/));
    assert.deepEqual(await rpc.ask('m', []), { result: 2 });
    const logins = asked.map(({ authorization = '' }) => Buffer.from(authorization.slice(6), 'base64').toString());
    assert.deepEqual(
      logins.map((login) => login.split(':')[1]),
      ['one', 'one', 'one', 'two', 'two'],
    );
    await rm(dir, { recursive: true });
  });

  test('no more than eight requests are under way at a time, and all are answered', async () => {
    let under = 0;
    let most = 0;
    const server = createServer((request, response) => {
      under += 1;
      most = Math.max(most, under);
      request.resume().on('end', () =>
        setImmediate(() => {
          under -= 1;
          response.end(JSON.stringify({ result: true, error: null }));
        }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const rpc = bitcoindRpc({ url, credentials: { user: 'u', password: 'p' }, timeoutMilliseconds: 10_000 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => rpc.ask('m', [])));
    assert.equal(answers.length, 50);
    assert.ok(most <= 8);
    server.closeAllConnections();
  });

  test('an amount is read to the sat, whatever the binary fraction looks like', () => {
    for (const [coins, expected] of [
      [0.1, 10_000_000n],
      [0.29, 29_000_000n],
      [20_999_999.9769, 2_099_999_997_690_000n],
      [1e-8, 1n],
      [0, 0n],
    ] as const)
      assert.equal(sats.parse(coins), expected);
    for (const bad of [-1, Number.NaN, 21_000_001, '0.1']) assert.equal(sats.safeParse(bad).success, false);
  });
});
