import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ProofWire } from 'sparkle-protocol/market/checkout-wire';
import { keyPath } from 'sparkle-protocol/protocol/listing.suite';
import { txidOf } from 'sparkle-protocol/protocol/draft';
import { type Bought, Booth } from './booth.ts';
import { claimOf, termsIn } from './buyer-http.ts';

let booth: Booth;

/** A buyer who has paid, whose item is locked, and who hands over his preimage with a claim: then he goes home. */
async function handedOver(text: string): Promise<{ bought: Bought; raw: string; txid: string }> {
  const { inscriptionId } = await booth.listed(text);
  const bought = await booth.prepared(inscriptionId);
  await booth.pay(bought);
  await booth.mine(1);
  const proof = (await booth.proof(bought)).answer as ProofWire;
  const terms = termsIn(proof, bought.keys);
  assert.ok(terms !== undefined && proof.lock !== undefined);
  const { keys, prepared } = bought;
  const raw = claimOf({ keys, address: keyPath.address }, { terms, lockOutpoint: proof.lock.outpoint });
  const body = { payment_preimage: keys.preimage, claim: raw };
  const path = `/v1/trade/${prepared.trade_id}/finalize`;
  const { status } = await booth.ask('POST', path, { body, token: prepared.token });
  assert.equal(status, 200);
  await booth.settle();
  return { bought, raw, txid: txidOf(raw) };
}

const settledFor = async ({ keys }: Bought): Promise<boolean> =>
  (await booth.nodes.buyer.lightning.payment(keys.paymentHash)).state === 'settled';

describe('a claim that a buyer has handed over', () => {
  before(async () => {
    booth = await Booth.open();
  });
  after(() => booth.close());

  test('is sent again when the mempool has forgotten it, though its payment is settled and its trade over', async () => {
    const { bought, txid } = await handedOver('forgotten');
    assert.ok(await settledFor(bought));
    booth.chain.control.evict(txid);
    assert.equal(await booth.chain.transaction(txid), undefined);
    await booth.mine(1);
    assert.notEqual(await booth.chain.transaction(txid), undefined, 'it waits again');
    await booth.mine(1);
    assert.equal(await booth.statusOf(bought), 'confirmed');
  });

  test('is sent again when a reorg has taken it out of its block', async () => {
    const { bought, txid } = await handedOver('in a block and out of it');
    await booth.mine(2);
    assert.equal(await booth.statusOf(bought), 'confirmed');
    booth.chain.control.reorg({ depth: 2, mempool: 'dropped' });
    assert.equal(await booth.chain.transaction(txid), undefined);
    await booth.reaches(bought, 'confirmed');
  });

  test('is let alone when it is six blocks deep', async () => {
    const { bought, txid } = await handedOver('buried');
    await booth.mine(7);
    assert.equal(await booth.statusOf(bought), 'confirmed');
    booth.chain.control.reorg({ depth: 7, mempool: 'dropped' });
    await booth.mine(1);
    assert.equal(await booth.chain.transaction(txid), undefined);
  });
});
