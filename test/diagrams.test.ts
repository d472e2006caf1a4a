import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeState, encodeState } from 'sparkle-protocol/protocol/json';
import { step } from 'sparkle-protocol/protocol/trade/step';
import { holdBuyerSamples, lockBuyerSamples } from './machines/buyers.ts';
import { forwarderSamples } from './machines/forwarders.ts';
import { edgesOf, page, unreached } from './machines/diagram.ts';
import { holdSellerSamples, lockSellerSamples } from './machines/sellers.ts';

const machines = [
  { name: 'buyer-hold', title: 'The buyer in hold-first', first: 'requested', samples: holdBuyerSamples },
  { name: 'buyer-lock', title: 'The buyer in lock-first', first: 'requested', samples: lockBuyerSamples },
  { name: 'seller-hold', title: 'The seller in hold-first', first: 'quoting', samples: holdSellerSamples },
  { name: 'seller-lock', title: 'The seller in lock-first', first: 'building', samples: lockSellerSamples },
  { name: 'forward', title: 'The forwarder between two payments', first: 'asking', samples: forwarderSamples },
];

for (const { name, title, first, samples } of machines) {
  const edges = edgesOf(step, samples);

  test(`docs/machines/${name}.md shows the machine that runs`, () => {
    const { expected, found } = page({ name, title, source: `protocol/trade/${name}.ts`, edges, first });
    // Stale? UPDATE=1 npm test -- diagrams draws it again; look at the difference.
    assert.equal(found, expected);
  });

  test(`${name}: every state can be reached`, () => {
    assert.deepEqual(unreached(edges, first), []);
  });

  test(`${name}: every event in every state is decided, and what comes of it survives the store`, () => {
    const events = Object.values(samples.events).flatMap((happenings) => Object.values(happenings));
    for (const before of samples.states)
      for (const event of events) {
        const { trade, effects } = step(before, event);
        assert.equal(trade.tradeId, before.tradeId);
        assert.deepEqual(decodeState(encodeState({ trade, effects })), { trade, effects });
      }
  });
}
