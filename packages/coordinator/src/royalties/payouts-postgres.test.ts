import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { quoting } from 'sparkle-protocol/store/samples.suite';
import { withoutPostgres } from '../../../../test/regtest/parts.ts';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { open } from '../database/database.suite.ts';
import { PayoutRows } from './payout-rows.ts';
import { hashOf, payoutWorld, preimageOf } from './payouts.suite.ts';
import { Payouts } from './payouts.ts';

const MSAT = 3_000_000n;

describe('royalties that are owed, on one PostgreSQL', { skip: withoutPostgres }, () => {
  let server: Postgres;
  before(async () => {
    server = await startPostgres({ writes: 'fast' });
  });
  after(() => server?.stop());

  test('are paid once by two coordinators that work at them at the same time', async (context) => {
    const databaseUrl = await server.newDatabase();
    const { payouts, parts, owe, moved, balance, states } = await payoutWorld(context, { databaseUrl });
    const beside = await open(databaseUrl);
    context.after(() => beside.close());
    const other = new Payouts({ ...parts, rows: new PayoutRows(beside) });
    await Promise.all([owe(), owe()]);
    await Promise.all([payouts.catchUp(), other.catchUp(), payouts.catchUp(), other.catchUp()]);
    assert.deepEqual([await states(), moved()], [['paid'], { left: MSAT, came: MSAT }]);
    assert.deepEqual([await balance('royalties'), await balance('owed_royalties')], [MSAT, 0n]);
    assert.equal(await balance('lightning'), -MSAT);
  });

  test('are not paid for the payment hash of a trade, and give theirs to none', async (context) => {
    const databaseUrl = await server.newDatabase();
    const { payouts, owe, database, next, moved, why, wait, states } = await payoutWorld(context, { databaseUrl });
    const trade = (tradeId: string, preimage: string) => quoting({ tradeId, paymentHash: hashOf(preimage) });
    await database.store.create({ trade: trade('t2', preimageOf(93)), effects: [] });
    next.changed = { preimage: preimageOf(93) };
    await owe();
    await payouts.catchUp();
    assert.deepEqual([await why(), moved().left], [['bad_invoice: hash_reused'], 0n]);
    next.changed = {};
    wait(30);
    await payouts.catchUp();
    assert.deepEqual([await states(), moved().left], [['paid'], MSAT]);
    const later = database.store.create({ trade: trade('t3', preimageOf(1)), effects: [] });
    await assert.rejects(later, { code: 'duplicate_trade' });
  });
});
