import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { addressOf, startRegtest, withoutBitcoind } from '../../../../test/regtest/bitcoind.ts';
import { bitcoindChain } from '../chain/bitcoind.ts';
import { memoryChain } from '../chain/memory.ts';
import { refusedWith } from '../chain/suite-hands.ts';
import { localOrdinals } from './local.ts';
import { memoryOrdinals } from './memory.ts';
import { Hands, ordinalsSuite, type OrdinalsBench } from './ordinals.suite.ts';

const MAX_TRANSACTIONS = 20_000;
const text = (body: string) => ({ body: new TextEncoder().encode(body), contentType: 'text/plain' });

type Memory = ReturnType<typeof memoryChain>;

function benchOf(chain: Memory, ordinals: OrdinalsBench['ordinals']): OrdinalsBench {
  const { control } = chain;
  return {
    ...{ chain, blocks: chain, ordinals, network: 'regtest', sees: 'mempool' },
    mine: async (blocks) => control.mine(blocks),
    mineExactly: async (raws) => control.mineExactly(raws),
    reorg: async (options) => control.reorg(options),
    pay: async (payment) => control.pay(payment),
    stop: async () => undefined,
  };
}

const open = (): Memory => memoryChain({ network: 'regtest', seed: 4, nowSeconds: () => 1_750_000_000 });

ordinalsSuite('traced on a memory chain', async () => {
  const chain = open();
  return benchOf(chain, localOrdinals({ chain, blocks: chain, maxTransactions: MAX_TRANSACTIONS }));
});

ordinalsSuite('indexed on a memory chain', async () => {
  const chain = open();
  return benchOf(chain, memoryOrdinals({ chain }));
});

async function onNode(): Promise<OrdinalsBench> {
  const regtest = await startRegtest();
  const chain = bitcoindChain({
    ...{ url: regtest.node.rpcUrl, credentials: { cookieFile: regtest.node.cookieFile }, zmq: {} },
    ...{ timeoutMilliseconds: 10_000, pollMilliseconds: 1_000, fallbackSatVb: 2 },
  });
  return {
    ...{ chain, blocks: chain, network: 'regtest', sees: 'mempool' },
    ordinals: localOrdinals({ chain, blocks: chain, maxTransactions: MAX_TRANSACTIONS }),
    mine: async (blocks) => void (await regtest.mine(blocks)),
    mineExactly: async (raws) => void (await regtest.generateBlock(raws)),
    reorg: regtest.reorg,
    pay: ({ script, sats }) => regtest.pay({ to: addressOf(script), sats }),
    stop: regtest.stop,
  };
}

ordinalsSuite('traced on a node', onNode, { skip: withoutBitcoind });

test('a sat that a miner left behind is lost for good', { skip: withoutBitcoind }, async () => {
  const bench = await onNode();
  try {
    const hands = new Hands(bench);
    const { txid, coins } = await hands.reveal([{ ...text('left'), pointer: 9_500n }], [10_000n]);
    // generateblock takes the subsidy and leaves the fees.
    await hands.move(coins, [9_000n]);
    await assert.rejects(bench.ordinals.locate(`${txid}i0`), refusedWith('unknown_inscription'));
  } finally {
    await bench.chain.close();
    await bench.stop();
  }
});

describe('a trace without an index', () => {
  test('a way that is too long is given up, and never answered with nothing', async () => {
    const chain = open();
    const ordinals = localOrdinals({ chain, blocks: chain, maxTransactions: 12 });
    const hands = new Hands(benchOf(chain, ordinals));
    let coin = await hands.cardinal(50_000n);
    await hands.holds(coin.outpoint, []);
    for (let step = 0; step < 8; step += 1) {
      const { coins } = await hands.move([coin], [coin.sats - 500n]);
      coin = coins[0] ?? coin;
    }
    await assert.rejects(ordinals.inscriptionsIn(coin.outpoint), refusedWith('not_indexed'));
  });

  test('without whole blocks a sat that went into a fee cannot be followed, and that is said', async () => {
    const chain = open();
    const ordinals = localOrdinals({ chain, maxTransactions: MAX_TRANSACTIONS });
    const hands = new Hands(benchOf(chain, ordinals));
    const { txid, coins } = await hands.reveal([{ ...text('lost'), pointer: 9_500n }], [10_000n]);
    await hands.move(coins, [9_000n]);
    await assert.rejects(ordinals.locate(`${txid}i0`), refusedWith('not_indexed'));
  });

  test('an inscription whose reveal waits in the mempool has no confirmed place yet', async () => {
    const chain = open();
    const ordinals = localOrdinals({ chain, blocks: chain, maxTransactions: MAX_TRANSACTIONS });
    const { txid } = await new Hands(benchOf(chain, ordinals)).reveal([text('soon')], [10_000n]);
    chain.control.reorg({ depth: 1, mempool: 'waiting' });
    await assert.rejects(ordinals.locate(`${txid}i0`), refusedWith('not_indexed'));
    assert.deepEqual(await ordinals.inscriptionsIn(`${txid}:0`), [`${txid}i0`]);
  });

  test('an index that stands still answers nothing about later blocks', async () => {
    const chain = open();
    const ordinals = memoryOrdinals({ chain });
    const { txid } = await new Hands(benchOf(chain, ordinals)).reveal([text('still')], [10_000n]);
    ordinals.stall();
    await assert.rejects(ordinals.locate(`${txid}i0`), refusedWith('not_indexed'));
    await assert.rejects(ordinals.inscriptionsIn(`${txid}:0`), refusedWith('not_indexed'));
    ordinals.resume();
    assert.equal((await ordinals.locate(`${txid}i0`)).satpoint, `${txid}:0:0`);
  });
});

type Step = { take: number[]; cuts: number[]; inscribe: boolean; reorg: boolean };

const step: fc.Arbitrary<Step> = fc.record({
  take: fc.array(fc.nat(7), { minLength: 1, maxLength: 3 }),
  cuts: fc.array(fc.integer({ min: 5, max: 60 }), { minLength: 1, maxLength: 3 }),
  ...{ inscribe: fc.boolean(), reorg: fc.boolean() },
});

test('tracing and indexing give the same answers, whatever is inscribed, merged, parted, paid as a fee and reorganised', async () => {
  const born = open();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 12 }), async (steps) => {
      const chain = born.control.copy({ nowSeconds: () => 1_750_000_000 });
      const traced = localOrdinals({ chain, blocks: chain, maxTransactions: MAX_TRANSACTIONS });
      const hands = new Hands(benchOf(chain, traced));
      const indexed = memoryOrdinals({ chain });
      const coins = new Map<string, bigint>();
      const ids: string[] = [];
      for (const { take, cuts, inscribe, reorg } of steps) {
        if (inscribe) {
          const { txid, coins: revealed } = await hands.reveal(
            [text('a'), { ...text('b'), pointer: 777n }],
            [5_000n, 3_000n],
          );
          ids.push(`${txid}i0`, `${txid}i1`);
          for (const { outpoint, sats } of revealed) coins.set(outpoint, sats);
        }
        const inputs = [...new Set(take)].flatMap((index) => {
          const outpoint = [...coins.keys()][index];
          return outpoint === undefined ? [] : [{ outpoint, sats: coins.get(outpoint) ?? 0n }];
        });
        if (inputs.length === 0) continue;
        const total = inputs.reduce((sum, { sats }) => sum + sats, 0n);
        const parts = cuts.map((percent) => (total * BigInt(percent)) / 181n).filter((sats) => sats >= 330n);
        if (parts.length === 0) continue;
        const moved = await hands.move(inputs, parts);
        for (const { outpoint } of inputs) coins.delete(outpoint);
        for (const { outpoint, sats } of moved.coins) coins.set(outpoint, sats);
        if (reorg) chain.control.reorg({ depth: 2, mempool: 'mined' });
      }
      for (const id of ids) assert.deepEqual(await traced.locate(id), await indexed.locate(id));
      for (const outpoint of coins.keys())
        assert.deepEqual(await traced.inscriptionsIn(outpoint), await indexed.inscriptionsIn(outpoint));
    }),
    { numRuns: 20, seed: 20_261_121 },
  );
});
