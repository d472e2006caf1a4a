import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { Aftermath, type AftermathParts } from './aftermath.ts';

const REFUND = 'aa'.repeat(32);
const refunded = {
  ...{ role: 'seller', mode: 'hold-first', state: 'ended', outcome: 'refunded', tradeId: 't1', txid: REFUND },
  offer: { fill: { payouts: [{ script: '51', valueSats: 700n }] } },
} as unknown as Trade;

const owed = [{ to: 'artist@example.com', valueSats: 300n }];
const item = { offerId: 'o1', inscriptionId: `${'bb'.repeat(32)}i0`, priceSats: 50_000n, state: 'taken', listing: {} };
/** A trade that was refunded in block 100, whose inscription lies where the index says, at its height. */
function world(of: { satpoint: string; atHeight: number }) {
  const listed: unknown[] = [];
  const moves: string[] = [];
  const lines: [Record<string, unknown>, string][] = [];
  const state = { ...of, isClosed: false };
  const checkout = { tradeId: 't1', checkoutId: 'c1', offerId: 'o1', state: 'open', expiresAt: 0, owed };
  const parts = {
    trader: { trade: async () => refunded },
    chain: {
      unspent: async () => ({ valueSats: 546n, script: '51', confirmations: 6 }),
      transaction: async (txid: string) => ({ txid, raw: '', block: { height: 100, hash: '' } }),
    },
    ordinals: { locate: async () => ({ satpoint: state.satpoint, atBlock: { height: state.atHeight, hash: '' } }) },
    listings: {
      byId: async () => item,
      addOwn: async (own: unknown) => void listed.push(own),
      move: async ({ to }: { to: string }) => void moves.push(to),
    },
    checkouts: {
      pending: async () => (state.isClosed ? [] : [checkout]),
      byTrade: async () => checkout,
      close: async () => void (state.isClosed = true),
    },
    log: { error: (fields: Record<string, unknown>, sentence: string) => void lines.push([fields, sentence]) },
    ...{ relistSeconds: 60, nowSeconds: () => 1_000 },
  };
  return { aftermath: new Aftermath(parts as unknown as AftermathParts), parts, listed, moves, lines, state };
}

test('an inscription that a buyer left is for sale again where the refund put it, for what it has cost, and with what its creator was to get', async () => {
  const { aftermath, listed, moves, lines } = world({ satpoint: `${REFUND}:0:7`, atHeight: 105 });
  await aftermath.catchUp();
  const place = { outpoint: `${REFUND}:0`, offsetSats: 7n, valueSats: 546n };
  assert.deepEqual(listed, [
    { inscriptionId: item.inscriptionId, priceSats: 50_700n, owed, ...place, expiresAt: 1_060 },
  ]);
  assert.deepEqual([moves, lines], [['gone'], []]);
});

test('one that does not lie where the refund should have put it is not for sale, and a human is called', async () => {
  const elsewhere = `${'cc'.repeat(32)}:1:0`;
  const { aftermath, listed, moves, lines } = world({ satpoint: elsewhere, atHeight: 105 });
  await aftermath.catchUp();
  assert.deepEqual([listed, moves], [[], ['gone']]);
  assert.deepEqual(lines, [
    [
      { level: 'page', code: 'sat_lost', tradeId: 't1', satpoint: elsewhere },
      `the inscription of a trade that was refunded must lie in ${REFUND}; it lies at ${elsewhere}`,
    ],
  ]);
});

test('nobody is called by an index that has not seen the refund yet', async () => {
  const { aftermath, listed, moves, lines, state } = world({ satpoint: `${'cc'.repeat(32)}:1:0`, atHeight: 99 });
  await aftermath.catchUp();
  assert.deepEqual([listed, moves, state.isClosed], [[], [], false]);
  assert.deepEqual(
    lines.splice(0).map(([{ level, code }]) => [level, code]),
    [[undefined, 'not_indexed']],
  );
  Object.assign(state, { satpoint: `${REFUND}:0:0`, atHeight: 100 });
  await aftermath.catchUp();
  assert.deepEqual([listed.length, moves, state.isClosed], [1, ['gone'], true]);
});

test('a sale that cannot be followed up yet keeps none that came after it waiting, nor the coordinator from starting', async () => {
  const later = { checkoutId: 'c2', tradeId: 't2', expiresAt: 0 };
  const { parts, state, lines } = world({ satpoint: `${REFUND}:0:7`, atHeight: 99 });
  const closed: string[] = [];
  const { checkouts, trader } = parts;
  const aftermath = new Aftermath({
    ...parts,
    trader: { ...trader, trade: async (id: string) => (id === 't2' ? undefined : refunded), onChange: () => () => {} },
    checkouts: {
      ...checkouts,
      pending: async () => [...(await checkouts.pending()), later],
      close: async (id: string) => void closed.push(id),
    },
  } as unknown as AftermathParts);
  await aftermath.start();
  assert.deepEqual([closed, lines.map(([{ code }]) => code)], [['c2'], ['not_indexed']]);
  state.atHeight = 100;
  await aftermath.catchUp();
  assert.deepEqual(closed, ['c2', 'c1', 'c2']);
});
