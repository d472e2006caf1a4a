import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edgesOf, mermaid, type Samples, unreached } from './diagram.ts';

type Lamp = { state: 'off' } | { state: 'on'; hours: number } | { state: 'ended'; outcome: 'broken' };
type Press = { type: 'pressed' } | { type: 'hour_passed' };

function step(lamp: Lamp, event: Press): { trade: Lamp; effects: { effect: { do: string } }[] } {
  if (lamp.state === 'off' && event.type === 'pressed')
    return { trade: { state: 'on', hours: 0 }, effects: [{ effect: { do: 'shine' } }] };
  if (lamp.state !== 'on') return { trade: lamp, effects: [] };
  if (event.type === 'pressed') return { trade: { state: 'off' }, effects: [] };
  if (lamp.hours > 99) return { trade: { state: 'ended', outcome: 'broken' }, effects: [] };
  return {
    trade: { ...lamp, hours: lamp.hours + 1 },
    effects: [{ effect: { do: 'hum' } }, { effect: { do: 'shine' } }],
  };
}

const samples: Samples<Lamp, Press> = {
  states: [
    { state: 'off' },
    { state: 'on', hours: 1 },
    { state: 'on', hours: 2 },
    { state: 'on', hours: 100 },
    { state: 'ended', outcome: 'broken' },
  ],
  events: { alive: { pressed: { type: 'pressed' } }, on: { 'an hour passed': { type: 'hour_passed' } } },
};

test('a picture shows each change and each effect once, and how it ends', () => {
  assert.equal(
    mermaid(edgesOf(step, samples), 'off'),
    [
      '```mermaid',
      'stateDiagram-v2',
      '  [*] --> off',
      '  off --> on: pressed / shine',
      '  on --> broken: an hour passed',
      '  on --> off: pressed',
      '  on --> on: an hour passed / hum, shine',
      '  broken --> [*]',
      '```',
    ].join('\n'),
  );
});

test('a state that no event leads to is named', () => {
  const edges = edgesOf(step, { ...samples, events: { 'off on': { pressed: { type: 'pressed' } } } });
  assert.deepEqual(unreached(edges, 'off'), []);
  assert.deepEqual(
    unreached(
      edges.filter(({ from }) => from !== 'off'),
      'off',
    ),
    ['on'],
  );
});
