import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Lightning } from '../lightning/lightning.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { Effect } from '../protocol/trade/effect.ts';
import {
  holdBuyer,
  holdSeller,
  holdTerms,
  invoiceFor,
  lockFor,
  lockTerms,
  refundFor,
  sellerKeys,
} from '../protocol/trade/fixtures.suite.ts';
import type { Trade } from '../protocol/trade/step.ts';
import { type Hands, refusalOf, runEffect } from './effects.ts';
import type { Parts } from './parts.ts';
import { silentLog } from './log.ts';

type World = {
  lightning?: Partial<Lightning>;
  trade?: Trade;
  height?: number;
  nowSeconds?: number;
  tipAgeSeconds?: number;
};
type Deeds = string[];

/** A world in which only what a test says is there; whoever asks for more learns it. */
function world(given: World): { parts: Parts; deeds: Deeds } {
  const { lightning, trade, height = 1000, nowSeconds = 1_800_000_000, tipAgeSeconds = 0 } = given;
  const deeds: Deeds = [];
  const chain = {
    tip: async () => ({ height, hash: '', timeSeconds: nowSeconds - tipAgeSeconds }),
    broadcast: async () => void deeds.push('broadcast'),
  };
  const store = { load: async () => trade };
  const clock = { nowSeconds: () => nowSeconds };
  const parts = { network: 'signet', chain, lightning, store, log: silentLog, clock };
  return { parts: parts as unknown as Parts, deeds };
}

const hands = { keys: () => sellerKeys } as unknown as Hands;
const due = (effect: Effect, attempts = 0) => ({ key: 'k', tradeId: 't', attempts, notBefore: 0, effect });
const run = (parts: Parts, effect: Effect) => runEffect(parts, hands, due(effect));
const refuses = (code: string) => (error: unknown) => error instanceof SparkleError && error.code === code;

const pay: Effect = {
  do: 'pay',
  terms: holdTerms,
  bolt11: invoiceFor(holdTerms),
  maxFeeMsat: 1n,
  maxCltvBlocks: 500,
  notAfterHeight: 1012,
  notAfterSeconds: 1_800_000_900,
};

describe('paying', () => {
  const wallet = (state: 'unknown' | 'pending' | 'settled' | 'failed') => {
    const paid: Deeds = [];
    const payment = async () => ({ state, reason: '', preimage: '', feeMsat: 0n }) as never;
    return { paid, lightning: { payment, pay: async () => void paid.push('paid') } };
  };

  test('a payment that is wanted, in time and not under way is dispatched', async () => {
    const { paid, lightning } = wallet('unknown');
    await run(world({ lightning, trade: holdBuyer.paying }).parts, pay);
    assert.deepEqual(paid, ['paid']);
  });

  test('a payment that is under way or settled is never dispatched again', async () => {
    for (const state of ['pending', 'settled'] as const) {
      const { paid, lightning } = wallet(state);
      await run(world({ lightning, trade: holdBuyer.paying }).parts, pay);
      assert.deepEqual(paid, []);
    }
  });

  test('while the best block is an hour old, as after a long sleep, nothing is paid (R3)', async () => {
    const { paid, lightning } = wallet('unknown');
    const { parts } = world({ lightning, trade: holdBuyer.paying, tipAgeSeconds: 3600 });
    await assert.rejects(run(parts, pay), refuses('chain_unavailable'));
    assert.deepEqual(paid, []);
  });

  test('one block or one second too late, or no longer wanted, nothing is paid', async () => {
    const late = [{ height: 1013 }, { nowSeconds: 1_800_000_901 }, { trade: holdBuyer.requested }];
    for (const wrong of late) {
      const { paid, lightning } = wallet('unknown');
      const { parts } = world({ lightning, trade: holdBuyer.paying, ...wrong });
      await assert.rejects(run(parts, pay), refuses('too_late'));
      assert.deepEqual(paid, []);
    }
  });
});

describe('sending a lock', () => {
  const lock: Effect = {
    do: 'broadcast',
    what: 'lock',
    ...lockFor(holdTerms),
    only: { untilHeight: 1000, heldHash: holdTerms.paymentHash },
  };
  const amountMsat = holdTerms.priceSats * 1000n;
  const invoice = (state: string, msat = amountMsat) => ({
    invoice: async () => ({ state, amountMsat: msat, expiryHeight: 2000, parts: 1 }) as never,
  });

  test('in time and while the payment is held it is sent', async () => {
    const { parts, deeds } = world({ lightning: invoice('held'), trade: holdSeller.locking });
    assert.equal((await run(parts, lock))?.type, 'broadcast_done');
    assert.deepEqual(deeds, ['broadcast']);
  });

  test('too late it is not sent', async () => {
    const { parts, deeds } = world({ lightning: invoice('held'), height: 1001, trade: holdSeller.locking });
    await assert.rejects(run(parts, lock), refuses('too_late'));
    assert.deepEqual(deeds, []);
  });

  test('while the best block is an hour old, as after a long sleep, it waits (R3)', async () => {
    const { parts, deeds } = world({ trade: holdSeller.locking, lightning: invoice('held'), tipAgeSeconds: 3600 });
    await assert.rejects(run(parts, lock), refuses('chain_unavailable'));
    assert.deepEqual(deeds, []);
  });

  test('without a held payment it is not sent', async () => {
    for (const state of ['open', 'canceled', 'unknown', 'settled']) {
      const { parts, deeds } = world({ lightning: invoice(state), trade: holdSeller.locking });
      await assert.rejects(run(parts, lock), refuses('invoice_not_held'));
      assert.deepEqual(deeds, []);
    }
  });

  test('while less than the price is held, or nothing of it any more, it is not sent', async () => {
    for (const msat of [0n, amountMsat - 1n]) {
      const { parts, deeds } = world({ lightning: invoice('held', msat), trade: holdSeller.locking });
      await assert.rejects(run(parts, lock), refuses('invoice_not_held'));
      assert.deepEqual(deeds, []);
    }
  });
});

const refunding = { ...holdSeller.locked, state: 'refunding' } as Trade;

describe('invoices', () => {
  test('a node that answers with an invoice for another hash is not believed (D22)', async () => {
    const other = { createHoldInvoice: async () => ({ bolt11: invoiceFor(lockTerms) }) };
    const effect: Effect = { do: 'create_hold_invoice', terms: holdTerms, expirySeconds: 900 };
    await assert.rejects(run(world({ lightning: other }).parts, effect), refuses('bad_invoice'));
  });

  test('settling with a preimage of another hash never reaches the node', async () => {
    const lightning = { settle: () => assert.fail('the node was asked') };
    const effect: Effect = { do: 'settle', paymentHash: holdTerms.paymentHash, preimage: '00'.repeat(32) };
    await assert.rejects(run(world({ lightning }).parts, effect), refuses('bad_preimage'));
  });

  test('a refund beside an invoice that can still be paid is not signed', async () => {
    const plan = { targetBlocks: 6, multiplierPercent: 100, floorSatVb: 1, maxFeeSats: 10_000n };
    const effect: Effect = {
      do: 'build_refund',
      terms: lockTerms,
      keyIndex: 0,
      outpoint: `${lockFor(lockTerms).txid}:0`,
      plan,
    };
    for (const state of ['open', 'held', 'settled']) {
      const lightning = { invoice: async () => ({ state }) as never };
      await assert.rejects(run(world({ lightning, trade: refunding }).parts, effect), refuses('refused'));
    }
  });
});

describe('orders from before an outage', () => {
  const refund: Effect = { do: 'broadcast', what: 'refund', ...refundFor(holdTerms) };

  test('a refund that was built is not sent when the trade has gone on to be paid', async () => {
    const { parts, deeds } = world({ trade: { ...holdSeller.locked, state: 'settling' } as Trade });
    assert.equal(await run(parts, refund), undefined);
    assert.deepEqual(deeds, []);
    const still = world({ trade: refunding });
    assert.equal((await run(still.parts, refund))?.type, 'broadcast_done');
  });

  test('a refund is not even signed then', async () => {
    const plan = { targetBlocks: 6, multiplierPercent: 100, floorSatVb: 1, maxFeeSats: 10_000n };
    const outpoint = `${lockFor(holdTerms).txid}:0`;
    const effect: Effect = { do: 'build_refund', terms: holdTerms, keyIndex: 0, outpoint, plan };
    assert.equal(await run(world({ trade: holdSeller.locked }).parts, effect), undefined);
  });

  test('a lock that shall not come to be any more is not sent', async () => {
    const { parts, deeds } = world({ trade: { ...holdSeller.locking, state: 'aborting' } as Trade });
    assert.equal(await run(parts, { do: 'broadcast', what: 'lock', ...lockFor(holdTerms) }), undefined);
    assert.deepEqual(deeds, []);
  });
});

describe('what an error means', () => {
  const failing = (code: ConstructorParameters<typeof SparkleError>[0]) => new SparkleError(code, '');

  test('what may pass stays due', () => {
    for (const code of ['chain_unavailable', 'lightning_unavailable', 'not_indexed'] as const)
      assert.equal(refusalOf(due(pay), failing(code)), undefined);
    assert.equal(refusalOf(due(pay), new TypeError('a defect')), undefined);
  });

  test('what will not change is told to the machine', () => {
    for (const code of ['no_route', 'too_late', 'insufficient_funds', 'broadcast_refused'] as const)
      assert.equal(refusalOf(due(pay), failing(code))?.code, code);
  });

  test('a letter is tried thirty times before it is given up', () => {
    const send = { do: 'send' } as Effect;
    assert.equal(refusalOf(due(send, 29), failing('refused')), undefined);
    assert.equal(refusalOf(due(send, 30), failing('refused'))?.code, 'refused');
  });
});
