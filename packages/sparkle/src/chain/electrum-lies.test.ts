import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import { txidOf, writeTransaction } from '../protocol/transaction.ts';
import type { Chain } from './chain.ts';
import { electrumChain, type ElectrumChainOptions } from './electrum.ts';
import { firstBlock } from './electrum-checkpoints.ts';
import { scripthashOf, statusOf } from './electrum-scripts.ts';
import { FakeElectrum, type Question } from './electrum-server.suite.ts';
import type { Lie } from './electrum-trouble.ts';
import { ownScript } from './suite-keys.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function open(change: Partial<ElectrumChainOptions> = {}): Promise<{ server: FakeElectrum; chain: Chain }> {
  const server = await new FakeElectrum().start();
  for (let block = 0; block < 12; block += 1) server.chain.mine();
  const chain = electrumChain({
    ...{ url: server.url, network: 'regtest', checkpoint: firstBlock('regtest'), fallbackSatVb: 3 },
    ...{ timeoutMilliseconds: 5_000, indexMilliseconds: 1_000, pollMilliseconds: 60_000 },
    backoff: { firstMilliseconds: 5, mostMilliseconds: 50 },
    ...change,
  });
  ends.push(async () => {
    await chain.close();
    await server.stop();
  });
  return { server, chain };
}

const caughtAt =
  (what: Lie) =>
  (error: unknown): true => {
    assert.ok(error instanceof SparkleError, String(error));
    assert.deepEqual([error.code, error.detail['what']], ['dishonest_source', what], error.message);
    return true;
  };

const unavailableFor =
  (reason: string) =>
  (error: unknown): true => {
    assert.ok(error instanceof SparkleError, String(error));
    assert.deepEqual([error.code, error.detail['reason']], ['chain_unavailable', reason], error.message);
    return true;
  };

/** A payment to the suite's script in a block, which the driver was shown. */
async function confirmed({ server, chain }: { server: FakeElectrum; chain: Chain }) {
  const raw = server.chain.make();
  const txid = txidOf(raw);
  server.chain.mempool.push(server.chain.make(), raw);
  server.chain.mine();
  const { height } = server.chain;
  const found = await chain.transaction(txid);
  assert.deepEqual(found, { txid, raw, block: { height, hash: server.chain.hash(height) } });
  return { raw, txid, outpoint: `${txid}:0`, height };
}

const ownHash = scripthashOf(hex.decode(ownScript));

describe('an Electrum server that lies about blocks', () => {
  test('a block without work is refused', async () => {
    const { server, chain } = await open();
    server.chain.mine({ work: 'missing' });
    await assert.rejects(chain.tip(), caughtAt('bad_work'));
  });

  test('a block with another target than the rules ask for is refused', async () => {
    const { server, chain } = await open();
    server.chain.mine({ bits: 0x207f_fffe });
    await assert.rejects(chain.tip(), caughtAt('bad_difficulty'));
  });

  test('a block that follows none of its chain is refused', async () => {
    const { server, chain } = await open();
    await chain.tip();
    server.chain.mine({ previous: 'ab'.repeat(32) });
    await assert.rejects(chain.tip(), caughtAt('broken_linkage'));
  });

  test('a block from before the time of those before it is refused', async () => {
    const { server, chain } = await open();
    server.chain.mine({ timeSeconds: 1_296_688_602 });
    await assert.rejects(chain.tip(), caughtAt('bad_time'));
  });

  test('an announced block that is not in the chain it shows is refused', async () => {
    const { server, chain } = await open();
    const other = await new FakeElectrum().start();
    ends.push(() => other.stop());
    other.chain.mine({ timeSeconds: 1_400_000_000 });
    const raw = other.chain.blocks[1]?.raw;
    server.tricks.answer = ({ method }, honest) =>
      method === 'blockchain.headers.subscribe' ? { result: { height: 12, hex: raw } } : honest();
    await assert.rejects(chain.tip(), caughtAt('broken_linkage'));
  });

  test('a chain without the checkpoint is refused', async () => {
    const { chain } = await open({ checkpoint: { height: 5, hash: 'cd'.repeat(32) } });
    await assert.rejects(chain.tip(), caughtAt('other_chain'));
  });

  test('bytes that are no header are refused', async () => {
    const { server, chain } = await open();
    server.tricks.answer = ({ method }, honest) =>
      method === 'blockchain.block.headers' ? { result: { count: 1, headers: ['00'], max: 2016 } } : honest();
    await assert.rejects(chain.tip(), unavailableFor('garbage'));
  });

  test('a chain with less work than it has shown before is not followed, one with more is', async () => {
    const { server, chain } = await open();
    const tip = await chain.tip();
    server.chain.blocks.splice(-4);
    server.chain.mine({ timeSeconds: 1_500_000_000 });
    await assert.rejects(chain.tip(), unavailableFor('lagging'));
    for (let block = 0; block < 4; block += 1) server.chain.mine();
    assert.equal((await chain.tip()).height, tip.height + 1);
    assert.equal(await chain.blockHash(tip.height), server.chain.hash(tip.height));
  });

  test('one block behind what it has shown is a server that is slow to announce; three are a stale one', async () => {
    const { server, chain } = await open();
    const tip = await chain.tip();
    server.chain.blocks.pop();
    assert.deepEqual(await chain.tip(), tip);
    server.chain.blocks.splice(-2);
    await assert.rejects(chain.tip(), unavailableFor('lagging'));
  });

  test('a server of another network is refused by its first block', async () => {
    const { chain } = await open({ network: 'signet', checkpoint: firstBlock('signet') });
    const isOther = (error: unknown): boolean => error instanceof SparkleError && error.code === 'wrong_network';
    await assert.rejects(chain.tip(), isOther);
    await assert.rejects(chain.network(), isOther);
  });
});

describe('an Electrum server that fakes a confirmation', () => {
  const shown = async (branch: (honest: { pos: number; merkle: string[] }) => { pos: number; merkle: string[] }) => {
    const { server, chain } = await open();
    const raw = server.chain.make();
    server.chain.mempool.push(server.chain.make(), raw);
    server.chain.mine();
    server.tricks.answer = ({ method, params: [txid = '', height = 0] }, honest) =>
      method === 'blockchain.transaction.get_merkle'
        ? { result: { block_height: height, ...branch(server.chain.branch(String(txid), Number(height))) } }
        : honest();
    return chain.transaction(txidOf(raw));
  };

  test('a branch that leads elsewhere is refused', async () => {
    await assert.rejects(
      shown(({ pos, merkle }) => ({ pos, merkle: ['ab'.repeat(32), ...merkle.slice(1)] })),
      caughtAt('fake_confirmation'),
    );
  });

  test('a branch for another place is refused', async () => {
    await assert.rejects(
      shown(({ pos, merkle }) => ({ pos: pos ^ 2, merkle })),
      caughtAt('fake_confirmation'),
    );
    await assert.rejects(
      shown(({ merkle }) => ({ pos: 1_000, merkle })),
      caughtAt('fake_confirmation'),
    );
  });

  test('a branch deeper than any block is refused', async () => {
    await assert.rejects(
      shown(({ pos }) => ({ pos, merkle: Array<string>(20).fill('ab'.repeat(32)) })),
      caughtAt('fake_confirmation'),
    );
  });

  test('a transaction of 64 bytes is never confirmed, whatever its branch (CVE-2017-12842)', async () => {
    const { server, chain } = await open();
    const short = writeTransaction({
      version: 2,
      inputs: [{ txid: '11'.repeat(32), vout: 0, scriptSig: new Uint8Array(), sequence: 0, witness: [] }],
      outputs: [{ valueSats: 1_000n, script: Uint8Array.of(0x51, 0x52, 0x53, 0x54) }],
      lockTime: 0,
    });
    server.chain.mempool.push(short);
    server.chain.mine();
    await assert.rejects(chain.transaction(txidOf(short)), unavailableFor('unproven'));
  });

  test('a transaction at a height where it is not, without any proof, is not believed', async () => {
    const { server, chain } = await open();
    const raw = server.chain.make();
    server.chain.mempool.push(raw);
    const lie = [{ txid: txidOf(raw), height: 9 }];
    server.tricks.answer = ({ method }, honest) => {
      if (method === 'blockchain.scripthash.subscribe') return { result: statusOf(lie) };
      if (method === 'blockchain.scripthash.get_history') return { result: [{ tx_hash: txidOf(raw), height: 9 }] };
      if (method === 'blockchain.transaction.get_merkle') return { error: { code: 1, message: 'not in block' } };
      return honest();
    };
    await assert.rejects(chain.transaction(txidOf(raw)), unavailableFor('changing'));
  });
});

describe('an Electrum server that hides or changes transactions', () => {
  const without = (server: FakeElectrum, hidden: string, methods: readonly string[]) => {
    const entries = (): { txid: string; height: number }[] =>
      server.chain.history(ownHash).filter(({ txid }) => txid !== hidden);
    const lies: Readonly<Record<string, () => unknown>> = {
      'blockchain.scripthash.subscribe': () => statusOf(entries()),
      'blockchain.scripthash.get_history': () => entries().map(({ txid, height }) => ({ tx_hash: txid, height })),
    };
    server.tricks.answer = ({ method }: Question, honest) => {
      const lie = methods.includes(method) ? lies[method] : undefined;
      return lie === undefined ? honest() : { result: lie() };
    };
  };
  const history = 'blockchain.scripthash.get_history';
  const status = 'blockchain.scripthash.subscribe';

  test('a history that leaves out what its own status commits to is refused', async () => {
    const both = await open();
    const { outpoint } = await confirmed(both);
    const spend = both.server.chain.make({ spends: outpoint });
    both.server.chain.mempool.push(spend);
    without(both.server, txidOf(spend), [history]);
    await assert.rejects(both.chain.spender(outpoint, 0), caughtAt('hidden_transaction'));
  });

  test('a history that leaves out what was shown in a block is refused, though its status fits', async () => {
    const both = await open();
    const { outpoint, txid } = await confirmed(both);
    without(both.server, txid, [history, status]);
    await assert.rejects(both.chain.unspent(outpoint), caughtAt('hidden_transaction'));
  });

  test('a transaction that was shown in a block and is said to be nowhere is missed', async () => {
    const both = await open();
    const { txid } = await confirmed(both);
    both.server.tricks.answer = ({ method }, honest) =>
      method === 'blockchain.transaction.get'
        ? { error: { code: 2, message: 'No such mempool or blockchain transaction' } }
        : honest();
    await assert.rejects(both.chain.transaction(txid), caughtAt('hidden_transaction'));
  });

  test('a spend that its history leaves out and its list of unspent outputs counts is missed', async () => {
    const both = await open();
    const { outpoint } = await confirmed(both);
    const spend = both.server.chain.make({ spends: outpoint });
    both.server.chain.mempool.push(spend);
    without(both.server, txidOf(spend), [history, status]);
    await assert.rejects(both.chain.unspent(outpoint), caughtAt('hidden_transaction'));
  });

  test('what it hides in every answer is not found: a second source is needed for that', async () => {
    const both = await open();
    const { outpoint } = await confirmed(both);
    const spend = both.server.chain.make({ spends: outpoint });
    both.server.chain.mempool.push(spend);
    without(both.server, txidOf(spend), [history, status]);
    assert.equal(await both.chain.spender(outpoint, 0), undefined);
  });

  test('other bytes than those of the transaction are refused, and bytes of none', async () => {
    for (const wrong of ['00'.repeat(70), undefined]) {
      const both = await open();
      const { txid } = await confirmed(both);
      const result = wrong ?? both.server.chain.make();
      both.server.tricks.answer = ({ method }, honest) =>
        method === 'blockchain.transaction.get' ? { result } : honest();
      await assert.rejects(both.chain.transaction(txid), caughtAt('wrong_raw'));
    }
  });

  test('a transaction that left the chain with its block is hidden by nobody', async () => {
    const both = await open();
    const { txid, outpoint } = await confirmed(both);
    both.server.chain.blocks.pop();
    for (let block = 0; block < 2; block += 1) both.server.chain.mine({ timeSeconds: 1_600_000_000 + block });
    assert.equal(await both.chain.transaction(txid), undefined);
    assert.equal(await both.chain.unspent(outpoint), undefined);
  });
});
