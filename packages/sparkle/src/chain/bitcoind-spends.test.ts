import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import { writeTransaction } from '../protocol/transaction.ts';
import { SpendSearch } from './bitcoind-spends.ts';
import { readRawBlock, type RawBlock } from './raw-block.ts';
import { refusedWith } from './suite-hands.ts';

/** A name for a block or a transaction that is a hash in form. */
const name = (letter: string): string => letter.repeat(64);

const named = (height: number): string => height.toString(16).padStart(64, '0');

const spendOf = (txid: string): string =>
  writeTransaction({
    ...{ version: 2, lockTime: 0 },
    inputs: [{ txid, vout: 0, scriptSig: new Uint8Array(), sequence: 0, witness: [] }],
    outputs: [{ valueSats: 1n, script: hex.decode('51') }],
  });

/** A block after `previous` that holds these raw transactions; its own hash is whatever the test files it under. */
function blockAfter(previous: string, raws: string[]): RawBlock {
  const link = hex.encode(hex.decode(previous).reverse());
  const count = raws.length.toString(16).padStart(2, '0');
  return readRawBlock(`00000020${link}${'00'.repeat(44)}${count}${raws.join('')}`);
}

/** A tree of blocks: a - b - c - d, and a rival branch b - x - y - z; each spends the outpoint named in `spends`. */
function tree(spends: Record<string, string[]>) {
  const links: Record<string, string> = { a: '0', b: 'a', c: 'b', d: 'c', 1: 'b', 2: '1', 3: '2' };
  const fetched: string[] = [];
  const search = new SpendSearch(async (hash) => {
    const letter = hash[0] ?? '';
    fetched.push(letter);
    const previous = links[letter];
    if (previous === undefined) throw new SparkleError('chain_unavailable', 'the node must have the block; it has not');
    return blockAfter(name(previous), (spends[letter] ?? []).map(spendOf));
  });
  const tip = (letter: string, height: number) => ({ hash: name(letter), height });
  return { fetched, search, tip };
}

const outpoint = `${name('e')}:0`;

describe('spend search', () => {
  test('a spend is found walking back from the tip, with the block that it is in', async () => {
    const { search, tip } = tree({ b: [name('e')] });
    const found = await search.find({ outpoint, fromHeight: 1, tip: tip('d', 4) });
    assert.deepEqual(found, { raw: spendOf(name('e')), block: { height: 2, hash: name('b') } });
  });

  test('blocks are fetched once, whatever is asked later', async () => {
    const { fetched, search, tip } = tree({ c: [name('7')] });
    assert.equal(await search.find({ outpoint, fromHeight: 1, tip: tip('d', 4) }), undefined);
    assert.equal(await search.find({ outpoint: `${name('8')}:3`, fromHeight: 1, tip: tip('d', 4) }), undefined);
    assert.equal(await search.find({ outpoint, fromHeight: 1, tip: tip('d', 4) }), undefined);
    assert.deepEqual(fetched, ['d', 'c', 'b', 'a']);
  });

  test('questions at the same time share a fetch', async () => {
    const { fetched, search, tip } = tree({});
    const asked = [1, 2, 3].map((vout) =>
      search.find({ outpoint: `${name('e')}:${vout}`, fromHeight: 1, tip: tip('d', 4) }),
    );
    assert.deepEqual(await Promise.all(asked), [undefined, undefined, undefined]);
    assert.deepEqual(fetched, ['d', 'c', 'b', 'a']);
  });

  test('only new blocks are looked at when the same is asked again', async () => {
    const { fetched, search, tip } = tree({ d: [name('e')] });
    assert.equal(await search.find({ outpoint, fromHeight: 1, tip: tip('c', 3) }), undefined);
    fetched.length = 0;
    assert.equal((await search.find({ outpoint, fromHeight: 1, tip: tip('d', 4) }))?.block.height, 4);
    // Once for its digest and once for the transaction itself.
    assert.deepEqual(fetched, ['d', 'd']);
    assert.equal((await search.find({ outpoint, fromHeight: 1, tip: tip('d', 4) }))?.block.height, 4);
    assert.deepEqual(fetched, ['d', 'd']);
  });

  test('after a reorg the answer is that of the other branch, and back again', async () => {
    const { search, tip } = tree({ c: [name('e')], 3: [name('e')] });
    const ask = (letter: string, height: number) => search.find({ outpoint, fromHeight: 1, tip: tip(letter, height) });
    assert.equal((await ask('d', 4))?.block.hash, name('c'));
    assert.equal(await ask('2', 4), undefined);
    assert.equal((await ask('3', 5))?.block.hash, name('3'));
    assert.equal((await ask('d', 4))?.block.hash, name('c'));
  });

  test('a search that began higher does not hide what lies lower', async () => {
    const { search, tip } = tree({ a: [name('e')] });
    assert.equal(await search.find({ outpoint, fromHeight: 3, tip: tip('d', 4) }), undefined);
    assert.equal((await search.find({ outpoint, fromHeight: 1, tip: tip('d', 4) }))?.block.height, 1);
  });

  test('a search that is ended stops at the next block, and the next one goes on from there', async () => {
    const links = new Map(Array.from({ length: 60 }, (_, height) => [named(height), named(height - 1)]));
    const fetched: string[] = [];
    let end = new AbortController();
    const search = new SpendSearch(async (hash) => {
      fetched.push(hash);
      if (fetched.length % 20 === 0) end.abort(new SparkleError('busy', 'it took too long'));
      return blockAfter(links.get(hash) ?? '', hash === named(5) ? [spendOf(name('e'))] : []);
    });
    const find = (height: number) =>
      search.find({ outpoint, fromHeight: 1, tip: { hash: named(height), height }, signal: end.signal });
    await assert.rejects(find(50), refusedWith('busy'));
    assert.deepEqual([fetched.length, fetched.at(-1)], [20, named(31)]);
    end = new AbortController();
    await assert.rejects(find(52), refusedWith('busy'));
    assert.deepEqual([fetched.length, fetched[20], fetched[22], fetched.at(-1)], [40, named(52), named(30), named(13)]);
    end = new AbortController();
    assert.equal((await find(52))?.block.height, 5);
    assert.equal(new Set(fetched).size, fetched.length - 1);
  });

  test('a search that is ended on one branch leaves nothing behind that hides a spend on another', async () => {
    const end = new AbortController();
    const { fetched, search, tip } = tree({ 1: [name('e')] });
    const asked = search.find({ outpoint, fromHeight: 1, tip: tip('d', 4), signal: end.signal });
    end.abort(new SparkleError('busy', 'it took too long'));
    await assert.rejects(asked, refusedWith('busy'));
    assert.deepEqual(fetched, ['d']);
    const ask = (letter: string, height: number) => search.find({ outpoint, fromHeight: 1, tip: tip(letter, height) });
    assert.equal((await ask('3', 5))?.block.hash, name('1'));
    assert.equal(await ask('d', 4), undefined);
    assert.equal((await ask('3', 5))?.block.hash, name('1'));
  });

  test('a block that cannot be fetched is asked for again next time', async () => {
    const { fetched, search } = tree({});
    const ask = () => search.find({ outpoint, fromHeight: 1, tip: { hash: name('9'), height: 4 } });
    await assert.rejects(ask(), refusedWith('chain_unavailable'));
    await assert.rejects(ask(), refusedWith('chain_unavailable'));
    assert.deepEqual(fetched, ['9', '9']);
  });
});
