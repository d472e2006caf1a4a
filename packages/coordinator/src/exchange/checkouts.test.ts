import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ended, first, hex, locked, quoting, second, third } from 'sparkle-protocol/store/samples.suite';
import { type Checkout, Checkouts } from './checkouts.ts';
import { open } from '../database/database.suite.ts';

const pricing = { seller_sats: 1, creator_royalty_sats: 0, market_fee_sats: 0, estimated_l1_fee_sats: 0 };
const checkoutOf = (tradeId: string): Checkout => ({
  ...{ checkoutId: `chk_${tradeId}`, tradeId, offerId: 'o1', inscriptionId: 'i', ordAddress: '', rail: 'lightning' },
  ...{ pricing, totalSats: 1n, owed: [], createdAt: 1, expiresAt: 2, heldAt: undefined, state: 'open' },
});

async function opened(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-checkouts-'));
  const database = await open(`sqlite:${join(folder, 'coordinator.db')}`);
  context.after(async () => {
    await database.close();
    rmSync(folder, { recursive: true });
  });
  return { ...database, checkouts: new Checkouts(database.tables) };
}

test('checkouts: what is to be followed up are those without a trade, and those whose trade no longer waits for its payment', async (context) => {
  const { store, checkouts } = await opened(context);
  for (const tradeId of ['t1', 't2', 't3', 'none', 'closed']) await checkouts.add(checkoutOf(tradeId));
  await checkouts.close('chk_closed');
  for (const each of [first, second, third]) await store.create({ trade: quoting(each), effects: [] });
  const pending = async () => (await checkouts.pending()).map(({ tradeId }) => tradeId).toSorted();
  assert.deepEqual(await pending(), ['none']);
  await store.update('t1', () => ({ trade: locked(first, hex('10')), effects: [] }));
  await store.update('t2', () => ({ trade: ended(second), effects: [] }));
  assert.deepEqual(await pending(), ['none', 't1', 't2']);
});

test('checkouts: of the trades that are open those are untold of which nobody was ever told anything', async (context) => {
  const { store, tables, checkouts } = await opened(context);
  for (const tradeId of ['t1', 't2', 't3', 'none']) await checkouts.add(checkoutOf(tradeId));
  for (const each of [first, second, third]) await store.create({ trade: quoting(each), effects: [] });
  await checkouts.close('chk_t3');
  const told = { trade_id: 't1', shown_id: 'T-1', status: 'pending_payment', buyer: null, seller: null, at: 1 };
  await tables.insertInto('trade_update').values(told).execute();
  assert.deepEqual(await checkouts.untold(), ['t2']);
});
