import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Chain } from '../chain/chain.ts';
import { buildClaim } from '../protocol/claim.ts';
import { SparkleError } from '../protocol/errors.ts';
import { tradeKeys } from '../protocol/keys.ts';
import { outcomeOf, pair, play, settle, stage } from './parts.suite.ts';
import { Trader } from './trader.ts';

/** More than the seller's refund pays, and all of the reserve. */
const FEERATE_SAT_VB = 60;

/** A seller who may refund already, while his buyer says nothing; and a claim that this buyer could send any time. */
async function besieged(chainOf: (chain: Chain) => Chain) {
  const on = await stage();
  on.parts.seller = { ...on.parts.seller, chain: chainOf(on.parts.seller.chain) };
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
  const cycle = () => {
    // Both in one go: whoever looks later finds the lock unspent, as if nothing had happened.
    void on.chain.broadcast([built.raw]);
    on.chain.control.evict(built.txid);
    assert.deepEqual(on.chain.control.mempool(), []);
  };
  return { on, seller, tradeId, cycle };
}

test('a claim that is thrown out of the mempool before anybody looks has shown its preimage (R7)', async () => {
  const { on, seller, tradeId, cycle } = await besieged((chain) => chain);
  cycle();
  await play(on, [seller], async () => (await outcomeOf(seller, tradeId)) !== undefined);
  assert.equal(await outcomeOf(seller, tradeId), 'traded');
  assert.equal(on.nodes.seller.balanceMsat(), 1_090_000_000n);
});

describe('it has shown it also while nothing certain is known of the chain, as when two sources contradict each other', () => {
  const unsure = () => Promise.reject(new SparkleError('sources_disagree', 'two tips'));
  for (const when of ['as before', 'after a restart'] as const)
    test(when, async () => {
      let isKnown = true;
      const {
        on,
        seller: first,
        tradeId,
        cycle,
      } = await besieged((chain) => ({
        ...chain,
        tip: () => (isKnown ? chain.tip() : unsure()),
      }));
      isKnown = false;
      const seller = when === 'as before' ? first : new Trader(on.parts.seller);
      if (seller !== first) {
        await first.stop();
        await seller.start();
      }
      cycle();
      await settle([seller]);
      assert.equal((await seller.trade(tradeId))?.state, 'settling');
      assert.equal(on.nodes.seller.balanceMsat(), 1_090_000_000n);
      await seller.stop();
    });
});
