import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Market } from 'sparkle-protocol/market/market';
import { buyerId, forwarder } from 'sparkle-protocol/protocol/trade/forward.suite';
import type { Forwarder } from 'sparkle-protocol/protocol/trade/state';
import { toProvenKeys } from './unproven.ts';

async function receivers(trade: Forwarder): Promise<string[]> {
  const reached: string[] = [];
  const market = { send: async (to: string) => void reached.push(to) } as unknown as Market;
  const proven = toProvenKeys(market, async () => trade);
  const text = JSON.stringify({ trade_id: trade.tradeId });
  for (const to of [trade.want.sellerId, trade.buyerId]) await proven.send(to, { from: trade.want.buyerId, text });
  return reached;
}

test('of a sale that is passed on for a key that was only named, the seller hears and the key does not', async () => {
  const { asking } = forwarder;
  const { sellerId, claimKey } = asking.want;
  assert.deepEqual(await receivers({ ...asking, buyerId: claimKey }), [sellerId]);
  assert.deepEqual(await receivers(asking), [sellerId, buyerId]);
});
