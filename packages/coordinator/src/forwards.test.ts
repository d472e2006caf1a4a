import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OfferWire } from 'sparkle-protocol/market/coordinator-wire';
import { forward, forwarder, request } from 'sparkle-protocol/protocol/trade/forward.suite';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { Forwards, type ForwardsParts } from './forwards.ts';

const NOW = 1_800_000_000;
const forwarderId = 'f0'.repeat(32);
const inscriptionId = forward.inscriptionId;

const offer = (change: Partial<OfferWire> = {}): OfferWire => ({
  ...{ id: 'one', seller: '5e'.repeat(32), network: 'regtest', inscription_id: inscriptionId, price_sats: 90_000 },
  ...{ modes: ['hold-first'], expires_at: NOW + 1_000, forward: true, sig: '00'.repeat(64) },
  ...change,
});

function forwards(offers: OfferWire[], { limits = {}, live = [] }: { limits?: object; live?: Trade[] } = {}) {
  const asked: unknown[] = [];
  const parts: ForwardsParts = {
    offers: { page: async (query) => (asked.push(query), { offers }) },
    store: { liveAnywhere: async () => live },
    fees: { fixedSats: 1_000n, bps: 100 },
    limits: {
      ...{ minTradeSats: 10_000n, maxTradeSats: 1_000_000n, forwardSats: 200_000n, quoteTtlSeconds: 90 },
      ...limits,
    },
    ...{ forwarderId, nowSeconds: () => NOW },
  };
  return { to: new Forwards(parts), asked };
}

const wanted = (offerSats: bigint) => ({ ...request, offerSats });

describe('sales of others that are passed on', () => {
  test('cost what the seller asks and the fee on top, and nothing for the chain', async () => {
    const { to, asked } = forwards([offer()]);
    assert.deepEqual(await to.quote(inscriptionId), {
      inscription_id: inscriptionId,
      pricing: { seller_sats: 90_000, creator_royalty_sats: 0, market_fee_sats: 1_900, estimated_l1_fee_sats: 0 },
      max_total_sats: 91_900,
      expires_at: NOW + 90,
    });
    assert.deepEqual(asked, [{ inscription_id: inscriptionId, mode: 'hold-first', limit: '200' }]);
  });

  test('are quoted from who asks least, for no longer than his offer lasts', async () => {
    const cheap = offer({ id: 'two', seller: '6e'.repeat(32), price_sats: 80_000, expires_at: NOW + 30 });
    const quote = await forwards([offer(), cheap]).to.quote(inscriptionId);
    assert.deepEqual([quote?.pricing.seller_sats, quote?.expires_at], [80_000, NOW + 30]);
  });

  test('go at the price that is quoted to the seller who asks it, and half of the fee may go into the way', async () => {
    const other = offer({ id: 'two', seller: '6e'.repeat(32), price_sats: 80_000 });
    assert.deepEqual(await forwards([other, offer()]).to.forwardFor(wanted(91_900n)), {
      ...{ inscriptionId, sellerId: '5e'.repeat(32), sellerSats: 90_000n, totalSats: 91_900n },
      ...{ maxFeeMsat: 950_000n, expiresAt: NOW + 1_000 },
    });
  });

  test('at another price are refused, with the one that is quoted', async () => {
    for (const price of [91_899n, 91_901n])
      await assert.rejects(forwards([offer()]).to.forwardFor(wanted(price)), {
        code: 'bad_amount',
        message: `offer_sats must be what is quoted, 91900; got ${price}`,
      });
  });

  test('are those of sellers who said so, never our own, and none when the operator passes nothing on', async () => {
    const { forward: _said, ...silent } = offer();
    for (const { to } of [
      forwards([silent]),
      forwards([offer({ seller: forwarderId })]),
      forwards([offer()], { limits: { forwardSats: 0n } }),
      forwards([]),
    ]) {
      assert.equal(await to.quote(inscriptionId), undefined);
      assert.equal(await to.forwardFor(wanted(91_900n)), undefined);
    }
  });

  test('are not quoted when their total is outside the limits', async () => {
    for (const limits of [{ maxTradeSats: 91_899n }, { minTradeSats: 91_901n }])
      await assert.rejects(forwards([offer()], { limits }).to.quote(inscriptionId), { code: 'bad_amount' });
    assert.ok(
      await forwards([offer()], { limits: { minTradeSats: 91_900n, maxTradeSats: 91_900n } }).to.quote(inscriptionId),
    );
  });

  test('wait while as much is in flight as may be; what is not paid yet, or has ended, is not in flight', async () => {
    const limits = { forwardSats: 91_900n + 91_000n };
    const room = (...live: Trade[]) => forwards([offer()], { limits, live }).to.forwardFor(wanted(91_900n));
    assert.ok(await room(forwarder.paying, forwarder.invoiced, forwarder.returning));
    await assert.rejects(room(forwarder.paying, forwarder.announced), { code: 'busy' });
    await assert.rejects(room(forwarder.unsent, forwarder.paying), { code: 'busy' });
  });
});
