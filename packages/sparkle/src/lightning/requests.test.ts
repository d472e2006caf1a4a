import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../protocol/errors.ts';
import { checkHoldInvoiceRequest, checkInvoiceRequest, checkPayRequest, readMsat } from './requests.ts';

const terms = { amountMsat: 1n, finalCltv: 40, expirySeconds: 60, description: 'x' };
const hold = { ...terms, paymentHash: 'ab'.repeat(32) };
const plain = { ...terms, preimage: 'cd'.repeat(32) };
const order = { bolt11: 'lnbcrt', maxFeeMsat: 0n, maxCltvBlocks: 2016, timeoutSeconds: 1 };

test('requests at the edges of what a node can honour pass', () => {
  checkHoldInvoiceRequest({ ...hold, finalCltv: 2016, amountMsat: 2_100_000_000_000_000_000n, description: '' });
  checkHoldInvoiceRequest({ ...hold, finalCltv: 1, description: 'é'.repeat(319) });
  checkInvoiceRequest(plain);
  checkPayRequest(order);
});

test('what no node could honour is refused with a code that names the kind', () => {
  const cases: [() => unknown, ErrorCode][] = [
    [() => checkHoldInvoiceRequest({ ...hold, paymentHash: 'ab' }), 'bad_hex'],
    [() => checkHoldInvoiceRequest({ ...hold, amountMsat: 0n }), 'bad_amount'],
    [() => checkHoldInvoiceRequest({ ...hold, amountMsat: 2_100_000_000_000_000_001n }), 'bad_amount'],
    [() => checkHoldInvoiceRequest({ ...hold, finalCltv: 2017 }), 'bad_height'],
    [() => checkHoldInvoiceRequest({ ...hold, finalCltv: 1.5 }), 'bad_height'],
    [() => checkHoldInvoiceRequest({ ...hold, expirySeconds: 0 }), 'bad_invoice'],
    [() => checkHoldInvoiceRequest({ ...hold, description: 'é'.repeat(320) }), 'bad_invoice'],
    [() => checkInvoiceRequest({ ...plain, preimage: 'CD'.repeat(32) }), 'bad_hex'],
    [() => checkPayRequest({ ...order, maxFeeMsat: -1n }), 'bad_amount'],
    [() => checkPayRequest({ ...order, maxCltvBlocks: 0 }), 'bad_height'],
    [() => checkPayRequest({ ...order, timeoutSeconds: 0 }), 'bad_config'],
    [() => readMsat({ value: 5, field: 'amountMsat', min: 0n }), 'bad_amount'],
  ];
  for (const [work, code] of cases) assert.throws(work, { code });
});

test('a preimage that is refused is not repeated', () => {
  const preimage = `${'cd'.repeat(31)}zz`;
  assert.throws(
    () => checkInvoiceRequest({ ...plain, preimage }),
    (error) => error instanceof Error && !`${error.stack}${JSON.stringify(error)}`.includes(preimage),
  );
});
