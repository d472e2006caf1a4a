import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { openDatabase } from '../database/database.ts';
import { type Booking, Ledger } from './ledger.ts';

/** 2026-11-01 00:00 UTC. */
const NOVEMBER = 1_793_491_200;
const DECEMBER = NOVEMBER + 30 * 86_400;

const SOLD: Booking = {
  tradeId: 't1',
  why: 'settled',
  at: NOVEMBER,
  entries: [
    { account: 'lightning', msat: 1_500_000_000n },
    { account: 'sellers', msat: -1_400_000_000n },
    { account: 'market_fee', msat: -99_999_999n },
    { account: 'chain_fees', msat: -1n },
  ],
};

async function books(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'ledger-'));
  const database = await openDatabase({ url: `sqlite:${join(folder, 'db')}`, network: 'regtest' });
  context.after(async () => {
    await database.close();
    rmSync(folder, { recursive: true });
  });
  return { ledger: new Ledger(database), tables: database.tables };
}

const withCode = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof SparkleError && error.code === code && words.test(error.message);

test('a happening is booked once however often it is told, at the time of its first telling', async (context) => {
  const { ledger } = await books(context);
  await ledger.book(SOLD);
  await ledger.book({ ...SOLD, at: DECEMBER, entries: SOLD.entries.toReversed() });
  assert.deepEqual(
    await ledger.ofTrade('t1'),
    SOLD.entries.map((line) => ({ ...line, at: NOVEMBER, why: 'settled' })),
  );
  assert.deepEqual(await ledger.ofTrade('t2'), []);
});

for (const [said, entries] of [
  [
    'other amounts',
    [
      { account: 'lightning', msat: 2n },
      { account: 'sellers', msat: -2n },
    ],
  ],
  ['another account', [...SOLD.entries.slice(0, 3), { account: 'elsewhere', msat: -1n }]],
  ['one line more', [...SOLD.entries, { account: 'elsewhere', msat: 0n }]],
  [
    'one line less',
    [
      { account: 'lightning', msat: 1_500_000_000n },
      { account: 'sellers', msat: -1_500_000_000n },
    ],
  ],
] as const)
  test(`a happening that is booked is refused with ${said}, and stays as it was`, async (context) => {
    const { ledger } = await books(context);
    await ledger.book(SOLD);
    await assert.rejects(ledger.book({ ...SOLD, entries }), withCode('refused', /settled of trade t1/));
    assert.equal((await ledger.ofTrade('t1')).length, 4);
  });

for (const [said, entries, words] of [
  [
    'one msat too much',
    [
      { account: 'a', msat: 5n },
      { account: 'b', msat: -4n },
    ],
    /add up to 0 msat; it adds up to 1/,
  ],
  ['one line', [{ account: 'a', msat: 0n }], /two lines or more/],
  ['nothing', [], /two lines or more/],
  [
    'an account twice',
    [
      { account: 'a', msat: 1n },
      { account: 'a', msat: -1n },
    ],
    /each account once/,
  ],
  [
    'a strange account',
    [
      { account: 'A b', msat: 1n },
      { account: 'a', msat: -1n },
    ],
    /lowercase words; got "A b"/,
  ],
] as const)
  test(`a booking of ${said} is refused and writes nothing`, async (context) => {
    const { ledger } = await books(context);
    await assert.rejects(ledger.book({ ...SOLD, entries }), withCode('bad_amount', words));
    assert.deepEqual(await ledger.balances(), []);
  });

test('a month ends where the next begins, and its accounts are told to the msat', async (context) => {
  const { ledger } = await books(context);
  await ledger.book({ ...SOLD, tradeId: 'before', at: NOVEMBER - 1 });
  await ledger.book(SOLD);
  await ledger.book({ ...SOLD, tradeId: 'last', at: DECEMBER - 1 });
  await ledger.book({ ...SOLD, tradeId: 'after', at: DECEMBER });
  const back = { account: 'lightning', msat: -1n };
  await ledger.book({
    tradeId: 't1',
    why: 'fee',
    at: NOVEMBER + 5,
    entries: [back, { account: 'chain_fees', msat: 1n }],
  });
  assert.deepEqual(await ledger.report({ month: '2026-11' }), [
    { account: 'chain_fees', inMsat: 1n, outMsat: 2n, balanceMsat: -1n, lines: 3 },
    { account: 'lightning', inMsat: 3_000_000_000n, outMsat: 1n, balanceMsat: 2_999_999_999n, lines: 3 },
    { account: 'market_fee', inMsat: 0n, outMsat: 199_999_998n, balanceMsat: -199_999_998n, lines: 2 },
    { account: 'sellers', inMsat: 0n, outMsat: 2_800_000_000n, balanceMsat: -2_800_000_000n, lines: 2 },
  ]);
  assert.equal((await ledger.report({ month: '2026-12' })).length, 4);
  assert.deepEqual(await ledger.report({ month: '2025-11' }), []);
});

for (const month of ['2026-13', '2026-00', '2026-1', '26-11', '2026-11-01', ''])
  test(`no month: ${month}`, async (context) => {
    const { ledger } = await books(context);
    await assert.rejects(ledger.report({ month }), withCode('bad_message', /must be YYYY-MM/));
  });

test('whatever is booked, all accounts together have nothing', async (context) => {
  const { ledger } = await books(context);
  const amounts = fc.array(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), { minLength: 1, maxLength: 6 });
  let count = 0;
  await fc.assert(
    fc.asyncProperty(amounts, async (lines) => {
      const rest = -lines.reduce((all, msat) => all + msat, 0n);
      const entries = [...lines, rest].map((msat, i) => ({ account: `account_${i}`, msat }));
      await ledger.book({ tradeId: `t${(count += 1)}`, why: 'settled', at: NOVEMBER, entries });
      const sum = (await ledger.balances()).reduce((all, { balanceMsat }) => all + balanceMsat, 0n);
      assert.equal(sum, 0n);
    }),
    { numRuns: 50 },
  );
  assert.deepEqual(await ledger.unbalanced(), []);
});

test('what was written past the books is found', async (context) => {
  const { ledger, tables } = await books(context);
  await ledger.book(SOLD);
  await tables.updateTable('ledger_entry').set({ msat: '-2' }).where('account', '=', 'chain_fees').execute();
  assert.deepEqual(await ledger.unbalanced(), [{ tradeId: 't1', why: 'settled', msat: -1n }]);
});

test('many tellings at once are one booking', async (context) => {
  const { ledger } = await books(context);
  await Promise.all(Array.from({ length: 10 }, () => ledger.book(SOLD)));
  assert.equal((await ledger.ofTrade('t1')).length, 4);
});
