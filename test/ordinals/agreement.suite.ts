import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutOrd } from '../regtest/parts.ts';
import { chance } from '../sim/chance.ts';
import { agreeWorld, type Census } from './world.ts';

/** Regtest halves its subsidy at block 150, ord never does: above, fees lie elsewhere for one than for the other. */
const LAST_HEIGHT = 148;
const MOST_DEPTH = 6;

async function live(seed: string): Promise<Census & { blocks: number; reorgs: number; compared: number }> {
  const luck = chance(seed);
  const index = luck.happens(0.5) ? (['runes', 'sats'] as const) : (['runes'] as const);
  const world = await agreeWorld({ chance: luck.fork('world'), index });
  const start = world.height();
  let [blocks, reorgs] = [0, 0];
  try {
    while (world.height() < LAST_HEIGHT) {
      const depth = Math.min(luck.between(1, MOST_DEPTH), world.height() - start);
      if (depth > 0 && luck.happens(0.07)) {
        await world.reorg(depth);
        blocks += depth + 1;
        reorgs += 1;
      } else {
        await world.block();
        blocks += 1;
      }
    }
    return { ...(await world.compareAll()), blocks, reorgs, compared: world.height() - start };
  } finally {
    await world.stop();
  }
}

/**
 * Worlds of blocks of chance in which a trace over a node and an ord server on the same node must say the same about every
 * inscription and output. Each world has 47 best blocks one after the other, and after each of them the two are compared.
 */
export function agreementSuite(seeds: readonly string[]): void {
  describe('a trace and an ord server agree', { skip: withoutBitcoind || withoutOrd }, () => {
    const all: Awaited<ReturnType<typeof live>>[] = [];
    for (const seed of seeds)
      test(`in world ${seed}, after every block and every reorg`, async () => {
        all.push(await live(seed));
      });

    test('and these worlds held all that can happen to an inscription', () => {
      const sum = (of: keyof (typeof all)[number]): number => all.reduce((so, each) => so + each[of], 0);
      assert.equal(sum('compared'), seeds.length * 47);
      for (const kind of [
        'reorgs',
        'gone',
        'inCoinbases',
        'behindOtherSats',
        'sharingAnOutput',
        'sharingASat',
      ] as const)
        assert.ok(sum(kind) > 0, kind);
    });
  });
}
