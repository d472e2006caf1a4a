import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import { decodeTransaction } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { claimFor, HEIGHT, holdSeller, holdTerms } from 'sparkle-protocol/protocol/trade/fixtures.suite';
import { silentLog } from 'sparkle-protocol/trader/log';
import { handClock } from '../hub/hub.suite.ts';
import { Delivery, type DeliveryParts } from './delivery.ts';

const NOW = 1_800_000_000;
const { tradeId } = holdTerms;
const { raw, txid } = claimFor(holdTerms);
/** A claim shows its preimage first. */
const preimage = hex.encode(decodeTransaction(raw).inputs[0]?.witness[0] ?? new Uint8Array());
const handedOver = { payment_preimage: preimage, claim: raw };

/** One trade that is locked, on a chain that takes what is sent to it; what was done is noted. */
function delivery(change: { trader?: Partial<DeliveryParts['trader']>; chain?: Partial<DeliveryParts['chain']> } = {}) {
  const done: string[] = [];
  const trader = {
    trade: async () => holdSeller.locked,
    said: async () => [],
    lookAt: async (id: string) => void done.push(`look at ${id}`),
    ...change.trader,
  };
  const chain = {
    tip: async () => ({ height: HEIGHT + 2, hash: '00'.repeat(32), timeSeconds: NOW }),
    transaction: async () => undefined,
    unspent: async () => undefined,
    ...change.chain,
  } as unknown as DeliveryParts['chain'];
  const claims = { send: async (_: unknown, sent: string) => void done.push(`send ${sent}`) };
  const ordinals = {} as unknown as DeliveryParts['ordinals'];
  const satProofs = { of: async () => undefined };
  const clock = handClock(NOW);
  const parts = { trader, chain, ordinals, claims, satProofs, clock, network: 'signet', log: silentLog } as const;
  return { done, delivery: new Delivery(parts) };
}

test('a preimage that was handed over makes its own trade look, and no other', async () => {
  const { done, delivery: of } = delivery();
  assert.deepEqual(await of.finalize(tradeId, handedOver), { txid, confirmations: 0 });
  assert.deepEqual(done, [`send ${raw}`, `look at ${tradeId}`]);
});

test('a claim that is sent is answered with its txid, whoever holds the trade and whatever the chain says next', async () => {
  const fail = async () => Promise.reject(new SparkleError('elsewhere', 'another instance must give the trade up'));
  for (const change of [{ trader: { lookAt: fail } }, { chain: { transaction: fail } }]) {
    const { done, delivery: of } = delivery(change);
    assert.deepEqual(await of.finalize(tradeId, handedOver), { txid, confirmations: 0 });
    assert.equal(done[0], `send ${raw}`);
  }
});

test('nothing is sent over a chain whose best block is old: what looks in time may be too late', async () => {
  const tip = async () => ({ height: HEIGHT + 2, hash: '00'.repeat(32), timeSeconds: NOW - 24 * 3600 });
  const { done, delivery: of } = delivery({ chain: { tip } });
  await assert.rejects(of.finalize(tradeId, handedOver), { code: 'chain_unavailable' });
  assert.deepEqual(done, []);
});
