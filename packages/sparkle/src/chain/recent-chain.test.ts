import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { recentChain } from './recent-chain.ts';

/** Blocks by name: height and the block before. */
type Tree = Record<string, [height: number, previous: string]>;

function watch(tree: Tree) {
  const recent = recentChain(async (hash) => {
    const [height, previous] = tree[hash] ?? [0, ''];
    return { height, previous };
  });
  return (hash: string) => recent.moveTo({ height: tree[hash]?.[0] ?? 0, hash, timeSeconds: 1 });
}

const line = (prefix: string, from: number, to: number, root: string): Tree =>
  Object.fromEntries(
    Array.from({ length: to - from + 1 }, (_, index) => {
      const height = from + index;
      return [`${prefix}${height}`, [height, height === from ? root : `${prefix}${height - 1}`] as [number, string]];
    }),
  );

const tree = { ...line('a', 1, 300, ''), ...line('b', 4, 10, 'a3'), ...line('c', 100, 302, 'a99') };
const tip = (hash: string) => ({ height: tree[hash]?.[0] ?? 0, hash, timeSeconds: 1 });

describe('recent chain', () => {
  test('the first look tells nothing, the same tip nothing, a new one itself', async () => {
    const moveTo = watch(tree);
    assert.equal(await moveTo('a5'), undefined);
    assert.equal(await moveTo('a5'), undefined);
    assert.deepEqual(await moveTo('a6'), { type: 'tip', tip: tip('a6') });
  });

  test('several new blocks at once are one new tip', async () => {
    const moveTo = watch(tree);
    await moveTo('a3');
    assert.deepEqual(await moveTo('a9'), { type: 'tip', tip: tip('a9') });
  });

  test('a fork is told with the blocks that are gone, the highest first', async () => {
    const moveTo = watch(tree);
    await moveTo('a3');
    await moveTo('a6');
    const disconnected = ['a6', 'a5', 'a4'].map((hash) => ({ height: tip(hash).height, hash }));
    assert.deepEqual(await moveTo('b7'), { type: 'reorg', disconnected, tip: tip('b7') });
    assert.equal((await moveTo('a8'))?.type, 'reorg');
  });

  test('a chain that only lost blocks is a reorg too', async () => {
    const moveTo = watch(tree);
    await moveTo('a3');
    await moveTo('a5');
    const disconnected = ['a5', 'a4'].map((hash) => ({ height: tip(hash).height, hash }));
    assert.deepEqual(await moveTo('a3'), { type: 'reorg', disconnected, tip: tip('a3') });
  });

  test('a fork below all that is remembered tells all of it as gone', async () => {
    const moveTo = watch(tree);
    await moveTo('a150');
    await moveTo('a300');
    const event = await moveTo('c302');
    assert.ok(event?.type === 'reorg');
    // R2: a hundred blocks are remembered.
    assert.equal(event.disconnected.length, 100);
    assert.deepEqual(event.disconnected.at(-1), { height: 201, hash: 'a201' });
  });
});
