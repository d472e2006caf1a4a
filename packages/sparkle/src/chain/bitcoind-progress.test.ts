import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BitcoindLookup } from './bitcoind-lookup.ts';
import type { BitcoindRpc } from './bitcoind-rpc.ts';
import { refusedWith } from './suite-hands.ts';

const hash = (byte: string): string => byte.repeat(32);
const work = (sum: number): string => sum.toString(16).padStart(64, '0');

type Node = { height: number; headers: number; work: number; output: object | null; transaction: object | undefined };

/** A node that says what it is told to say. */
function nodeThat(node: Node): BitcoindRpc {
  const answers: Record<string, () => unknown> = {
    getblockchaininfo: () => ({
      ...{ bestblockhash: hash('aa'), chainwork: work(node.work), time: 1_800_000_000 },
      ...{ blocks: node.height, headers: node.headers },
    }),
    getbestblockhash: () => hash('aa'),
    gettxout: () => node.output,
    getindexinfo: () => ({ txindex: { synced: true } }),
    getrawtransaction: () => node.transaction,
  };
  const ask: BitcoindRpc['ask'] = async (method) => {
    const result = answers[method]?.();
    return result === undefined ? { refusal: { code: -5, reason: `no ${method}` } } : { result };
  };
  return {
    ask,
    call: async (method, params, schema) => {
      const answer = await ask(method, params);
      return schema.parse('result' in answer ? answer.result : undefined) as never;
    },
  };
}

const upToDate: Node = { height: 100, headers: 100, work: 500, output: null, transaction: undefined };
const place = { txid: hash('bb'), vout: 0 };
const coin = { bestblock: hash('aa'), value: 0.001, confirmations: 3, scriptPubKey: { hex: '51' } };

describe('a node that was killed before it wrote its newest blocks down', () => {
  test('has no best block to act upon while it has less work than it had', async () => {
    const node = { ...upToDate };
    const lookup = new BitcoindLookup(nodeThat(node));
    assert.deepEqual(await lookup.tip(), { height: 100, hash: hash('aa'), timeSeconds: 1_800_000_000 });
    Object.assign(node, { height: 90, headers: 90, work: 450 });
    await assert.rejects(lookup.tip(), refusedWith('chain_unavailable'));
    Object.assign(node, { height: 99, headers: 99, work: 499 });
    await assert.rejects(lookup.tip(), refusedWith('chain_unavailable'));
    // A shorter chain with as much work is a reorg like any other.
    Object.assign(node, { work: 501 });
    assert.equal((await lookup.tip()).height, 99);
  });

  test('has none for a process that has only just begun either, once it knows headers far ahead', async () => {
    const behind = nodeThat({ ...upToDate, headers: 103 });
    await assert.rejects(new BitcoindLookup(behind).tip(), refusedWith('chain_unavailable'));
    const onTheirWay = nodeThat({ ...upToDate, headers: 102 });
    assert.equal((await new BitcoindLookup(onTheirWay).tip()).height, 100);
  });

  test('says of no output and no transaction that they are not there', async () => {
    const node = { ...upToDate };
    const lookup = new BitcoindLookup(nodeThat(node));
    assert.equal(await lookup.unspent(place), undefined);
    assert.equal(await lookup.transaction(place.txid), undefined);
    node.work = 499;
    await assert.rejects(lookup.unspent(place), refusedWith('chain_unavailable'));
    await assert.rejects(lookup.transaction(place.txid), refusedWith('chain_unavailable'));
    // What it has it has.
    node.output = coin;
    assert.equal((await lookup.unspent(place))?.valueSats, 100_000n);
  });

  test('is not taken for one because of an answer that was on its way while another told of a new block', async () => {
    const node = { ...upToDate };
    const quick = nodeThat(node);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let calls = 0;
    const rpc: BitcoindRpc = {
      ...quick,
      call: async (method, params, schema) => {
        const answer = await quick.call(method, params, schema);
        if ((calls += 1) === 1) await held;
        return answer;
      },
    };
    const lookup = new BitcoindLookup(rpc);
    const slow = lookup.tip();
    Object.assign(node, { height: 101, headers: 101, work: 505 });
    assert.equal((await lookup.tip()).height, 101);
    release();
    assert.equal((await slow).height, 100);
  });
});
