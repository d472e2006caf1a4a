import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownBy } from './coordinator-proof.ts';

const lock = { outpoint: `${'ab'.repeat(32)}:1`, address: 'bcrt1p', descriptor: 'tr()', raw: '00', confirmations: 1 };
const satProof = { inscription_id: `${'cd'.repeat(32)}i0`, satpoint: `${'ab'.repeat(32)}:1:0`, transactions: ['00'] };
const answer = { trade_id: '00010203-0405-0607-0809-0a0b0c0d0e0f', messages: ['{}'] };

test('what is shown is taken as it is: messages alone, then the lock and the sat proof', () => {
  assert.deepEqual(shownBy(answer), { messages: ['{}'] });
  const { inscription_id: inscriptionId, ...proof } = satProof;
  const from = `${'ab'.repeat(32)}:0:0`;
  const { messages, satProof: shown } = shownBy({ ...answer, lock, sat_proof: { ...satProof, from } });
  assert.deepEqual([messages, shown], [['{}'], { inscriptionId, from, ...proof }]);
  assert.equal('from' in (shownBy({ ...answer, sat_proof: satProof }).satProof ?? {}), false);
});

const wrong: [said: string, answer: unknown, field: string][] = [
  ['no object', 'proof', ''],
  ['a third message', { ...answer, messages: ['{}', '{}', '{}'] }, 'messages'],
  ['a message longer than any', { ...answer, messages: ['x'.repeat(20_001)] }, 'messages.0'],
  ['raw bytes that are none', { ...answer, lock: { ...lock, raw: '0g' } }, 'lock.raw'],
  ['half a byte', { ...answer, sat_proof: { ...satProof, transactions: ['000'] } }, 'sat_proof.transactions.0'],
  [
    'more transactions than a proof has',
    { ...answer, sat_proof: { ...satProof, transactions: Array(4_097).fill('') } },
    'sat_proof.transactions',
  ],
];
for (const [said, given, field] of wrong)
  test(`${said} is refused by its field`, () => {
    assert.throws(
      () => shownBy(given),
      (error: { code?: unknown; detail?: unknown }) => {
        assert.deepEqual([error.code, error.detail], ['bad_message', { field }]);
        return true;
      },
    );
  });

test('what rescue answers besides is passed over, and any other field refused', () => {
  const hex = '0f'.repeat(32);
  const terms = {
    ...{ inscription_id: satProof.inscription_id, payment_hash: hex, claim_key: hex, refund_key: hex },
    ...{ refund_height: 300, last_reveal_height: 264, postage_sats: 10_000, reserve_sats: 1_000, offset_sats: 0 },
    ...{ claim_leaf: '00', claim_control_block: '00' },
  };
  assert.deepEqual(shownBy({ ...answer, terms }), shownBy(answer));
  assert.throws(() => shownBy({ ...answer, hat: 'red' }), { code: 'bad_message' });
});
