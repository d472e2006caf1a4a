import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { refusal } from '../bench.suite.ts';
import type { BlockHeader, BlockSource } from './block-source.ts';
import { ChainSync } from './chain-sync.ts';
import { displayHash, internalHash } from './values.ts';

type Block = BlockHeader & { bytes: string };

/** A block that is only a header and no transactions: what follows its tip is all that is looked at. */
function block({ previous, height, salt }: { previous: string; height: number; salt: number }): Block {
  const header = new Uint8Array(80);
  header.set(internalHash(previous), 4);
  header[36] = salt;
  const raw = hex.encode(header);
  return {
    hash: displayHash(sha256(sha256(header))),
    previous,
    height,
    timeSeconds: 0,
    raw,
    inBestChain: true,
    bytes: `${raw}00`,
  };
}

function chainOf({ from, count, salt }: { from: Block; count: number; salt: number }): Block[] {
  const blocks: Block[] = [];
  for (let previous = from; blocks.length < count; previous = blocks[blocks.length - 1] ?? from)
    blocks.push(block({ previous: previous.hash, height: previous.height + 1, salt }));
  return blocks;
}

const genesis = block({ previous: '00'.repeat(32), height: 0, salt: 0 });

/** A source whose best chain can be changed, and a library that writes down what it is told. */
function worldFrom(best: Block[]) {
  const known = new Map<string, Block>([genesis, ...best].map((each) => [each.hash, each]));
  const state = { best: [genesis, ...best], onFetch: (_height: number): void => undefined };
  const told: string[] = [];
  const source = {
    bestHash: async () => state.best.at(-1)?.hash ?? '',
    blockHash: async (height: number) => {
      state.onFetch(height);
      return state.best[height]?.hash;
    },
    header: async (hash: string) => {
      const found = known.get(hash);
      return found === undefined ? undefined : { ...found, inBestChain: state.best.includes(found) };
    },
    rawBlock: async (hash: string) => known.get(hash)?.bytes ?? '',
  };
  const core = {
    bestBlock: () => ({ hash: genesis.hash, height: 0 }),
    connectBlock: ({ height, raw }: { height: number; raw: Uint8Array }) => void told.push(`+${height}:${raw[36]}`),
    disconnectBlock: ({ height }: { height: number }) => void told.push(`-${height}`),
  };
  const become = (blocks: Block[]): void => {
    for (const each of blocks) known.set(each.hash, each);
    state.best = [genesis, ...blocks];
  };
  const unused = { broadcaster: undefined, feeEstimator: undefined, logger: undefined };
  const sync = new ChainSync({
    source: source as unknown as BlockSource,
    core: { ...core, ...unused } as unknown as ConstructorParameters<typeof ChainSync>[0]['core'],
    turn: (work) => work(),
    moved: () => void told.push('moved'),
  });
  return { sync, told, state, become, source };
}

test('blocks are connected in order, several small ones in one turn', async () => {
  const { sync, told } = worldFrom(chainOf({ from: genesis, count: 3, salt: 1 }));
  await sync.sync();
  assert.deepEqual(told, ['+1:1', '+2:1', '+3:1', 'moved']);
  assert.equal(sync.tip.height, 3);
  await sync.sync();
  assert.equal(told.length, 4);
});

test('a reorg takes back blocks from the top down and connects the others', async () => {
  const old = chainOf({ from: genesis, count: 3, salt: 1 });
  const { sync, told, become } = worldFrom(old);
  await sync.sync();
  const [first] = old;
  assert.ok(first !== undefined);
  become([first, ...chainOf({ from: first, count: 3, salt: 2 })]);
  await sync.sync();
  assert.deepEqual(told.slice(4), ['-3', '-2', 'moved', '+2:2', '+3:2', '+4:2', 'moved']);
});

test('a reorg in the middle of a look connects nothing that does not follow', async () => {
  const { sync, told, become, state } = worldFrom(chainOf({ from: genesis, count: 3, salt: 1 }));
  const others = chainOf({ from: genesis, count: 5, salt: 2 });
  state.onFetch = (height) => {
    if (height === 2) become(others);
  };
  await sync.sync();
  // Block 1 is of the old chain; the library would have panicked on the new block 2 behind it.
  assert.deepEqual(told, ['+1:1', 'moved', '-1', 'moved', '+1:2', '+2:2', '+3:2', '+4:2', '+5:2', 'moved']);
});

test('a source that gives another block than the one asked for is not believed', async () => {
  const { sync, source, told } = worldFrom(chainOf({ from: genesis, count: 1, salt: 1 }));
  source.rawBlock = async () => genesis.bytes;
  await refusal(sync.sync(), 'chain_unavailable');
  assert.deepEqual(told, []);
});

test('a source that does not know our tip is of another chain', async () => {
  const { sync, source } = worldFrom(chainOf({ from: genesis, count: 1, salt: 1 }));
  source.header = async () => undefined;
  await refusal(sync.sync(), 'wrong_network');
});

test('after the end nothing is connected any more', async () => {
  const { sync, told } = worldFrom(chainOf({ from: genesis, count: 2, salt: 1 }));
  const running = sync.sync();
  await sync.end();
  await running;
  assert.deepEqual(told, []);
});
