import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { SparkleError, type ErrorCode } from '../protocol/errors.ts';
import { txidOf } from '../protocol/transaction.ts';
import type { Chain, ChainEvent } from './chain.ts';
import { electrumChain, type ElectrumChainOptions } from './electrum.ts';
import { firstBlock } from './electrum-checkpoints.ts';
import { FakeElectrum } from './electrum-server.suite.ts';
import type { ElectrumTrust } from './electrum-socket.ts';
import { refusedWith, until } from './suite-hands.ts';
import { ownScript } from './suite-keys.ts';
import pems from './electrum-tls.vectors.json' with { type: 'json' };

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const settings: Omit<ElectrumChainOptions, 'url'> = {
  ...{ network: 'regtest', checkpoint: firstBlock('regtest'), fallbackSatVb: 3 },
  ...{ timeoutMilliseconds: 10_000, indexMilliseconds: 300, pollMilliseconds: 60_000 },
  backoff: { firstMilliseconds: 5, mostMilliseconds: 50 },
};

async function serve(tls?: { cert: string; key: string }): Promise<FakeElectrum> {
  const server = await new FakeElectrum(tls).start();
  server.chain.mine();
  ends.push(() => server.stop());
  return server;
}

function chainOf(change: Partial<ElectrumChainOptions> & { url: string }): Chain {
  const chain = electrumChain({ ...settings, ...change });
  ends.unshift(() => chain.close());
  return chain;
}

const refusal =
  (code: ErrorCode, reason: string) =>
  (error: unknown): true => {
    assert.ok(error instanceof SparkleError, String(error));
    assert.deepEqual([error.code, error.detail['reason']], [code, reason], error.message);
    return true;
  };

const unavailable = (reason: string) => refusal('chain_unavailable', reason);

describe('an Electrum server that does not speak as it should', () => {
  const lines: Readonly<Record<string, { sent: string; reason: string }>> = {
    'a line that is no JSON': { sent: '{"id":', reason: 'garbage' },
    'JSON that is no JSON-RPC': { sent: '[1,2]', reason: 'garbage' },
    'an answer to what was not asked': { sent: '{"id":4711,"result":1}', reason: 'unasked_answer' },
    'a line longer than any answer': { sent: 'x'.repeat(8_200_000), reason: 'oversized' },
    'no answer at all': { sent: 'nothing', reason: 'timeout' },
    'the end of the connection': { sent: 'hang up', reason: 'disconnected' },
    'an answer in another shape': { sent: '{"id":ID,"result":{"height":"1"}}', reason: 'garbage' },
    'a refusal': { sent: '{"id":ID,"error":{"code":1,"message":"no"}}', reason: 'refused' },
    'a refusal in old words': { sent: '{"id":ID,"error":"no"}', reason: 'refused' },
    'too many questions': { sent: '{"id":ID,"error":{"code":-102,"message":"server busy"}}', reason: 'rate_limited' },
  };
  for (const [name, { sent, reason }] of Object.entries(lines))
    test(`${name} is told as ${reason}, and afterwards all is well`, async () => {
      const server = await serve();
      const chain = chainOf({ url: server.url, timeoutMilliseconds: reason === 'timeout' ? 200 : 10_000 });
      server.tricks.line = (line, { id, method }) =>
        method === 'blockchain.headers.subscribe' ? sent.replace('ID', String(id)) : line;
      await assert.rejects(chain.tip(), unavailable(reason));
      server.tricks = {};
      assert.equal((await chain.tip()).height, 1);
    });

  test('a slow answer is refused, and when it comes after all it disturbs nobody', async () => {
    const server = await serve();
    const chain = chainOf({ url: server.url, timeoutMilliseconds: 200 });
    await chain.tip();
    let late = '';
    server.tricks.line = (line, { method }) => {
      if (method !== 'blockchain.estimatefee') return line;
      late = line;
      return 'nothing';
    };
    const slow = assert.rejects(chain.feerate(2), unavailable('timeout'));
    await slow;
    server.say(late);
    assert.equal((await chain.tip()).height, 1);
  });

  test('while nobody listens at its address it cannot be reached', async () => {
    const server = await new FakeElectrum().start();
    const { url } = server;
    await server.stop();
    await assert.rejects(chainOf({ url }).tip(), unavailable('unreachable'));
  });

  test('however much is asked of a server that hangs up, it is called once at a time', async () => {
    const server = await serve();
    server.tricks.line = () => 'hang up';
    const chain = chainOf({ url: server.url });
    for (let round = 1; round <= 4; round += 1) {
      const questions = Array.from({ length: 10 }, () => assert.rejects(chain.tip(), unavailable('disconnected')));
      await Promise.all(questions);
      assert.equal(server.connections, round);
    }
  });

  test('after a failure it is not called before the back-off is over', async () => {
    const server = await serve();
    server.tricks.line = () => 'hang up';
    const chain = chainOf({ url: server.url, backoff: { firstMilliseconds: 600_000, mostMilliseconds: 600_000 } });
    await assert.rejects(chain.tip(), unavailable('disconnected'));
    const waiting = assert.rejects(chain.tip(), unavailable('closed'));
    await chain.close();
    await waiting;
    assert.equal(server.connections, 1);
  });

  test('after a connection is lost a listener is told what happened meanwhile, and its scripts are watched again', async () => {
    const server = await serve();
    const chain = chainOf({ url: server.url });
    const first = server.chain.make();
    server.chain.mempool.push(first);
    assert.ok((await chain.unspent(`${txidOf(first)}:0`)) !== undefined);
    const events: ChainEvent[] = [];
    chain.subscribe((event) => events.push(event));
    await until(() => events.some(({ type }) => type === 'tip'));
    const seen = (type: string, txid: string) =>
      events.some((event) => event.type === type && 'txid' in event && event.txid === txid);
    server.hangUp();
    const [second, third] = [server.chain.make(), server.chain.make()];
    server.chain.mempool = [second];
    await until(() => seen('transaction', txidOf(second)) && seen('removed', txidOf(first)));
    await until(() => server.connections === 2);
    server.chain.mempool.push(third);
    server.announce([ownScript]);
    await until(() => seen('transaction', txidOf(third)));
  });

  test('a closed driver asks nobody', async () => {
    const server = await serve();
    const chain = chainOf({ url: server.url });
    await chain.tip();
    await chain.close();
    await assert.rejects(chain.tip(), unavailable('closed'));
    assert.equal(server.connections, 1);
  });

  test('a server that pads its answers and holds them back is asked for a long one', async () => {
    const server = await serve();
    const chain = chainOf({ url: server.url });
    const held: string[] = [];
    server.tricks.line = (line, { method }) => {
      const padded = line.replace(/\}$/, `${' '.repeat(200)}}`);
      if (method === 'blockchain.block.headers') return [...held.splice(0), padded].join('\n');
      if (method !== 'blockchain.estimatefee') return padded;
      held.push(padded);
      return 'nothing';
    };
    await chain.tip();
    assert.equal(await chain.feerate(2), 3);
  });
});

describe('an Electrum server of protocol 1.4', () => {
  test('its headers come as one text, its least feerate from its relay fee, and packages one by one', async () => {
    const server = await serve();
    server.protocol = '1.4';
    const chain = chainOf({ url: server.url });
    assert.equal((await chain.tip()).hash, server.chain.hash(1));
    assert.equal(await chain.feerate(2), 3);
    assert.ok(server.asked.includes('blockchain.relayfee') && !server.asked.includes('mempool.get_info'));
    const parent = server.chain.make();
    const child = server.chain.make({ spends: `${txidOf(parent)}:0` });
    await chain.broadcast([parent, child]);
    assert.deepEqual(server.chain.mempool, [parent, child]);
  });
});

describe('how an Electrum server is recognised', () => {
  const fingerprint = 'fingerprint' as const;
  const pinned = (sha256: string): ElectrumTrust => ({ by: fingerprint, sha256 });

  test('one with the pinned certificate is asked, one with another is told nothing', async () => {
    const server = await serve(pems.one);
    assert.equal((await chainOf({ url: server.url, trust: pinned(pems.one.sha256) }).tip()).height, 1);
    server.asked = [];
    const wrong = chainOf({ url: server.url, trust: pinned(pems.other.sha256) });
    await assert.rejects(wrong.tip(), unavailable('certificate'));
    assert.deepEqual(server.asked, []);
  });

  test('one with a certificate by a known authority is asked, one by an unknown one is told nothing', async () => {
    const server = await serve(pems.one);
    const trust: ElectrumTrust = { by: 'authorities', ca: [pems.one.cert] };
    assert.equal((await chainOf({ url: server.url, trust }).tip()).height, 1);
    server.asked = [];
    for (const ca of [[pems.other.cert], []]) {
      const wrong = chainOf({ url: server.url, trust: { by: 'authorities', ca } });
      await assert.rejects(wrong.tip(), unavailable('certificate'));
    }
    assert.deepEqual(server.asked, []);
  });

  test('trusted at first use, its certificate is remembered, and another one is refused from then on', async () => {
    let remembered: string | undefined;
    const trust: ElectrumTrust = {
      by: 'first use',
      known: async () => remembered,
      remember: async (sha256) => void (remembered = sha256),
    };
    const first = await serve(pems.one);
    await chainOf({ url: first.url, trust }).tip();
    assert.equal(remembered, pems.one.sha256);
    await chainOf({ url: first.url, trust }).tip();
    const second = await serve(pems.other);
    await assert.rejects(chainOf({ url: second.url, trust }).tip(), unavailable('certificate'));
    assert.equal(remembered, pems.one.sha256);
  });

  test('addresses in another form are refused without repeating them', () => {
    const trust = pinned(pems.one.sha256);
    const wrong: Pick<ElectrumChainOptions, 'url' | 'trust'>[] = [
      { url: 'http://127.0.0.1:1' },
      { url: 'tcp://user:hunter2@127.0.0.1:1' },
      { url: 'tcp://127.0.0.1' },
      { url: 'tcp://127.0.0.1:70000' },
      { url: 'tls://127.0.0.1:1' },
      { url: 'tcp://127.0.0.1:1', trust },
      { url: 'tls://127.0.0.1:1', trust: pinned('AB') },
    ];
    for (const options of wrong)
      assert.throws(
        () => electrumChain({ ...settings, ...options }),
        (error: SparkleError) => refusedWith('bad_config')(error) && !error.message.includes('hunter2'),
      );
  });
});
