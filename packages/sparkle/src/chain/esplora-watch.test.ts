import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { txidOf } from '../protocol/transaction.ts';
import type { Chain, ChainEvent } from './chain.ts';
import { esploraChain } from './esplora.ts';
import { PaperServer } from './esplora-paper.suite.ts';
import { spendWithFee, until } from './suite-hands.ts';

describe('esplora watch', () => {
  let paper: PaperServer;
  let chain: Chain;
  let outpoints: string[];
  let events: ChainEvent[];

  const open = (mempool: 'recent' | 'watched'): Chain =>
    esploraChain({
      ...{ url: paper.url, network: 'regtest', timeoutMilliseconds: 5_000, pollMilliseconds: 10, mempool },
      ...{ maxTipAgeSeconds: Infinity, nowSeconds: () => paper.timeSeconds, fallbackSatVb: 3 },
    });
  const told = (type: 'transaction' | 'removed', txid: string): boolean =>
    events.some((event) => event.type === type && event.txid === txid);
  const polls = (): number => paper.asked.filter((path) => path === '/blocks/tip/hash').length;
  /** So many polls later, whatever they bring. */
  const polled = async (times: number): Promise<void> => {
    const before = polls();
    await until(() => polls() >= before + times);
  };

  beforeEach(async () => {
    paper = new PaperServer();
    await paper.start();
    outpoints = Array.from({ length: 12 }, () => `${txidOf(paper.mine().raws[0] ?? '')}:0`);
    events = [];
    chain = open('watched');
    chain.subscribe((event) => events.push(event));
    await until(() => events.length > 0);
  });
  afterEach(async () => {
    await chain.close();
    paper.stop();
  });

  test('the spend of an output that was asked for is told: it comes, is replaced, and is evicted', async () => {
    const [outpoint = ''] = outpoints;
    assert.equal(await chain.spender(outpoint, 0), undefined);
    const first = spendWithFee(outpoint, 500n);
    const second = spendWithFee(outpoint, 2_000n);
    paper.mempool.push(first.raw);
    await until(() => told('transaction', first.txid));
    paper.mempool[0] = second.raw;
    await until(() => told('transaction', second.txid));
    assert.ok(told('removed', first.txid));
    paper.mempool.length = 0;
    await until(() => told('removed', second.txid));
    paper.mempool.push(second.raw);
    await until(
      () => events.filter((event) => event.type === 'transaction' && event.txid === second.txid).length === 2,
    );
  });

  test('a spend that nobody asked for is told only where the last arrivals are', async () => {
    const [outpoint = ''] = outpoints;
    const own = open('recent');
    const heard: ChainEvent[] = [];
    own.subscribe((event) => heard.push(event));
    await until(() => heard.length > 0);
    const { raw, txid } = spendWithFee(outpoint, 500n);
    paper.mempool.push(raw);
    await until(() => heard.some((event) => event.type === 'transaction' && event.txid === txid));
    await polled(5);
    assert.ok(!told('transaction', txid));
    await own.close();
  });

  test('what waited before anybody listened is no news', async () => {
    const [outpoint = ''] = outpoints;
    paper.mempool.push(spendWithFee(outpoint, 500n).raw);
    const own = open('recent');
    const heard: ChainEvent[] = [];
    own.subscribe((event) => heard.push(event));
    await polled(10);
    await until(() => heard.length > 0);
    assert.deepEqual(
      heard.map(({ type }) => type),
      ['tip'],
    );
    await own.close();
  });

  test('the inputs of what is broadcast are watched, so that its replacement is told', async () => {
    const [outpoint = ''] = outpoints;
    const first = spendWithFee(outpoint, 500n);
    const second = spendWithFee(outpoint, 2_000n);
    paper.lies.set('/tx', { status: 200, body: first.txid });
    await chain.broadcast([first.raw]);
    paper.mempool.push(first.raw);
    await until(() => told('transaction', first.txid));
    paper.mempool[0] = second.raw;
    await until(() => told('removed', first.txid) && told('transaction', second.txid));
  });

  test('of many outputs each has its turn', async () => {
    const funding = outpoints.map((outpoint) => outpoint.slice(0, 64));
    const many = Array.from({ length: 120 }, (_, index) => `${funding[index % 12]}:${index}`);
    await Promise.all(many.map((outpoint) => chain.spender(outpoint, 0)));
    paper.asked.length = 0;
    const paths = new Set(many.map((outpoint) => `/tx/${outpoint.replace(':', '/outspend/')}`));
    await until(() => new Set(paper.asked.filter((path) => paths.has(path))).size === 120);
  });

  test('one output of which the server lies keeps no other from being watched', async () => {
    const [lied = '', honest = ''] = outpoints;
    await chain.spender(lied, 0);
    await chain.spender(honest, 0);
    paper.lies.set(`/tx/${lied.slice(0, 64)}/outspend/0`, { status: 200, body: '{"spent":"perhaps"}' });
    const { raw, txid } = spendWithFee(honest, 500n);
    paper.mempool.push(raw);
    await until(() => told('transaction', txid));
  });

  test('a spend that is buried is asked for no more, until somebody asks for it', async () => {
    const [outpoint = ''] = outpoints;
    await chain.spender(outpoint, 0);
    paper.mine(spendWithFee(outpoint, 500n).raw);
    for (let block = 0; block < 6; block += 1) paper.mine();
    const looks = (): number =>
      paper.asked.filter((path) => path.endsWith(`${outpoint.slice(0, 64)}/outspend/0`)).length;
    await until(() => told('transaction', spendWithFee(outpoint, 500n).txid));
    await polled(2);
    const before = looks();
    await polled(6);
    assert.equal(looks(), before);
    await chain.spender(outpoint, 0);
    await until(() => looks() > before + 1);
  });

  test('a reorg is told with its blocks, by their proven heights', async () => {
    paper.mine();
    paper.mine();
    const { hash: last } = paper.tip;
    await until(() => events.some((event) => event.type === 'tip' && event.tip.hash === last));
    const gone = paper.blocks.splice(-2).map(({ hash, height }) => ({ hash, height }));
    paper.timeSeconds += 1_000;
    for (let block = 0; block < 3; block += 1) paper.mine();
    const reorg = await until(() => events.find((event) => event.type === 'reorg'));
    assert.ok(reorg.type === 'reorg');
    assert.deepEqual(reorg.disconnected, gone.toReversed());
    assert.equal(reorg.tip.hash, paper.tip.hash);
  });

  test('once nobody listens nothing is asked', async () => {
    const elsewhere = new PaperServer();
    await elsewhere.start();
    elsewhere.mine();
    await chain.close();
    const other = esploraChain({
      ...{ url: elsewhere.url, network: 'regtest', timeoutMilliseconds: 5_000, pollMilliseconds: 20 },
      ...{ mempool: 'watched', maxTipAgeSeconds: Infinity, nowSeconds: () => paper.timeSeconds, fallbackSatVb: 3 },
    });
    other.subscribe(() => undefined);
    const elsewherePolled = (times: number) =>
      until(() => elsewhere.asked.filter((path) => path === '/blocks/tip/hash').length >= times);
    // What was on its way when it was closed has arrived by then.
    await elsewherePolled(2);
    const before = paper.asked.length;
    await elsewherePolled(8);
    assert.equal(paper.asked.length, before);
    await other.close();
    elsewhere.stop();
    await assert.rejects(chain.tip());
  });
});
