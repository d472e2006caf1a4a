import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChainEvent } from './chain.ts';
import { confirmedCoin, refusedWith, SATS, spendWithFee, until, type Hands } from './suite-hands.ts';
import { ownScript } from './suite-keys.ts';

export function reorgTests(hands: Hands): void {
  const { bench, chain } = hands;

  for (const depth of [1, 2, 3, 4, 5, 6]) {
    test(`a reorg ${depth} deep takes a spend back into the mempool, where it is seen as such`, async () => {
      const { outpoint, height } = await confirmedCoin(hands);
      const { raw, txid } = spendWithFee(outpoint, 1_000n);
      await chain().broadcast([raw]);
      await bench().mine(depth);
      const before = await chain().spender(outpoint, height);
      assert.equal(before?.block?.height, height + 1);
      await bench().reorg({ depth, mempool: 'waiting' });
      assert.deepEqual(await chain().spender(outpoint, height), { txid, raw });
      assert.deepEqual(await chain().transaction(txid), { txid, raw });
      assert.equal(await chain().unspent(outpoint), undefined);
      assert.deepEqual((await chain().unspent(`${txid}:0`))?.confirmations, 0);
      assert.notEqual(await chain().blockHash(height + 1), before?.block?.hash);
      await bench().mine(1);
      const again = await chain().spender(outpoint, height);
      assert.equal(again?.block?.height, height + depth + 2);
    });

    test(`a reorg ${depth} deep moves a transaction to another block, whose hash is told`, async () => {
      const { outpoint, height } = await confirmedCoin(hands);
      const { raw, txid } = spendWithFee(outpoint, 1_000n);
      await chain().broadcast([raw]);
      await bench().mine(depth);
      const before = await chain().transaction(txid);
      await bench().reorg({ depth, mempool: 'mined' });
      const now = await chain().transaction(txid);
      assert.ok(now?.block !== undefined);
      assert.notEqual(now.block.hash, before?.block?.hash);
      assert.equal(await chain().blockHash(now.block.height), now.block.hash);
      assert.deepEqual(await chain().spender(outpoint, height), now);
    });
  }

  test('after a reorg another transaction may spend the output, and the first is gone for good', async () => {
    const { outpoint, height } = await confirmedCoin(hands);
    const first = spendWithFee(outpoint, 1_000n);
    const second = spendWithFee(outpoint, 5_000n);
    await chain().broadcast([first.raw]);
    await bench().mine(2);
    await bench().reorg({ depth: 2, mempool: 'waiting' });
    await chain().broadcast([second.raw]);
    assert.equal((await chain().spender(outpoint, height))?.txid, second.txid);
    await bench().mine(1);
    assert.equal((await chain().spender(outpoint, height))?.txid, second.txid);
    assert.equal(await chain().transaction(first.txid), undefined);
    await assert.rejects(chain().broadcast([first.raw]), refusedWith('broadcast_refused'));
  });
}

export function eventTests(hands: Hands): void {
  const { bench, chain } = hands;

  /** Collects events; the first is a tip, and after it nothing is missed. */
  const listen = async (): Promise<{ events: ChainEvent[]; stop: () => void }> => {
    const events: ChainEvent[] = [];
    const stop = chain().subscribe((event) => events.push(event));
    await until(() => events.some(({ type }) => type === 'tip'));
    return { events, stop };
  };

  test('whoever subscribes is told the tip, and each new one', async () => {
    const { events, stop } = await listen();
    await bench().mine(1);
    const tip = await chain().tip();
    await until(() => events.some((event) => event.type === 'tip' && event.tip.hash === tip.hash));
    stop();
  });

  test('a reorg is told with the blocks that are gone', async () => {
    await bench().mine(3);
    const { events, stop } = await listen();
    await bench().mine(2);
    const tip = await chain().tip();
    await until(() => events.some((event) => event.type === 'tip' && event.tip.hash === tip.hash));
    await bench().reorg({ depth: 2, mempool: 'mined' });
    const reorg = await until(() => events.find((event) => event.type === 'reorg'));
    assert.ok(reorg.type === 'reorg' && reorg.disconnected.some(({ hash }) => hash === tip.hash));
    assert.ok(reorg.disconnected.every(({ height }) => height > tip.height - 2));
    stop();
  });

  test('a transaction is told when it enters the mempool', async () => {
    const { events, stop } = await listen();
    const seen = (txid: string) => events.find((event) => event.type === 'transaction' && event.txid === txid);
    const outpoint = await bench().pay({ script: ownScript, sats: SATS });
    const event = await until(() => seen(outpoint.slice(0, 64)));
    assert.ok(event.type === 'transaction');
    assert.equal(event.raw, (await chain().transaction(outpoint.slice(0, 64)))?.raw);
    await bench().mine(1);
    stop();
  });

  test('a transaction that is replaced is told as removed', async () => {
    const { outpoint } = await confirmedCoin(hands);
    const { events, stop } = await listen();
    const first = spendWithFee(outpoint, 500n);
    const second = spendWithFee(outpoint, 2_000n);
    await chain().broadcast([first.raw]);
    await until(() => events.some((event) => event.type === 'transaction' && event.txid === first.txid));
    await chain().broadcast([second.raw]);
    await until(() => events.some((event) => event.type === 'removed' && event.txid === first.txid));
    stop();
  });

  test('a listener that left is told nothing more', async () => {
    const left = await listen();
    left.stop();
    const before = left.events.length;
    const staying = await listen();
    await bench().mine(1);
    const tip = await chain().tip();
    await until(() => staying.events.some((event) => event.type === 'tip' && event.tip.hash === tip.hash));
    assert.equal(left.events.length, before);
    staying.stop();
  });
}

export function outageTests(hands: Hands): void {
  const { bench, chain } = hands;

  test('while the source is away every question is refused, and afterwards all is as before', async (t) => {
    const { outage } = bench();
    if (outage === undefined) return t.diagnostic('this source cannot be taken away');
    const { outpoint, height } = await confirmedCoin(hands);
    const tip = await chain().tip();
    const events: ChainEvent[] = [];
    const stop = chain().subscribe((event) => events.push(event));
    await outage.down();
    const questions = [
      () => chain().network(),
      () => chain().tip(),
      () => chain().blockHash(1),
      () => chain().transaction(outpoint.slice(0, 64)),
      () => chain().unspent(outpoint),
      () => chain().spender(outpoint, height),
      () => chain().feerate(2),
      () => chain().broadcast([spendWithFee(outpoint, 1_000n).raw]),
    ];
    for (const question of questions) await assert.rejects(question, refusedWith('chain_unavailable'));
    await outage.up();
    assert.deepEqual(await chain().tip(), tip);
    events.length = 0;
    await bench().mine(1);
    const next = await chain().tip();
    await until(() => events.some((event) => event.type === 'tip' && event.tip.hash === next.hash));
    stop();
  });
}
