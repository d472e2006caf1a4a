import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { runKills } from './run.ts';

test(
  'traders that are killed in the middle of real trades come back to the same outcome',
  { skip: withoutBitcoind },
  async () => {
    const { kills, disagreements } = await runKills({ kills: 4, seed: 7, say: () => {} });
    assert.deepEqual({ enough: kills >= 4, disagreements }, { enough: true, disagreements: 0 });
  },
);
