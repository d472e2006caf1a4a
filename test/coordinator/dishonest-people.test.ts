import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { base64, hex } from '@scure/base';
import { Transaction } from '@scure/btc-signer/transaction.js';
import type { TradeStateWire } from 'sparkle-protocol/market/checkout-wire';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import { keyHash, keyPath, listed, payoutScript, signed } from 'sparkle-protocol/protocol/listing.suite';
import { Booth, type Bought, type Inscribed } from './booth.ts';
import { beforeShowing } from './dishonest.ts';

type Refused = { error: string; field?: string };

/** What he has listed, sent elsewhere by its owner. */
function moved({ outpoint }: Inscribed): string {
  const tx = new Transaction({ allowUnknownOutputs: true });
  tx.addInput({
    ...{ txid: outpoint.slice(0, 64), index: Number(outpoint.slice(65)), sequence: 0xffff_fffd },
    witnessUtxo: { script: hex.decode(keyPath.source.script), amount: 10_000n },
  });
  tx.addOutput({ script: hex.decode(payoutScript), amount: 5_000n });
  const own = Transaction.fromPSBT(base64.decode(signed(base64.encode(tx.toPSBT(0)), keyPath)));
  own.finalize();
  return hex.encode(own.extract());
}

let booth: Booth;
const open = async (): Promise<void> => void (booth = await Booth.open());
const close = (): Promise<void> => booth.close();

const refusal = async (
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  asking: { body?: unknown; token?: string } = {},
): Promise<[number, string]> => {
  const { status, answer } = await booth.ask<Refused>(method, path, asking);
  return [status, answer.error];
};

async function locked(text: string): Promise<Bought> {
  const bought = await booth.prepared((await booth.listed(text)).inscriptionId);
  await booth.pay(bought);
  await booth.reaches(bought, 'broadcast');
  await booth.mine(1);
  return bought;
}

async function claimOf(bought: Bought): Promise<{ raw: string; txid: string }> {
  const { lock } = await beforeShowing(booth, { bought, answer: (await booth.proof(bought)).answer });
  assert.ok(lock !== undefined);
  const { claim, preimage } = bought.keys;
  return buildClaim({
    ...{ terms: lock.terms, lockOutpoint: lock.outpoint, destination: keyPath.address, preimage },
    ...{ claimSecret: claim.secret, auxRand: new Uint8Array(32), feerateSatVb: 1, maxFeeSats: 10_000n },
  });
}

const paymentOf = async ({ keys }: Bought): Promise<string> =>
  (await booth.nodes.buyer.lightning.payment(keys.paymentHash)).state;

describe('a dishonest seller', () => {
  before(open);
  after(close);

  test('lists what is not his (409)', async () => {
    const mine = await booth.inscribed('mine');
    const yours = await booth.listed('yours');
    const body = { ...booth.listing(mine), inscription_id: yours.inscriptionId };
    assert.deepEqual(await refusal('POST', '/v1/trade', { body }), [409, 'refused']);
    const stolen = { ...booth.listing({ ...mine, outpoint: yours.outpoint }), inscription_id: mine.inscriptionId };
    assert.deepEqual(await refusal('POST', '/v1/trade', { body: stolen }), [409, 'refused']);
  });

  test('sells by a PSBT that is not one input for one price (400)', async () => {
    const payout = { script: payoutScript, valueSats: 60_000n };
    const tricks = {
      'signed for everything, so that nothing can be added': listed(keyPath, { sighash: 0x01 }),
      'signed without its output': listed(keyPath, { sighash: 0x82 }),
      'a second input': listed(keyPath, { more: [keyHash.source] }),
      'a second payout': listed(keyPath, { payouts: [payout, payout] }),
      'a locktime': listed(keyPath, { lockTime: 500 }),
    };
    const inscribed = await booth.inscribed('for tricks');
    for (const [trick, psbt] of Object.entries(tricks)) {
      const body = { ...booth.listing(inscribed), psbt };
      const code = trick.startsWith('signed') ? 'bad_signature' : 'bad_transaction';
      assert.deepEqual(await refusal('POST', '/v1/trade', { body }), [400, code], trick);
    }
  });

  test('leaves up what he has spent, if only in the mempool: nobody is quoted a price for it (404)', async () => {
    const stale = await booth.listed('stale');
    await booth.chain.broadcast([moved(stale)]);
    await booth.settle();
    const asked = { body: { inscription_id: stale.inscriptionId } };
    assert.deepEqual(await refusal('POST', '/v1/quote', asked), [404, 'not_found']);
    const { answer } = await booth.ask<TradeStateWire>('GET', `/v1/trade/${stale.tradeId}`, stale);
    assert.deepEqual([answer.status, answer.reason], ['failed', 'gone']);
  });

  test('spends what he listed while the payment is held: the payment goes back, and nobody is paid', async () => {
    const listing = await booth.listed('spent too late');
    const bought = await booth.prepared(listing.inscriptionId);
    await booth.pay(bought);
    assert.equal(await booth.statusOf(bought), 'broadcast', 'the fill is on its way');
    booth.chain.control.mineExactly([moved(listing)]);
    await booth.mineUntil(async () => (await booth.statusOf(bought)) === 'failed');
    assert.equal(await paymentOf(bought), 'failed');
    const { answer } = await booth.proof(bought);
    assert.equal((await beforeShowing(booth, { bought, answer })).lock, undefined);
  });
});

describe('a dishonest buyer', () => {
  before(open);
  after(close);

  test('pays nothing: his checkout expires, and nothing was locked for him', async () => {
    const { inscriptionId } = await booth.listed('for nothing');
    const bought = await booth.prepared(inscriptionId);
    await booth.mineUntil(async () => (await booth.statusOf(bought)) === 'expired');
    assert.equal((await booth.ask('POST', '/v1/quote', { body: { inscription_id: inscriptionId } })).status, 200);
  });

  test('pays for one thing twice: one payment gets it, the other goes back', async () => {
    const { inscriptionId } = await booth.listed('for two');
    const [one, other] = [await booth.prepared(inscriptionId), await booth.prepared(inscriptionId)];
    await booth.pay(one);
    await booth.pay(other);
    await booth.mine(1);
    await booth.mineUntil(async () => (await paymentOf(other)) === 'failed');
    const { raw } = await claimOf(one);
    await booth.chain.broadcast([raw]);
    await booth.mineUntil(async () => (await paymentOf(one)) === 'settled');
  });

  test('claims by a transaction that he has shown to nobody: what it shows settles his payment', async () => {
    const bought = await locked('by himself');
    const { raw, txid } = await claimOf(bought);
    // Straight to a miner: no mempool has seen it.
    booth.chain.control.mineExactly([raw]);
    await booth.settle();
    assert.equal(await paymentOf(bought), 'settled');
    const { prepared } = bought;
    const state = await booth.ask<{ transfer?: { txid: string } }>('GET', `/v1/trade/${prepared.trade_id}`, prepared);
    assert.equal(state.answer.transfer?.txid, txid);
  });

  test('hands over the same preimage again, another one, and another claim: nothing more happens than once', async () => {
    const bought = await locked('again');
    const { raw: claim, txid } = await claimOf(bought);
    const { trade_id: id, token } = bought.prepared;
    const finalize = (body: unknown) =>
      booth.ask<{ txid: string }>('POST', `/v1/trade/${id}/finalize`, { token, body });
    const body = { payment_preimage: bought.keys.preimage, claim };
    assert.deepEqual((await finalize(body)).answer.txid, txid);
    await booth.mine(1);
    const before = booth.nodes.coordinator.balanceMsat();
    for (const replay of [body, { ...body, claim: `${claim.slice(0, -2)}01` }, { payment_preimage: '00'.repeat(32) }])
      assert.deepEqual([(await finalize(replay)).status, (await finalize(replay)).answer.txid], [200, txid]);
    await booth.mine(1);
    assert.equal(booth.nodes.coordinator.balanceMsat(), before);
  });

  test("asks for other people's trades with every token that he has (404, 403)", async () => {
    const listing = await booth.listed('of somebody');
    const mine = await booth.prepared(listing.inscriptionId);
    const theirs = await booth.prepared(listing.inscriptionId);
    const finalize = { body: { payment_preimage: mine.keys.preimage } };
    for (const { token } of [mine.prepared, listing])
      for (const [method, path, asking] of [
        ['GET', '', {}],
        ['GET', '/invoice', {}],
        ['GET', '/proof', {}],
        ['GET', '/rescue', {}],
        ['POST', '/finalize', finalize],
        ['DELETE', '', {}],
      ] as const)
        assert.deepEqual(
          await refusal(method, `/v1/trade/${theirs.prepared.trade_id}${path}`, { ...asking, token }),
          [404, 'unknown_trade'],
          `${method} ${path}`,
        );
    assert.deepEqual(await refusal('DELETE', `/v1/trade/${mine.prepared.trade_id}`, mine.prepared), [403, 'forbidden']);
    assert.deepEqual((await refusal('DELETE', `/v1/trade/${listing.tradeId}`, mine.prepared))[0], 404);
  });
});
