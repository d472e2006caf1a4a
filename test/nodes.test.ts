import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lacking } from 'sparkle-protocol/trader/needs';
import { nodes, nodesPage } from './nodes.ts';

test('docs/nodes.md shows what the drivers state of themselves, and the credentials they need', () => {
  const { expected, found } = nodesPage();
  // Stale? UPDATE=1 npm test -- nodes writes it again; look at the difference.
  assert.equal(found, expected);
});

test('every node can be used for something, and only those that can cap their route buy lock-first', () => {
  for (const [name, capabilities] of Object.entries(nodes)) {
    const deeds = (['buy hold-first', 'sell hold-first'] as const).filter(
      (deed) => lacking(deed, capabilities).length === 0,
    );
    assert.notDeepEqual(deeds, [], name);
    assert.equal(lacking('buy lock-first', capabilities).length === 0, capabilities.pay && capabilities.routeCap, name);
  }
});
