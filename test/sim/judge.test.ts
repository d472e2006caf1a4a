import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge, type Deal, type Ending, type Item, type Side } from './judge.ts';

const inscriptionId = `${'ab'.repeat(32)}i0`;
const lot = { inscriptionId, outpoint: `${'ab'.repeat(32)}:0`, valueSats: 10_000n, offsetSats: 7n, owner: 'lot 0' };
const claimed = { outpoint: `${'cd'.repeat(32)}:0`, offsetSats: 7n, valueSats: 10_000n, script: '', confirmations: 6 };
const PRICE_MSAT = 90_000_000n;

const paid: Deal = {
  inscriptionId,
  state: 'ended',
  outcome: 'traded',
  payment: 'settled',
  feeMsat: 5n,
  receivedMsat: 0n,
};
const sold: Deal = { ...paid, payment: 'unknown', receivedMsat: PRICE_MSAT };
const side = { isHonest: true, spentSats: 0n };
const seller: Side = { ...side, name: 'seller', role: 'seller', deals: [sold], gainedMsat: PRICE_MSAT };
const buyer: Side = { ...side, name: 'buyer', role: 'buyer', deals: [paid], gainedMsat: -PRICE_MSAT - 5n };
const item: Item = { lot, place: { at: 'output', ...claimed }, owner: 'buyer' };

const traded: Ending = {
  sides: [seller, buyer],
  items: [item],
  priceMsat: PRICE_MSAT,
  maxFeeMsat: 1_000n,
  maxClaimFeeSats: 500n,
  postageSats: 10_000n,
  inFlightMsat: 0n,
  madeMsat: 0n,
};

const sellerWith = (change: Partial<Side>): Ending => ({ ...traded, sides: [{ ...seller, ...change }, buyer] });
const buyerWith = (change: Partial<Side>): Ending => ({ ...traded, sides: [seller, { ...buyer, ...change }] });
const placed = (place: Partial<typeof claimed>, owner: string | undefined = 'buyer'): Ending => ({
  ...traded,
  items: [{ ...item, place: { at: 'output', ...claimed, ...place }, owner }],
});

test('a trade in which both got what they wanted is in order', () => {
  assert.deepEqual(judge(traded), { losses: [], faults: [] });
});

test('a trade in which nobody got anything is in order', () => {
  const nothing: Deal = { ...paid, outcome: 'abandoned', payment: 'failed', receivedMsat: 0n };
  const sides = [
    { ...seller, deals: [{ ...nothing, payment: 'unknown' as const }], gainedMsat: 0n },
    { ...buyer, deals: [nothing], gainedMsat: 0n },
  ];
  const items = [{ ...item, place: { at: 'output' as const, ...claimed, outpoint: lot.outpoint }, owner: 'seller' }];
  assert.deepEqual(judge({ ...traded, sides, items }), { losses: [], faults: [] });
});

const losses: [sentence: RegExp, ending: Ending][] = [
  [/the buyer has paid and does not have the inscription/, placed({}, 'seller')],
  [/the buyer has paid and does not have the inscription/, placed({}, 'nobody')],
  [/the buyer has the inscription on 9999 sats instead of 10000/, placed({ valueSats: 9_999n })],
  [/the seller does not have the inscription and received 0 of/, sellerWith({ deals: [], gainedMsat: 0n })],
  [
    /the seller does not have the inscription and received 89999999 of/,
    sellerWith({ deals: [{ ...sold, receivedMsat: PRICE_MSAT - 1n }], gainedMsat: PRICE_MSAT - 1n }),
  ],
  [/the seller says himself that he lost/, sellerWith({ deals: [{ ...sold, outcome: 'lost' }] })],
  [/the buyer says himself that he lost/, buyerWith({ deals: [{ ...paid, outcome: 'lost' }] })],
];

for (const [sentence, ending] of losses)
  test(`a loss is named: ${sentence.source}`, () => {
    assert.match(judge(ending).losses.join('\n'), sentence);
  });

const faults: [sentence: RegExp, ending: Ending][] = [
  [/3 msat are still in flight/, { ...traded, inFlightMsat: 3n }],
  [/-1 msat came from nowhere/, { ...traded, madeMsat: -1n }],
  [/the buyer's node gained/, buyerWith({ gainedMsat: -PRICE_MSAT - 6n })],
  [/the seller's node gained 1 msat and received 90000000/, sellerWith({ gainedMsat: 1n })],
  [/the buyer paid 1001 msat to routers/, buyerWith({ deals: [{ ...paid, feeMsat: 1_001n }] })],
  [/the buyer spent 501 sats on fees for 1 claims/, buyerWith({ spentSats: 501n })],
  [/the seller's trade has not ended: it is settling/, sellerWith({ deals: [{ ...sold, state: 'settling' }] })],
  [/the buyer says not traded and has the inscription/, buyerWith({ deals: [{ ...paid, outcome: 'abandoned' }] })],
  [/the seller says not traded and received 90000000/, sellerWith({ deals: [{ ...sold, outcome: 'refunded' }] })],
  [/the inscription is at .*:8, not at offset 7 of output 0/, placed({ offsetSats: 8n })],
  [/the inscription is at .*:1:7, not at offset 7 of output 0/, placed({ outpoint: `${'cd'.repeat(32)}:1` })],
  [
    /the inscription went into the fee of cdcd/,
    { ...traded, items: [{ ...item, place: { at: 'lost', txid: 'cdcd' }, owner: undefined }] },
  ],
];

for (const [sentence, ending] of faults)
  test(`a fault is named: ${sentence.source}`, () => {
    assert.match(judge(ending).faults.join('\n'), sentence);
  });

test('who broke the rules or left has no promise', () => {
  const sides = [
    { ...seller, isHonest: false, deals: [], gainedMsat: 0n },
    { ...buyer, isHonest: false, gainedMsat: 0n },
  ];
  assert.deepEqual(judge({ ...traded, sides, items: [{ ...item, owner: undefined }] }), { losses: [], faults: [] });
});
