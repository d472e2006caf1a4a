import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { broken } from './broken.ts';
import { Game, type Scenario } from './game.ts';
import { briefly } from './scenarios.ts';
import { type Found, Search, type Violation } from './search.ts';

const MOST_STATES = 500_000;
const stories = (violations: readonly Violation[]): string =>
  violations.map(({ why, story }) => [why, ...story].join('\n  ')).join('\n');

const ends: Readonly<Record<`${Scenario['buyer']} ${Scenario['seller']}`, RegExp>> = {
  'honest honest': /^buyer traded, seller traded$/,
  'cheat honest': /^seller traded$/,
  'honest cheat': /^buyer traded$/,
  'cheat cheat': /^$/,
};

function assertSafe({ losses, deadlocks, outcomes }: Found, { buyer, seller }: Scenario): void {
  assert.equal(stories(losses), '');
  assert.equal(stories(deadlocks), '');
  assert.ok(
    [...outcomes.keys()].some((outcome) => ends[`${buyer} ${seller}`].test(outcome)),
    `a trade must be possible; the ends were ${[...outcomes.keys()].join('; ')}`,
  );
}

describe('whatever happens in which order, no honest trader loses and every trade ends', () => {
  for (const scenario of briefly)
    test(scenario.name, () => assertSafe(new Search(new Game(scenario)).run({ mostStates: MOST_STATES }), scenario));
});

describe('the explorer finds what a broken rule leads to', () => {
  for (const { rule, step, scenario, finds } of broken)
    test(`${rule}: ${finds}`, () => {
      const { losses, deadlocks } = new Search(new Game(scenario, step)).run({ mostStates: MOST_STATES });
      assert.equal(losses.length, finds === 'a loss' ? 1 : 0, stories(deadlocks));
      assert.equal(deadlocks.length, finds === 'a deadlock' ? 1 : 0, stories(losses));
    });
});
