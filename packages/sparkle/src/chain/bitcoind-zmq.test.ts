import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Publisher } from 'zeromq';
import { listenToZmq, type ZmqCall } from './bitcoind-zmq.ts';
import { until } from './suite-hands.ts';

const TXID = 'ab'.repeat(32);

function counter(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

const greetings: [topic: string, body: Buffer][] = [
  ['rawblock', Buffer.alloc(80)],
  ['rawtx', Buffer.from('00', 'hex')],
  ['sequence', Buffer.concat([Buffer.alloc(32), Buffer.from('A')])],
];

/** A publisher that speaks as bitcoind does, and a listener that hears it. */
async function pair() {
  const publisher = new Publisher({ linger: 0 });
  await publisher.bind('tcp://127.0.0.1:*');
  const endpoint = publisher.lastEndpoint ?? '';
  const calls: ZmqCall[] = [];
  const stop = await listenToZmq({ rawblock: endpoint, rawtx: endpoint, sequence: endpoint }, (call) =>
    calls.push(call),
  );
  const say = (topic: string, body: Buffer, number: number) => publisher.send([topic, body, counter(number)]);
  // The subscriptions reach the publisher some time after the connections stand; until then it sends to nobody.
  await until(async () => {
    for (const [topic, body] of greetings) await say(topic, body, 0);
    return calls.some(({ type }) => type === 'blocks') && calls.some(({ type }) => type === 'transaction');
  });
  await until(() => calls.filter(({ type }) => type === 'missed').length >= 3);
  // What was said while connecting may still be on its way. A jump in the count of each topic comes after all of it.
  for (const [topic, body] of greetings) {
    const before = calls.filter(({ type }) => type === 'missed').length;
    await say(topic, body, 1000);
    await until(() => calls.filter(({ type }) => type === 'missed').length > before);
  }
  const close = async (): Promise<void> => {
    await stop();
    publisher.close();
  };
  return { calls, say, close };
}

const sequence = (letter: string): Buffer =>
  Buffer.concat([Buffer.from(TXID, 'hex'), Buffer.from(letter), Buffer.alloc(8)]);

describe("the node's publisher", () => {
  test('blocks, transactions and evictions are heard, entries into the mempool only as transactions', async () => {
    const { calls, say, close } = await pair();
    calls.length = 0;
    for (const [number, letter] of [...'CDAR'].entries()) await say('sequence', sequence(letter), number + 1);
    await say('rawtx', Buffer.from('0102', 'hex'), 1);
    await until(() => calls.some(({ type }) => type === 'removed') && calls.some(({ type }) => type === 'transaction'));
    assert.deepEqual(
      calls.filter(({ type }) => type !== 'transaction' && type !== 'missed'),
      [{ type: 'blocks' }, { type: 'blocks' }, { type: 'removed', txid: TXID }],
    );
    assert.ok(calls.some((call) => call.type === 'transaction' && call.raw === '0102'));
    await close();
  });

  test('a gap in the numbers is called out, and so is a count that starts anew', async () => {
    const { calls, say, close } = await pair();
    const gaps = async (numbers: number[]): Promise<number> => {
      calls.length = 0;
      for (const number of numbers) await say('rawtx', Buffer.from(`0${number % 10}`, 'hex'), number);
      const last = `0${(numbers.at(-1) ?? 0) % 10}`;
      await until(() => calls.some((call) => call.type === 'transaction' && call.raw === last));
      return calls.filter(({ type }) => type === 'missed').length;
    };
    await gaps([1]);
    assert.equal(await gaps([2, 3]), 0);
    assert.equal(await gaps([5]), 1);
    assert.equal(await gaps([6, 7, 0, 1]), 1);
    await close();
  });

  test('without endpoints there is nothing to hear', async () => {
    const stop = await listenToZmq({}, () => assert.fail('nothing was to be heard'));
    await stop();
  });
});
