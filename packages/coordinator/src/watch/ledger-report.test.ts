import assert from 'node:assert/strict';
import { test } from 'node:test';
import { monthWire, reportText, satsText } from './ledger-report.ts';

test('millisats are shown exactly', () => {
  assert.deepEqual([0n, 1n, -1n, 999n, 1_000n, -1_500n, 21n * 10n ** 17n].map(satsText), [
    '0.000',
    '0.001',
    '-0.001',
    '0.999',
    '1.000',
    '-1.500',
    '2100000000000000.000',
  ]);
});

test('a month is a table whose columns stand under each other', () => {
  const rows = [
    { account: 'lightning', inMsat: 3_000_000_001n, outMsat: 1n, balanceMsat: 3_000_000_000n, lines: 3 },
    { account: 'sales', inMsat: 0n, outMsat: 3_000_000_000n, balanceMsat: -3_000_000_000n, lines: 2 },
  ];
  assert.equal(
    reportText(monthWire({ month: '2026-11', rows })),
    `2026-11, in sats
account             in          out       balance  lines
lightning  3000000.001        0.001   3000000.000      3
sales            0.000  3000000.000  -3000000.000      2
together   3000000.001  3000000.001         0.000      5
earned                                3000000.000
`,
  );
});

test('earned is by how much coins, items, locks and lightning grew, less what is owed', () => {
  const row = (account: string, balanceMsat: bigint) => ({ account, inMsat: 0n, outMsat: 0n, balanceMsat, lines: 1 });
  const held = [row('coins', -9n), row('items', 2n), row('lightning', 20n), row('locks', 3n)];
  const rows = [...held, row('owed_royalties', -4n), row('sellers', -16n)];
  assert.equal(monthWire({ month: '2026-11', rows }).earned_msat, '12');
});

test('what is owed now stands below the month', () => {
  const one = {
    id: 't1:0',
    trade_id: 't1',
    to: 'artist@example.com',
    sats: '3000',
    state: 'owed',
    attempts: 12,
    since: 1,
  } as const;
  const owed = [
    { ...one, why: 'bad_invoice: amount' },
    { ...one, to: 'eve@example.com', state: 'given_up', why: '' } as const,
  ];
  assert.match(
    reportText(monthWire({ month: '2026-11', rows: [], owed })),
    /^owed to artist@example\.com: 3000 of trade t1, after 12 attempts \(bad_invoice: amount\)\nowed to eve@example\.com: 3000 of trade t1, given up after 12 attempts$/m,
  );
});

test('a month without any line has nothing', () => {
  assert.match(reportText(monthWire({ month: '2026-11', rows: [] })), /^together +0\.000 +0\.000 +0\.000 +0$/m);
});
