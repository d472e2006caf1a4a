import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import type { Checkpoint } from './electrum-checkpoints.ts';
import { firstBlock, recentBlock } from './electrum-checkpoints.ts';
import { HeaderChain } from './electrum-headers.ts';
import { FakeChain } from './electrum-server.suite.ts';
import { untilItFits } from './electrum-trouble.ts';
import { networkNames } from '../protocol/network.ts';
import { PERIOD_BLOCKS } from '../protocol/header-rules.ts';

const HEIGHT = 4 * PERIOD_BLOCKS + 100;
const world = new FakeChain();

const announced = (height: number) => ({ height, raw: world.blocks[height]?.raw ?? '' });

type Fetch = (start: number, count: number) => Promise<string[]>;

/** A chain of headers that fetches from the world, and notes where. */
function follower({ checkpoint = firstBlock('regtest'), fetch }: { checkpoint?: Checkpoint; fetch?: Fetch } = {}) {
  const fetched: number[] = [];
  const honest: Fetch = async (start, count) => {
    fetched.push(start);
    return world.blocks.slice(start, start + count).map(({ raw }) => raw);
  };
  return { headers: new HeaderChain({ network: 'regtest', checkpoint, fetch: fetch ?? honest }), fetched };
}

const lies = (what: string) => (error: unknown) => error instanceof SparkleError && error.detail['what'] === what;

describe('the headers of an Electrum server', () => {
  before(() => {
    while (world.height < HEIGHT) world.mine();
  });

  test('from the first block on all are checked, and old ones are found again in one question', async () => {
    const { headers, fetched } = follower();
    await headers.follow(announced(HEIGHT));
    assert.equal(headers.tip.header.hash, world.hash(HEIGHT));
    fetched.length = 0;
    for (const height of [77, 78, PERIOD_BLOCKS - 1]) assert.equal((await headers.at(height)).hash, world.hash(height));
    assert.deepEqual(fetched, [0]);
  });

  test('from a checkpoint on only those since are checked, and older ones link up to it', async () => {
    const height = 3 * PERIOD_BLOCKS + 50;
    const { headers, fetched } = follower({ checkpoint: { height, hash: world.hash(height) } });
    await headers.follow(announced(HEIGHT));
    assert.ok(fetched.every((start) => start >= 3 * PERIOD_BLOCKS));
    fetched.length = 0;
    assert.equal((await headers.at(PERIOD_BLOCKS)).hash, world.hash(PERIOD_BLOCKS));
    assert.deepEqual(fetched, [2 * PERIOD_BLOCKS, PERIOD_BLOCKS]);
  });

  test('a server may send fewer headers at once than it was asked for', async () => {
    const fetch: Fetch = async (start, count) =>
      world.blocks.slice(start, start + Math.min(count, 500)).map(({ raw }) => raw);
    const { headers } = follower({ fetch });
    await headers.follow(announced(3_000));
    assert.equal(headers.tip.height, 3_000);
  });

  test('old headers that do not link up to the known ones are refused', async () => {
    const height = 3 * PERIOD_BLOCKS;
    const fetch: Fetch = async (start, count) => {
      const from = start < PERIOD_BLOCKS ? start + 1 : start;
      return world.blocks.slice(from, from + count).map(({ raw }) => raw);
    };
    const { headers } = follower({ checkpoint: { height, hash: world.hash(height) }, fetch });
    await headers.follow(announced(HEIGHT));
    assert.equal((await headers.at(PERIOD_BLOCKS + 1)).hash, world.hash(PERIOD_BLOCKS + 1));
    await assert.rejects(
      untilItFits(() => headers.at(5)),
      lies('other_chain'),
    );
  });

  test('a fork that would leave out the checkpoint is refused, however much work it has', async () => {
    const fork = new FakeChain();
    fork.blocks = world.blocks.slice(0, 100);
    while (fork.height < 200) fork.mine({ timeSeconds: 1_500_000_000 + fork.height });
    let shown: FakeChain = world;
    const fetch: Fetch = async (start, count) => shown.blocks.slice(start, start + count).map(({ raw }) => raw);
    const { headers } = follower({ checkpoint: { height: 120, hash: world.hash(120) }, fetch });
    await headers.follow(announced(130));
    shown = fork;
    const raw = fork.blocks[200]?.raw ?? '';
    await assert.rejects(
      untilItFits(() => headers.follow({ height: 200, raw })),
      lies('other_chain'),
    );
    assert.equal(headers.tip.header.hash, world.hash(130));
  });

  test('a fork is followed back to where it began, however deep above the checkpoint', async () => {
    const fork = new FakeChain();
    fork.blocks = world.blocks.slice(0, 61);
    while (fork.height < 210) fork.mine({ timeSeconds: 1_500_000_000 + fork.height });
    let shown: FakeChain = world;
    const fetch: Fetch = async (start, count) => shown.blocks.slice(start, start + count).map(({ raw }) => raw);
    const { headers } = follower({ fetch });
    await headers.follow(announced(200));
    shown = fork;
    await headers.follow({ height: 210, raw: fork.blocks[210]?.raw ?? '' });
    for (const height of [60, 61, 200, 210]) assert.equal((await headers.at(height)).hash, fork.hash(height));
    assert.deepEqual(headers.byHash(fork.hash(61)), { height: 61, previous: world.hash(60) });
    assert.equal(headers.byHash(world.hash(61)), undefined);
  });

  test('headers that it announced and does not have are a server in the middle of a change', async () => {
    const { headers } = follower({ fetch: async (start) => (start === 0 ? [world.blocks[0]?.raw ?? ''] : []) });
    const changes = (error: unknown) => error instanceof SparkleError && error.detail['reason'] === 'changing';
    await assert.rejects(
      untilItFits(() => headers.follow(announced(9))),
      changes,
    );
  });

  test('each network has a block that is known', () => {
    for (const network of networkNames) assert.match(recentBlock[network].hash, /^[0-9a-f]{64}$/);
  });
});
