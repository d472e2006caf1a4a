import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Item } from './listings.ts';
import { Quotes } from './quotes.ts';

const item = { offerId: 'o1', inscriptionId: `${'aa'.repeat(32)}i0`, priceSats: 50_000n } as Item;
/** 560 vB of a fill, 156 of a claim and 150 of a refund. */
const VBYTES = 866;

function shop() {
  const state = { satVb: 10, now: 1_000 };
  const quotes = new Quotes({
    chain: { feerate: async () => state.satVb },
    fees: { fixedSats: 1_000n, bps: 0 },
    limits: { minTradeSats: 10_000n, maxTradeSats: 10_000_000n, quoteTtlSeconds: 90, maxChainFeeBps: 5_000 },
    overLightning: false,
    nowSeconds: () => state.now,
  });
  return { state, quotes };
}

test('a sale for which the chain costs more than its part of the price is not quoted, up to the sat', async () => {
  const { state, quotes } = shop();
  state.satVb = Math.floor(25_000 / VBYTES);
  await quotes.quote(item);
  await assert.rejects(quotes.quote({ ...item, priceSats: BigInt(2 * VBYTES * state.satVb - 1) }), {
    code: 'fee_too_high',
  });
  await quotes.quote({ ...item, priceSats: BigInt(2 * VBYTES * state.satVb) });
  state.satVb += 1;
  await assert.rejects(quotes.quote(item), { code: 'fee_too_high' });
});

test('a quote holds while blocks become dearer, and no sale begins at that feerate without one', async () => {
  const { state, quotes } = shop();
  const { pricing, max_total_sats: total } = await quotes.quote(item);
  const asked = { item, named: pricing, totalSats: BigInt(total) };
  state.satVb = 200;
  assert.equal((await quotes.agreed(asked)).totalSats, BigInt(total));
  state.now += 90;
  await assert.rejects(quotes.agreed(asked), { code: 'fee_too_high' });
  await assert.rejects(quotes.agreedTotal(item, 10_000_000n), { code: 'fee_too_high' });
});
