import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { adversityNames, states } from './census.ts';
import { loadFast } from './load.ts';
import type { Options, Report } from './run.ts';
import { count, emptyTally } from './tally.ts';

const { runTrade } = await loadFast();
const { deeds, bad } = await import('./deeds.ts');
const { greed, untruths } = await import('./lies.ts');
const { lying } = await import('./adversity-people.ts');
const { chance } = await import('./chance.ts');

const TRADES = 2_000;
const FIRST_SEED = 1;

type Staged = NonNullable<Options['staged']>;

/** One trade with one thing in it. The seed says only how big, how dear and how fast it is. */
const staged = (staging: Staged, seed = 4_711): Promise<Report> =>
  runTrade({ seed, told: 'not at all', staged: staging });

const holdFirst = { mode: 'hold-first', script: 'v1', internalKey: 'nums', second: undefined } as const;
const lockFirst = { mode: 'lock-first', script: 'v1', internalKey: 'nums', second: undefined } as const;
const calm = { feerateSatVb: 1, reserveSats: 12_000n, buyerCoins: 3, blockSeconds: 600 };
const scenarioOf = (mode: 'hold-first' | 'lock-first') => ({
  ...(mode === 'hold-first' ? holdFirst : lockFirst),
  ...calm,
});

const failuresOf = ({ seed, losses, faults }: Report): string[] =>
  [...losses, ...faults].map((sentence) => `${sentence} (npm run sim -- --seed ${seed} --trades 1)`);

test(`of ${TRADES} random trades nobody who keeps the rules loses`, async () => {
  const tally = emptyTally();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + TRADES; seed += 1) {
    const report = await runTrade({ seed, told: 'not at all' });
    assert.deepEqual(failuresOf(report), []);
    count(tally, report);
  }
  assert.deepEqual(
    states.filter((state) => tally.visited[state] === undefined),
    [],
    'every state of every machine was come through',
  );
  const came = Object.keys(tally.troubles);
  assert.deepEqual(
    adversityNames.filter((name) => !came.includes(name)),
    [],
    'every kind of trouble came',
  );
});

test('the same seed is the same trade, to the last byte', async () => {
  for (const seed of [3, 14, 15]) {
    const first = await runTrade({ seed, told: 'in full' });
    assert.ok(first.lines.length > 3);
    assert.deepEqual(await runTrade({ seed, told: 'in full' }), first);
  }
});

describe('nothing goes wrong', () => {
  for (const mode of ['hold-first', 'lock-first'] as const)
    test(`${mode}: both get what they want`, async () => {
      const report = await staged({ scenario: scenarioOf(mode), troubles: () => [] });
      assert.deepEqual(failuresOf(report), []);
      assert.equal(report.outcome, `${mode}: seller traded, buyer traded`);
    });
});

describe('a lying seller gets nothing', () => {
  // What he can take without a lie is the price; what he says about the quote's height binds nobody in lock-first.
  const harmless = [...greed.map(({ name }) => name), 'says an old quote height'];
  for (const lie of [...greed, ...untruths])
    for (const mode of lie.modes)
      test(`${mode}: he ${lie.name}`, async () => {
        const report = await staged({ scenario: scenarioOf(mode), troubles: () => [lying(lie)] });
        assert.deepEqual(failuresOf(report), []);
        assert.ok(report.troubles.has(`seller ${lie.name}`));
        if (!harmless.includes(lie.name)) assert.doesNotMatch(report.outcome, /buyer traded/);
      });
});

describe('a bad buyer gets nothing for nothing', () => {
  for (const mode of ['hold-first', 'lock-first'] as const) {
    const count = deeds(chance('count'), mode).length;
    for (let index = 0; index < count; index += 1) {
      const name = deeds(chance('deeds'), mode)[index]?.().name ?? '';
      test(`${mode}: ${name}`, async () => {
        const troubles: Staged['troubles'] = () =>
          [deeds(chance('deeds'), mode)[index]?.()].flatMap((deed) => deed ?? []);
        const report = await staged({ scenario: scenarioOf(mode), troubles });
        assert.deepEqual(failuresOf(report), []);
        assert.ok(report.troubles.has(name));
      });
    }
  }
});

describe('the judge sees what is wrong', () => {
  test('a seller who does not see the claim loses', async () => {
    const report = await staged({
      scenario: scenarioOf('hold-first'),
      troubles: () => [],
      tampers: {
        seller: (parts) => ({
          ...parts,
          chain: { ...parts.chain, spender: async () => undefined, subscribe: () => () => undefined },
        }),
      },
    });
    assert.match(report.losses.join(), /the seller does not have the inscription and received 0 of/);
  });

  test('a seller whose node does not settle loses', async () => {
    const report = await staged({
      scenario: scenarioOf('hold-first'),
      troubles: () => [],
      tampers: { seller: (parts) => ({ ...parts, lightning: { ...parts.lightning, settle: async () => undefined } }) },
    });
    assert.match(report.losses.join(), /the seller does not have the inscription/);
    assert.match(report.losses.join(), /the seller says himself that he lost/);
  });

  test('a buyer whose claim goes nowhere loses', async () => {
    const report = await staged({
      scenario: scenarioOf('lock-first'),
      troubles: () => [],
      tampers: { buyer: (parts) => ({ ...parts, chain: { ...parts.chain, broadcast: async () => undefined } }) },
    });
    assert.match(report.losses.join(), /the buyer has paid and does not have the inscription/);
  });

  test('an exception that a trader swallows is a fault', async () => {
    const report = await staged({
      scenario: scenarioOf('hold-first'),
      troubles: () => [bad({ name: 'a broken wallet' })],
      tampers: {
        seller: (parts) => ({
          ...parts,
          wallet: { ...parts.wallet, coins: () => Promise.reject(new TypeError('broken')) },
        }),
      },
    });
    assert.match(report.faults.join(), /seller: wallet.coins threw TypeError: broken/);
  });
});
