import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SparkleError } from '../protocol/errors.ts';
import type { Chain, ChainTransaction, Tip, UnspentOutput } from './chain.ts';
import { memoryChain } from './memory.ts';
import { quorumChain } from './quorum.ts';
import { SATS, spendWithFee } from './suite-hands.ts';
import { ownScript } from './suite-keys.ts';

const NOW_SECONDS = 1_750_000_000;
const MAX_LAG = 2;

/** A past with something of everything: a confirmed spend, a waiting spend, an unspent output. */
async function past() {
  const world = memoryChain({ network: 'regtest', seed: 7, nowSeconds: () => NOW_SECONDS });
  const { control } = world;
  const [kept, spent, waiting] = [1, 2, 3].map(() => control.pay({ script: ownScript, sats: SATS }));
  assert.ok(kept !== undefined && spent !== undefined && waiting !== undefined);
  control.mine(1);
  await world.broadcast([spendWithFee(spent, 1_000n).raw]);
  control.mine(2);
  await world.broadcast([spendWithFee(waiting, 1_000n).raw]);
  return { world, outpoints: [kept, spent, waiting, `${'f'.repeat(64)}:0`] };
}

const { world, outpoints } = await past();
const honestTip = await world.tip();
const hashes = await Promise.all(
  Array.from({ length: 8 }, async (_, below) => world.blockHash(honestTip.height - below)),
);

/** What may be said that is not so; all of it looks like an answer. */
const anyHash = fc.constantFrom('ab'.repeat(32), 'cd'.repeat(32), ...hashes.flatMap((hash) => hash ?? []));
const anyHeight = fc.integer({ min: honestTip.height - 6, max: honestTip.height + 6 });
const anyTip: fc.Arbitrary<Tip> = fc.record({
  hash: anyHash,
  height: anyHeight,
  timeSeconds: fc.integer({ min: NOW_SECONDS - 99_999, max: NOW_SECONDS + 99_999 }),
});
const anyBlock = fc.record({ height: anyHeight, hash: anyHash });
const anyOutput = fc.option(
  fc.record<UnspentOutput>({
    valueSats: fc.constantFrom(SATS, SATS * 10n),
    script: fc.constantFrom(ownScript, '51'),
    confirmations: fc.integer({ min: 0, max: 9 }),
  }),
  { nil: undefined },
);

type Lie = {
  tip: Tip | 'honest' | 'away';
  hash: { said: string | undefined } | 'honest';
  place: 'honest' | 'nowhere' | 'mempool' | { height: number; hash: string };
  bytes: 'honest' | 'other';
  spend: 'honest' | 'none' | 'another';
  output: UnspentOutput | undefined | 'honest';
};

const anyLie: fc.Arbitrary<Lie> = fc.record({
  tip: fc.oneof(fc.constantFrom('honest' as const, 'away' as const), anyTip),
  hash: fc.oneof(fc.constant('honest' as const), fc.record({ said: fc.option(anyHash, { nil: undefined }) })),
  place: fc.oneof(fc.constantFrom('honest' as const, 'nowhere' as const, 'mempool' as const), anyBlock),
  bytes: fc.constantFrom('honest' as const, 'other' as const),
  spend: fc.constantFrom('honest' as const, 'none' as const, 'another' as const),
  output: fc.oneof(fc.constant('honest' as const), anyOutput),
});

function place(found: ChainTransaction | undefined, { place: at, bytes }: Lie): ChainTransaction | undefined {
  if (found === undefined || at === 'nowhere') return undefined;
  const { txid, block } = found;
  const raw = bytes === 'honest' ? found.raw : `${found.raw.slice(0, -8)}11111111`;
  const where = at === 'honest' ? block : at === 'mempool' ? undefined : at;
  return where === undefined ? { txid, raw } : { txid, raw, block: where };
}

/** An honest view of the world that says other things as `lie` has it, the same to all of them at all times. */
function liar(honest: Chain, lie: Lie): Chain {
  const away = (): never => {
    throw new SparkleError('chain_unavailable', 'away');
  };
  const other = outpoints[1] ?? '';
  return {
    ...honest,
    tip: async () => (lie.tip === 'honest' ? honest.tip() : lie.tip === 'away' ? away() : lie.tip),
    blockHash: async (height) => (lie.hash === 'honest' ? honest.blockHash(height) : lie.hash.said),
    transaction: async (txid) => place(await honest.transaction(txid), lie),
    spender: async (outpoint, from) =>
      lie.spend === 'none'
        ? undefined
        : place(await honest.spender(lie.spend === 'another' ? other : outpoint, from), lie),
    unspent: async (outpoint) => (lie.output === 'honest' ? honest.unspent(outpoint) : lie.output),
    feerate: async () => 99_999,
    network: async () => 'mainnet',
  };
}

/** Fewer liars than voices needed, and as many honest ones as it takes to have enough, or more. */
const anySources = fc
  .integer({ min: 1, max: 4 })
  .chain((agree) => fc.record({ agree: fc.constant(agree), liars: fc.integer({ min: 0, max: agree - 1 }) }))
  .chain(({ agree, liars }) =>
    fc.record({
      agree: fc.constant(agree),
      honest: fc.integer({ min: agree - liars, max: agree + 1 }),
      lies: fc.array(anyLie, { minLength: liars, maxLength: liars }),
      // The same lie told by all liars is the strongest.
      conspiracy: fc.boolean(),
      shift: fc.nat(6),
    }),
  );

function quorumWith(given: { agree: number; honest: number; lies: Lie[]; conspiracy: boolean; shift: number }): Chain {
  const { agree, honest, lies, conspiracy, shift } = given;
  const [common] = lies;
  const liars = lies.map((lie) => liar(world.control.peer(), conspiracy ? (common ?? lie) : lie));
  const chains = [...Array.from({ length: honest }, () => world.control.peer() as Chain), ...liars];
  const turned = [...chains.slice(shift % chains.length), ...chains.slice(0, shift % chains.length)];
  return quorumChain({
    sources: turned.map((chain, index) => ({ name: `source ${index}`, chain })),
    ...{ agree, maxLagBlocks: MAX_LAG, answerMilliseconds: 10_000, settleMilliseconds: 0 },
  });
}

/** The answer, or nothing where the quorum pauses; any other failure is one. */
async function unlessPaused<T>(asked: Promise<T>): Promise<{ answer: T } | undefined> {
  try {
    return { answer: await asked };
  } catch (error) {
    assert.ok(error instanceof SparkleError, String(error));
    assert.ok(['chain_unavailable', 'sources_disagree'].includes(error.code), error.code);
    return undefined;
  }
}

/** Every honest answer as of a tip that may lag. */
const lags = Array.from({ length: MAX_LAG + 1 }, (_, lag) => honestTip.height - lag);

const asOf = (height: number, found: ChainTransaction | undefined): ChainTransaction | undefined =>
  found?.block !== undefined && found.block.height > height ? { txid: found.txid, raw: found.raw } : found;

function isAmong<T>(answer: T, allowed: T[]): void {
  const isHonest = allowed.some((each) => {
    try {
      assert.deepEqual(answer, each);
      return true;
    } catch {
      return false;
    }
  });
  assert.ok(
    isHonest,
    `not an honest answer: ${String(JSON.stringify(answer, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)))}`,
  );
}

const runs = { numRuns: 300 };

describe('quorum, with fewer liars than voices needed', () => {
  test('the tip is a block of the honest chain, not too low, and never fresher than it is', async () => {
    await fc.assert(
      fc.asyncProperty(anySources, async (given) => {
        const tip = await unlessPaused(quorumWith(given).tip());
        if (tip === undefined) return;
        const { height, hash, timeSeconds } = tip.answer;
        assert.equal(hash, await world.blockHash(height));
        assert.ok(lags.includes(height));
        assert.ok(timeSeconds <= honestTip.timeSeconds);
      }),
      runs,
    );
  });

  test('a block has the hash that it has', async () => {
    await fc.assert(
      fc.asyncProperty(anySources, anyHeight, async (given, height) => {
        const hash = await unlessPaused(quorumWith(given).blockHash(height));
        if (hash !== undefined)
          isAmong(
            hash.answer,
            height > honestTip.height - MAX_LAG
              ? [await world.blockHash(height), undefined]
              : [await world.blockHash(height)],
          );
      }),
      runs,
    );
  });

  for (const outpoint of outpoints)
    test(`the output ${outpoint.slice(0, 8)} is where it is, spent or not, by whom it is spent`, async () => {
      const txid = outpoint.slice(0, 64);
      const honest = {
        transaction: await world.transaction(txid),
        spender: await world.spender(outpoint, 0),
        unspent: await world.unspent(outpoint),
      };
      const output = (height: number) => {
        const { unspent } = honest;
        const confirmations = Math.max(0, (unspent?.confirmations ?? 0) - (honestTip.height - height));
        return unspent === undefined ? undefined : { ...unspent, confirmations };
      };
      await fc.assert(
        fc.asyncProperty(anySources, async (given) => {
          const chain = quorumWith(given);
          const found = await unlessPaused(chain.transaction(txid));
          const spender = await unlessPaused(chain.spender(outpoint, 0));
          const unspent = await unlessPaused(chain.unspent(outpoint));
          if (found !== undefined)
            isAmong(
              found.answer,
              lags.map((height) => asOf(height, honest.transaction)),
            );
          if (spender !== undefined)
            isAmong(
              spender.answer,
              lags.map((height) => asOf(height, honest.spender)),
            );
          if (unspent !== undefined) isAmong(unspent.answer, lags.map(output));
        }),
        runs,
      );
    });

  test('the network is the honest one, and of three feerates not the mad one', async () => {
    await fc.assert(
      fc.asyncProperty(anySources, async (given) => {
        const network = await unlessPaused(quorumWith(given).network());
        if (network !== undefined) assert.equal(network.answer, 'regtest');
        const feerate = await unlessPaused(quorumWith(given).feerate(1));
        if (feerate !== undefined && given.honest > given.lies.length) assert.notEqual(feerate.answer, 99_999);
      }),
      runs,
    );
  });

  test('where nobody lies, nobody pauses', async () => {
    await fc.assert(
      fc.asyncProperty(anySources, async (given) => {
        const honest = given.honest + given.lies.length;
        assert.deepEqual(await quorumWith({ ...given, honest, lies: [] }).tip(), honestTip);
      }),
      runs,
    );
  });

  test('where enough are honest, liars cannot make it pause', async () => {
    await fc.assert(
      fc.asyncProperty(anySources, async (given) => {
        if (given.honest < given.agree) return;
        const chain = quorumWith(given);
        for (const outpoint of outpoints) {
          await chain.transaction(outpoint.slice(0, 64));
          await chain.unspent(outpoint);
          await chain.spender(outpoint, 0);
        }
      }),
      { numRuns: 100 },
    );
  });
});
