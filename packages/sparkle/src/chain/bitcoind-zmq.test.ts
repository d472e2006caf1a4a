import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { Publisher } from 'zeromq';
import { listenToZmq, type ZmqCall } from './bitcoind-zmq.ts';
import { until } from './suite-hands.ts';

const TXID = 'ab'.repeat(32);

function counter(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

const sequence = (letter: string, txid = TXID): Buffer =>
  Buffer.concat([Buffer.from(txid, 'hex'), Buffer.from(letter), Buffer.alloc(8)]);

/** A publisher that speaks as bitcoind does, and a listener that hears it; both are closed when the test ends. */
async function pair(t: TestContext) {
  const publisher = new Publisher({ linger: 0 });
  t.after(() => publisher.close());
  await publisher.bind('tcp://127.0.0.1:*');
  const endpoint = publisher.lastEndpoint ?? '';
  const calls: ZmqCall[] = [];
  const stop = await listenToZmq({ rawtx: endpoint, sequence: endpoint }, (call) => calls.push(call));
  t.after(stop);
  const say = (topic: string, body: Buffer, number: number) => publisher.send([topic, body, counter(number)]);
  const heard = (raw: string) => calls.some((call) => call.type === 'transaction' && call.raw === raw);
  const gone = (txid: string) => calls.some((call) => call.type === 'removed' && call.txid === txid);
  // Subscriptions reach the publisher some time after the connections stand; until then it sends to nobody.
  await until(async () => {
    await say('rawtx', Buffer.from('00', 'hex'), 0);
    await say('sequence', sequence('R', '00'.repeat(32)), 0);
    return heard('00') && gone('00'.repeat(32));
  });
  // What is heard after these is nothing of the above any more: each topic keeps its order.
  await say('rawtx', Buffer.from('01', 'hex'), 0);
  await say('sequence', sequence('R', '01'.repeat(32)), 0);
  await until(() => heard('01') && gone('01'.repeat(32)));
  calls.length = 0;
  return { calls, say, heard, gone };
}

describe("the node's publisher", () => {
  test('blocks, transactions and evictions are heard, entries into the mempool only as transactions', async (t) => {
    const { calls, say, heard, gone } = await pair(t);
    for (const [index, letter] of [...'CDAR'].entries()) await say('sequence', sequence(letter), index + 1);
    await say('rawtx', Buffer.from('0102', 'hex'), 1);
    await until(() => gone(TXID) && heard('0102'));
    assert.deepEqual(
      calls.filter(({ type }) => type !== 'transaction'),
      [{ type: 'blocks' }, { type: 'blocks' }, { type: 'removed', txid: TXID }],
    );
  });

  test('a gap in the numbers is called out, and so is a count that starts anew', async (t) => {
    const { calls, say, heard } = await pair(t);
    const gapsIn = async (numbers: number[]): Promise<number> => {
      calls.length = 0;
      for (const number of numbers) await say('rawtx', Buffer.from(`a${number}`, 'hex'), number);
      await until(() => heard(`a${numbers.at(-1)}`));
      return calls.filter(({ type }) => type === 'missed').length;
    };
    assert.equal(await gapsIn([1, 2, 3]), 0);
    assert.equal(await gapsIn([5]), 1);
    assert.equal(await gapsIn([6, 7, 0, 1]), 1);
  });

  test('a block is a call to look, and a connection that just stands too: nobody knows what was missed', async (t) => {
    const publisher = new Publisher({ linger: 0 });
    t.after(() => publisher.close());
    await publisher.bind('tcp://127.0.0.1:*');
    const calls: ZmqCall[] = [];
    const stop = await listenToZmq({ rawblock: publisher.lastEndpoint ?? '' }, (call) => calls.push(call));
    t.after(stop);
    await until(() => calls.some(({ type }) => type === 'missed'));
    await until(async () => {
      await publisher.send(['rawblock', Buffer.alloc(80), counter(0)]);
      return calls.some(({ type }) => type === 'blocks');
    });
  });

  test('without endpoints there is nothing to hear', async () => {
    const stop = await listenToZmq({}, () => assert.fail('nothing was to be heard'));
    await stop();
  });
});
