import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { TradeRequest } from 'sparkle-protocol/protocol/messages';
import { forward, forwarder, request } from 'sparkle-protocol/protocol/trade/forward.suite';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { Aftermath, type AftermathParts } from './aftermath.ts';
import { Checkouts } from './checkouts.ts';
import type { Database } from '../database/database.ts';
import { open } from '../database/database.suite.ts';
import { Desk, type DeskParts } from './desk.ts';

const NOW = 1_800_000_000;
const caller = { key: undefined, address: '127.0.0.1' };
const named = { payment_hash: '11'.repeat(32), claim_key: '22'.repeat(32) };
const pricing = { seller_sats: 90_000, creator_royalty_sats: 0, market_fee_sats: 0, estimated_l1_fee_sats: 0 };
const item = {
  offerId: 'o1',
  inscriptionId: forward.inscriptionId,
  outpoint: `${'aa'.repeat(32)}:0`,
  listing: undefined,
};

const folder = mkdtempSync(join(tmpdir(), 'sparkle-desk-'));
let database: Database;
let checkouts: Checkouts;
let trades: Map<string, Trade>;

before(async () => {
  database = await open(`sqlite:${join(folder, 'coordinator.db')}`);
  checkouts = new Checkouts(database.tables);
});
beforeEach(async () => {
  trades = new Map();
  await database.tables.deleteFrom('checkout').execute();
});
after(async () => {
  await database.close();
  rmSync(folder, { recursive: true });
});

/** Whose shelf is empty and who passes on, or who has one item of his own. */
function desk({ isOurs, accept }: { isOurs: boolean; accept?: (tradeId: string) => Promise<void> }): Desk {
  let made = 0;
  const parts = {
    trader: {
      trade: async (tradeId: string) => trades.get(tradeId),
      accept: async (of: { request: TradeRequest }) => accept?.(of.request.signed?.tradeId ?? ''),
    },
    listings: {
      find: async () => (isOurs ? item : undefined),
      open: async () => item,
      openOf: () => item,
      byId: async () => undefined,
    },
    quotes: {
      agreed: async () => ({ totalSats: 90_000n, reserveSats: 0n }),
      agreedTotal: async () => ({ pricing, price: { totalSats: 90_000n, reserveSats: 0n } }),
    },
    forwards: { forwardFor: async () => forward },
    ...{ checkouts, network: 'regtest', nowSeconds: () => NOW, newId: () => String(++made).padStart(32, '0') },
    limits: { capitalAtRiskSats: 0n, maxOpenHoldsPerBuyer: 2, claimWindowBlocks: 60 },
  };
  return new Desk(parts as unknown as DeskParts);
}

const tradeIdOf = (n: number): string => n.toString(16).padStart(32, '0');
function asked(n: number, offerSats = request.offerSats): TradeRequest {
  const { signed } = request;
  assert.ok(signed);
  return { ...request, offerSats, signed: { ...signed, tradeId: tradeIdOf(n) } };
}
/** A checkout that was made without keys. */
const prepare = (n: number, offerId = item.offerId): Promise<void> =>
  checkouts.add({
    ...{ checkoutId: `c${n}`, tradeId: tradeIdOf(n), offerId, inscriptionId: item.inscriptionId },
    ...{ ordAddress: '', rail: 'lightning', pricing, totalSats: 90_000n, owed: [] },
    ...{ createdAt: NOW, expiresAt: NOW + 900, heldAt: undefined, state: 'open' },
  });
const buyers = async () => {
  const rows = await database.tables.selectFrom('checkout').select('buyer').orderBy('trade_id').execute();
  return rows.map(({ buyer }) => buyer);
};
const tooMany = { code: 'too_many_holds' };

test('a buyer gets no invoice for a listing that took the place of the one that he was quoted, or asked for', async () => {
  const to = desk({ isOurs: true, accept: async () => assert.fail('a trade was opened') });
  await prepare(1, 'o0');
  await assert.rejects(to.invoice(tradeIdOf(1), { named, caller }), { code: 'too_late' });
  await assert.rejects(to.begin({ ...item, offerId: 'o0' }, { named, caller }), { code: 'too_late' });
  assert.deepEqual(await buyers(), [null]);
});

describe('the places of one buyer', () => {
  test('are taken by payments that are passed on, once for each, and are free when these have ended', async () => {
    const to = desk({ isOurs: false });
    assert.equal(await to.answerTo(asked(1)), forward);
    assert.equal(await to.answerTo(asked(1)), forward);
    assert.equal(await to.answerTo(asked(2)), forward);
    await assert.rejects(to.answerTo(asked(3)), tooMany);
    trades.set(tradeIdOf(1), { ...forwarder.paying, tradeId: tradeIdOf(1) });
    trades.set(tradeIdOf(2), { ...forwarder.asking, tradeId: tradeIdOf(2), state: 'ended' } as Trade);
    const parts = { checkouts, nowSeconds: () => NOW + 1_000, trader: { trade: async (id: string) => trades.get(id) } };
    await new Aftermath(parts as unknown as AftermathParts).catchUp();
    assert.equal(await to.answerTo(asked(3)), forward);
    await assert.rejects(to.answerTo(asked(4)), tooMany);
  });

  test('are taken, too, by who names the trade of a checkout that was made without keys', async () => {
    const to = desk({ isOurs: true });
    for (const n of [1, 2, 3]) await prepare(n);
    assert.ok(await to.answerTo(asked(1, 90_000n)));
    assert.ok(await to.answerTo(asked(2, 90_000n)));
    await assert.rejects(to.answerTo(asked(3, 90_000n)), tooMany);
    assert.ok(await checkouts.byTrade(tradeIdOf(3)));
    await checkouts.close('c1');
    await assert.rejects(to.answerTo(asked(1, 90_000n)), { code: 'too_late' });
  });

  for (const [said, isBegun] of [
    ['stay taken when a second call for the same invoice comes too late', true],
    ['are free again when no trade has begun', false],
  ] as const)
    test(said, async () => {
      const accept = async (tradeId: string): Promise<void> => {
        if (isBegun) trades.set(tradeId, forwarder.paying);
        throw new SparkleError('duplicate_trade', 'the trade id must be unused; it is not');
      };
      const to = desk({ isOurs: true, accept });
      await prepare(1);
      await assert.rejects(to.invoice(tradeIdOf(1), { named, caller }), { code: 'duplicate_trade' });
      assert.deepEqual(await buyers(), [isBegun ? 'address 127.0.0.1' : null]);
    });
});
