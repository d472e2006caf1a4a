import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import { readTransaction, writeTransaction } from '../protocol/transaction.ts';
import type { Chain, ChainEvent } from './chain.ts';
import { chainSuite } from './chain.suite.ts';
import { memoryChain, type MemoryChain } from './memory.ts';
import { quorumChain, type QuorumOptions } from './quorum.ts';
import { NOBODY, refusedWith, SATS, spendWithFee, until, type ChainBench } from './suite-hands.ts';
import { ownScript } from './suite-keys.ts';

const NOW_SECONDS = 1_750_000_000;
const settings = { maxLagBlocks: 2, answerMilliseconds: 5_000, settleMilliseconds: 0 };

const world = (): MemoryChain => memoryChain({ network: 'regtest', seed: 1, nowSeconds: () => NOW_SECONDS });

/** A quorum over views of one world, each of which may be replaced by one that says other things. */
function quorumOver(chains: Chain[], options: { agree: number } & Partial<QuorumOptions>): Chain {
  const sources = chains.map((chain, index) => ({ name: `source ${index}`, chain }));
  return quorumChain({ ...settings, sources, ...options });
}

const saying = (chain: Chain, words: Partial<Chain>): Chain => ({ ...chain, ...words });

function benchOf(nodes: MemoryChain[], agree: number): ChainBench {
  const [first] = nodes;
  assert.ok(first !== undefined);
  const { control } = first;
  return {
    ...{ chain: quorumOver(nodes, { agree }), network: 'regtest' },
    mine: async (blocks) => control.mine(blocks),
    reorg: async (options) => control.reorg(options),
    pay: async (payment) => control.pay(payment),
    outage: {
      down: async () => nodes.forEach((node) => node.control.goDown()),
      up: async () => nodes.forEach((node) => node.control.comeBack()),
    },
    stop: async () => undefined,
  };
}

const nodes = (count: number): MemoryChain[] => {
  const first = world();
  return [first, ...Array.from({ length: count - 1 }, () => first.control.peer())];
};

chainSuite('quorum, two of three in memory', async () => benchOf(nodes(3), 2));

chainSuite('quorum, two of three in memory of which one is away', async () => {
  const [first, second, third] = nodes(3);
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  third.control.goDown();
  const bench = benchOf([first, second], 2);
  return { ...bench, chain: quorumOver([third, first, second], { agree: 2 }) };
});

function refusal(code: 'chain_unavailable' | 'sources_disagree', detail: Record<string, unknown>) {
  return (error: unknown): true => {
    refusedWith(code)(error);
    for (const [name, value] of Object.entries(detail)) assert.deepEqual((error as SparkleError).detail[name], value);
    return true;
  };
}

/** Three honest views and an unspent output of ours in a block. */
function three() {
  const [a, b, c] = nodes(3);
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  const outpoint = a.control.pay({ script: ownScript, sats: SATS });
  a.control.mine(1);
  return { a, b, c, control: a.control, outpoint, txid: outpoint.slice(0, 64) };
}

describe('quorum', () => {
  test('more voices than sources, no sources, and two of one name are refused', () => {
    const { a, b } = three();
    assert.throws(() => quorumOver([a, b], { agree: 3 }), refusedWith('bad_config'));
    assert.throws(() => quorumOver([a, b], { agree: 0 }), refusedWith('bad_config'));
    assert.throws(() => quorumOver([], { agree: 1 }), refusedWith('bad_config'));
    const sources = [a, b].map((chain) => ({ name: 'node', chain }));
    assert.throws(() => quorumChain({ ...settings, sources, agree: 2 }), refusedWith('bad_config'));
  });

  test('a source that hides a transaction is outvoted, and told of', async () => {
    const { a, b, c, txid } = three();
    const chain = quorumOver([a, saying(b, { transaction: async () => undefined }), c], { agree: 2 });
    const events: ChainEvent[] = [];
    const stop = chain.subscribe((event) => events.push(event));
    assert.deepEqual(await chain.transaction(txid), await a.transaction(txid));
    await chain.transaction(txid);
    assert.deepEqual(
      events.filter(({ type }) => type === 'disagreement'),
      [{ type: 'disagreement', about: `transaction ${txid}` }],
    );
    stop();
    await chain.close();
  });

  test('two sources that contradict each other pause, with what each of them said', async () => {
    const { a, b, txid, outpoint } = three();
    const tip = await a.tip();
    const chain = quorumOver([a, saying(b, { transaction: async () => undefined, unspent: async () => undefined })], {
      agree: 2,
    });
    await assert.rejects(chain.unspent(outpoint), refusal('sources_disagree', { about: `output ${outpoint}` }));
    await assert.rejects(chain.transaction(txid), (error: SparkleError) => {
      refusal('sources_disagree', { about: `transaction ${txid}` })(error);
      const answers = error.detail['answers'] as Record<string, string>;
      assert.equal(answers['source 1'], 'nothing');
      assert.ok(answers['source 0']?.includes(tip.hash));
      return true;
    });
  });

  test('bytes, which may hold a preimage, are in no error', async () => {
    const { a, b, txid } = three();
    const found = await a.transaction(txid);
    assert.ok(found !== undefined);
    const other = { ...found, raw: `${found.raw}00` };
    const chain = quorumOver([a, saying(b, { transaction: async () => other })], { agree: 2 });
    await assert.rejects(chain.transaction(txid), (error: SparkleError) => {
      refusedWith('sources_disagree')(error);
      assert.ok(!JSON.stringify([error.message, error.detail]).includes(found.raw.slice(0, 60)));
      return true;
    });
  });

  test('two answers with enough voices each are no answer', async () => {
    const { a, b, c, control, txid } = three();
    const hiding = (chain: Chain) => saying(chain, { transaction: async () => undefined });
    const chain = quorumOver([a, b, hiding(c), hiding(control.peer())], { agree: 2 });
    await assert.rejects(chain.transaction(txid), refusedWith('sources_disagree'));
  });

  test('too few that answer are no quorum, and the silent ones are named with their reason', async () => {
    const { a, b, c, outpoint } = three();
    const chain = quorumOver([a, b, c], { agree: 2 });
    b.control.goDown();
    assert.ok((await chain.unspent(outpoint)) !== undefined);
    c.control.goDown();
    const detail = { reason: 'too_few_sources', needed: 2, answered: 1 };
    await assert.rejects(chain.tip(), refusal('chain_unavailable', detail));
    await assert.rejects(chain.network(), refusal('chain_unavailable', detail));
    await assert.rejects(chain.feerate(1), refusal('chain_unavailable', detail));
    await assert.rejects(chain.tip(), (error: SparkleError) => {
      assert.deepEqual(Object.keys(error.detail['silent'] as object).toSorted(), ['source 1', 'source 2']);
      return true;
    });
  });

  test('a source that never answers is silent after its time', async () => {
    const { a, b, txid } = three();
    const hanging = saying(b, { tip: () => new Promise(() => {}) });
    const chain = quorumOver([a, hanging], { agree: 2, answerMilliseconds: 20 });
    await assert.rejects(chain.transaction(txid), refusal('chain_unavailable', { answered: 1 }));
    const one = quorumOver([a, hanging], { agree: 1, answerMilliseconds: 20 });
    assert.deepEqual(await one.transaction(txid), await a.transaction(txid));
  });

  test('a source that was caught in a lie is silent, and told of', async () => {
    const { a, b, c } = three();
    const lie = new SparkleError('dishonest_source', 'caught', { what: 'wrong_raw' });
    const chain = quorumOver([a, b, saying(c, { tip: () => Promise.reject(lie) })], { agree: 2 });
    const events: ChainEvent[] = [];
    chain.subscribe((event) => events.push(event));
    assert.deepEqual(await chain.tip(), await a.tip());
    assert.ok(events.some((event) => event.type === 'disagreement' && event.about === 'the source source 2'));
    await chain.close();
  });

  test('a source that is a little behind holds the tip back, and what came after it counts as waiting', async () => {
    const { a, b, control, txid, outpoint } = three();
    const behind = await b.tip();
    control.mine(1);
    control.mine(1);
    const late = saying(b, {
      tip: async () => behind,
      blockHash: async (height) => (height > behind.height ? undefined : b.blockHash(height)),
      unspent: async () => ({ valueSats: SATS, script: ownScript, confirmations: 1 }),
    });
    const chain = quorumOver([a, late], { agree: 2 });
    assert.equal((await chain.tip()).hash, behind.hash);
    assert.equal(await chain.blockHash(behind.height + 1), undefined);
    assert.deepEqual((await chain.transaction(txid))?.block, { height: behind.height, hash: behind.hash });
    assert.equal((await chain.unspent(outpoint))?.confirmations, 1);
    control.mine(1);
    await assert.rejects(chain.tip(), refusal('chain_unavailable', { reason: 'lagging' }));
  });

  test('the sources of a search hear when it shall end', async () => {
    const { a, b, outpoint } = three();
    const heard: (AbortSignal | undefined)[] = [];
    const hearing = (chain: Chain) =>
      saying(chain, { spender: async (_outpoint, _height, signal) => void heard.push(signal) });
    const { signal } = new AbortController();
    await quorumOver([hearing(a), hearing(b)], { agree: 2 }).spender(outpoint, 0, signal);
    assert.deepEqual(heard, [signal, signal]);
  });

  test('a transaction in a block that only one source has is waiting still', async () => {
    const { a, b, control, outpoint } = three();
    const behind = await b.tip();
    const spend = spendWithFee(outpoint, 1_000n);
    await a.broadcast([spend.raw]);
    control.mine(1);
    const late = saying(b, {
      tip: async () => behind,
      transaction: async () => ({ txid: spend.txid, raw: spend.raw }),
      spender: async () => ({ raw: spend.raw, txid: spend.txid }),
    });
    const chain = quorumOver([a, late], { agree: 2 });
    assert.deepEqual(await chain.transaction(spend.txid), { txid: spend.txid, raw: spend.raw });
    assert.deepEqual(await chain.spender(outpoint, 0), { txid: spend.txid, raw: spend.raw });
  });

  test('nobody alone makes the tip look higher or fresher', async () => {
    const { a, b, c } = three();
    const honest = await a.tip();
    const claiming = (height: number) =>
      saying(c, { tip: async () => ({ height, hash: NOBODY, timeSeconds: honest.timeSeconds + 9_999 }) });
    for (const others of [[a, b], [a]])
      assert.deepEqual(await quorumOver([...others, claiming(honest.height + 1)], { agree: 2 }).tip(), honest);
    const far = quorumOver([a, claiming(honest.height + 3)], { agree: 2 });
    await assert.rejects(far.tip(), refusal('chain_unavailable', { reason: 'lagging' }));
    const fresh = saying(c, { tip: async () => ({ ...honest, timeSeconds: honest.timeSeconds + 9_999 }) });
    assert.deepEqual(await quorumOver([fresh, a], { agree: 2 }).tip(), honest);
  });

  test('two tips at one height are a disagreement until one chain wins', async () => {
    const { a, control, b } = three();
    const before = await a.tip();
    const fork = saying(b, { tip: async () => before });
    control.reorg({ depth: 1, mempool: 'mined' });
    const chain = quorumOver([a, fork], { agree: 2, maxLagBlocks: 2 });
    await assert.rejects(chain.tip(), refusal('sources_disagree', { about: 'tip' }));
  });

  test('sources of two networks are refused', async () => {
    const { a } = three();
    const other = memoryChain({ network: 'signet', seed: 1, nowSeconds: () => NOW_SECONDS });
    await assert.rejects(
      quorumOver([a, other], { agree: 1 }).network(),
      refusal('sources_disagree', { about: 'network' }),
    );
  });

  test('the feerate is the middle one, of two the upper', async () => {
    const { a, b, c } = three();
    for (const [node, satVb] of [
      [a, 2],
      [b, 900],
      [c, 5],
    ] as const)
      node.control.setFeerates({ 1: satVb });
    assert.equal(await quorumOver([a, b, c], { agree: 2 }).feerate(1), 5);
    assert.equal(await quorumOver([a, c], { agree: 2 }).feerate(1), 5);
  });

  test('it is enough that one source takes a transaction', async () => {
    const { a, b, outpoint } = three();
    const refused = () => Promise.reject(new SparkleError('broadcast_refused', 'no', { reason: 'policy' }));
    const chain = quorumOver([saying(a, { broadcast: refused }), b], { agree: 2 });
    const spend = spendWithFee(outpoint, 1_000n);
    await chain.broadcast([spend.raw]);
    assert.ok((await b.transaction(spend.txid)) !== undefined);
  });

  test('a refusal needs as many voices as an answer', async () => {
    const { a, b, c, outpoint } = three();
    const orphan = spendWithFee(`${NOBODY}:0`, 1_000n).raw;
    const all = quorumOver([a, b, c], { agree: 2 });
    await assert.rejects(all.broadcast([orphan]), (error: SparkleError) => {
      refusedWith('broadcast_refused')(error);
      assert.match(String(error.detail['reason']), /source 0: .*(missing|spent)/);
      return true;
    });
    b.control.goDown();
    c.control.goDown();
    await assert.rejects(all.broadcast([orphan]), refusedWith('chain_unavailable'));
    await all.broadcast([spendWithFee(outpoint, 1_000n).raw]);
  });

  test('a contradiction that passes in time is none', async () => {
    const { a, b, txid } = three();
    let asked = 0;
    const late = saying(b, { transaction: async (id) => ((asked += 1) < 3 ? undefined : b.transaction(id)) });
    const chain = quorumOver([a, late], { agree: 2, settleMilliseconds: 10_000 });
    const events: ChainEvent[] = [];
    chain.subscribe((event) => events.push(event));
    assert.deepEqual(await chain.transaction(txid), await a.transaction(txid));
    assert.ok(!events.some(({ type }) => type === 'disagreement'));
    await chain.close();
  });

  test('a mempool event whose bytes are another transaction is dropped', async () => {
    const { a, b, txid, control } = three();
    const raw = (await a.transaction(txid))?.raw ?? '';
    const lying = saying(b, {
      subscribe: (listener) => {
        listener({ type: 'transaction', txid: NOBODY, raw });
        listener({ type: 'transaction', txid, raw: 'ff' });
        return () => undefined;
      },
    });
    const chain = quorumOver([a, lying], { agree: 2 });
    const events: ChainEvent[] = [];
    chain.subscribe((event) => events.push(event));
    await until(() => events.some(({ type }) => type === 'tip'));
    const paid = control.pay({ script: ownScript, sats: SATS }).slice(0, 64);
    const told = events.flatMap((event) => (event.type === 'transaction' ? [event.txid] : []));
    assert.deepEqual(told, [paid]);
    await chain.close();
  });

  test('a spend that only one source shows is no answer, and told all the same: it may hold a preimage', async () => {
    const { a, b, outpoint } = three();
    const spend = spendWithFee(outpoint, 1_000n);
    const silent = saying(a, { subscribe: () => () => undefined });
    const hiding = saying(b, { subscribe: () => () => undefined, spender: async () => undefined });
    const chain = quorumOver([silent, hiding], { agree: 2 });
    const told: string[] = [];
    chain.subscribe((event) => event.type === 'transaction' && told.push(event.raw));
    await a.broadcast([spend.raw]);
    await assert.rejects(chain.spender(outpoint, 0), refusal('sources_disagree', {}));
    assert.deepEqual(told, [spend.raw]);
    await chain.close();
  });

  test('a spend whose witness was taken out keeps the true one from nobody', async () => {
    const { a, b, outpoint } = three();
    const spend = spendWithFee(outpoint, 1_000n);
    const { inputs, ...rest } = readTransaction(spend.raw);
    const stripped = writeTransaction({ ...rest, inputs: inputs.map((input) => ({ ...input, witness: [] })) });
    let say: (event: ChainEvent) => void = () => undefined;
    const lying = saying(b, { subscribe: (listener) => ((say = listener), () => undefined) });
    const chain = quorumOver([a, lying], { agree: 2 });
    const told: string[] = [];
    chain.subscribe((event) => event.type === 'transaction' && told.push(event.raw));
    say({ type: 'transaction', txid: spend.txid, raw: stripped });
    await a.broadcast([spend.raw]);
    assert.deepEqual(told, [stripped, spend.raw]);
    await chain.close();
  });

  test('a source may lag by no more than the margins of the deadlines have to spare', () => {
    const { a } = three();
    for (const maxLagBlocks of [7, -1, 1.5])
      assert.throws(() => quorumOver([a], { agree: 1, maxLagBlocks }), refusedWith('bad_config'));
    quorumOver([a], { agree: 1, maxLagBlocks: 6 });
  });

  test('a quorum that came back tells the tip that it missed', async () => {
    const { a, b, control } = three();
    const chain = quorumOver([a, b], { agree: 2 });
    const events: ChainEvent[] = [];
    chain.subscribe((event) => events.push(event));
    await until(() => events.some(({ type }) => type === 'tip'));
    b.control.goDown();
    control.mine(1);
    b.control.comeBack();
    const tip = await a.tip();
    await until(() => events.some((event) => event.type === 'tip' && event.tip.hash === tip.hash));
    await chain.close();
  });
});
