import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildClaim } from '../protocol/claim.ts';
import { tradeKeys } from '../protocol/keys.ts';
import { outcomeOf, pair, play, settle, stage } from './parts.suite.ts';

/** More than the seller's refund pays, and all of the reserve. */
const FEERATE_SAT_VB = 60;

test('a claim that is thrown out of the mempool before anybody looks has shown its preimage (R7)', async () => {
  const on = await stage();
  const { seller, buyer } = await pair(on);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  await play(on, [seller], async () => (await seller.trade(tradeId))?.state === 'locking');
  await buyer.stop();
  await play(on, [seller], async () => (await seller.trade(tradeId))?.state === 'refunding');
  await settle([seller]);
  const trade = await seller.trade(tradeId);
  assert.ok(trade?.role === 'seller' && trade.state === 'refunding');

  const { claim, preimage } = tradeKeys({ seed: on.parts.buyer.seed, network: 'regtest', index: 0 });
  const built = buildClaim({
    terms: trade.terms,
    lockOutpoint: `${trade.lock.txid}:${trade.lock.vout}`,
    destination: await on.parts.buyer.wallet.address(),
    feerateSatVb: FEERATE_SAT_VB,
    maxFeeSats: 50_000n,
    claimSecret: claim.secret,
    preimage,
    auxRand: new Uint8Array(32),
  });
  // Both in one go: whoever looks later finds the lock unspent, as if nothing had happened.
  void on.chain.broadcast([built.raw]);
  on.chain.control.evict(built.txid);
  assert.deepEqual(on.chain.control.mempool(), []);

  await play(on, [seller], async () => (await outcomeOf(seller, tradeId)) !== undefined);
  assert.equal(await outcomeOf(seller, tradeId), 'traded');
  assert.equal(on.nodes.seller.balanceMsat(), 1_090_000_000n);
});
