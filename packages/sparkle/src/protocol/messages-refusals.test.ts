import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import { readMessage, type TradeMessage, writeMessage } from './messages.ts';
import vectors from './messages.vectors.json' with { type: 'json' };

const fieldsOf = (name: string): Record<string, unknown> => {
  const vector = [...vectors.plain, ...vectors.signed].find((one) => one.name === name);
  assert.ok(vector !== undefined, name);
  return JSON.parse(vector.text) as Record<string, unknown>;
};
const read = (text: string) => readMessage(text, { nowSeconds: 1_800_000_000 });
const HASH = '64 lowercase hex characters';
const KEY = '66 lowercase hex characters that begin with 02 or 03, or 64';
const SATS = 'a whole number of sats from 0 to 2100000000000000';
const PRICE = 'a whole number of sats from 1 to 2100000000000000';
const HEIGHT = 'a whole number of blocks from 1 to 499999999';
const INVOICE = 'a lowercase BOLT 11 invoice of at most 7089 characters';

const expected: Record<string, Record<string, string>> = {
  '3.1 trade request': {
    p: 'the word sparkle',
    op: 'one of trade_request, trade_quote, trade_accept, trade_complete, trade_abort',
    v: 'the number 1',
    inscription_id: 'an inscription id: 64 lowercase hex, i, index',
    buyer_pubkey: KEY,
    offer_sats: PRICE,
    deposit_invoice: INVOICE,
  },
  '3.2 trade accept': {
    funding_txid: HASH,
    funding_vout: 'a whole number of outputs from 0 to 4294967295',
    payment_hash: HASH,
    invoice: INVOICE,
    refund_locktime: HEIGHT,
    witness_script: 'lowercase hex of at most 10000 whole bytes',
  },
  '3.3 trade complete': { claim_txid: HASH, preimage: HASH },
  'hold-first quote': {
    trade_id: '32 lowercase hex characters',
    from: HASH,
    expires_at: 'a whole number of Unix seconds from 1 to 9007199254740991',
    sig: '128 lowercase hex characters',
    mode: 'one of hold-first, lock-first',
    network: 'one of mainnet, testnet, testnet4, signet, regtest',
    script: 'one of sip3, v1',
    internal_key: 'one of nums, musig',
    seller_pubkey: KEY,
    price_sats: PRICE,
    quote_height: HEIGHT,
    final_cltv: HEIGHT,
    confirmations: 'a whole number of blocks from 1 to 144',
    postage_sats: SATS,
    reserve_sats: SATS,
    offset_sats: SATS,
  },
  abort: { code: '1 to 64 lowercase letters, digits and underscores' },
};

for (const [name, fields] of Object.entries(expected))
  for (const [field, wanted] of Object.entries(fields))
    test(`${name}: the refusal of a bad ${field} says what was expected and what came`, () => {
      const detail = { field, expected: wanted };
      for (const [value, got] of [
        ['?!', '2 characters'],
        [-1.5, '-1.5'],
      ]) {
        const message = `"${field}" must be ${wanted}; got ${got}`;
        const text = JSON.stringify({ ...fieldsOf(name), [field]: value });
        assert.throws(() => read(text), { code: 'bad_message', message, detail });
      }
    });

test('an op that is no text, though it would read like one, is refused', () => {
  const message = '"op" must be a text, or a number and not -0; got an array';
  assert.throws(() => read(JSON.stringify({ ...fieldsOf('3.1 trade request'), op: ['trade_request'] })), { message });
});

test('an op is compared with the list and not with what all objects have', () => {
  const text = JSON.stringify({ ...fieldsOf('3.1 trade request'), op: 'toString' });
  const message = `"op" must be ${expected['3.1 trade request']?.['op']}; got 8 characters`;
  assert.throws(() => read(text), { message });
});

const complete = JSON.stringify(fieldsOf('3.3 trade complete'));
const refusals: [what: string, text: string, message: string][] = [
  ['too long a text', ' '.repeat(65_537), 'a message has at most 65536 characters; got 65537'],
  ['no JSON', '{', 'a message must be JSON text'],
  ['a number', '7', 'a message must be a JSON object; got 7'],
  ['nothing', 'null', 'a message must be a JSON object; got null'],
  ['an array', '[]', 'a message must be a JSON object; got an array'],
  ['a nested value', complete.replace('"v":1', '"v":{}'), '"v" must be a text, or a number and not -0; got an object'],
  ['a field twice', complete.replace('{', '{"v":1,'), 'a message must name each field once; got a field twice'],
  [
    'an unknown field',
    complete.replace('{', '{"note":1,'),
    'a message must have only the fields it is known to have; got "note"',
  ],
];

for (const [what, text, message] of refusals)
  test(`${what}: the refusal says so`, () => {
    assert.throws(() => read(text), { code: 'bad_message', message });
  });

test('an expired proposal is refused with both times', () => {
  const text = JSON.stringify(fieldsOf('hold-first quote'));
  assert.throws(() => readMessage(text, { nowSeconds: 1_900_000_007 }), {
    code: 'bad_message',
    message: 'expires_at must be after 1900000007; got 1900000000',
    detail: { field: 'expires_at', nowSeconds: 1_900_000_007 },
  });
});

test('a bad signature is refused with the key it should be by', () => {
  const from = vectors.keys.seller.public;
  assert.throws(() => read(JSON.stringify({ ...fieldsOf('abort'), code: 'other' })), {
    code: 'bad_signature',
    message: `sig must be by ${from} over the other fields; it is not`,
    detail: { from, op: 'trade_abort' },
  });
});

test('the writer says why it does not write', () => {
  const inscriptionId = `${'ab'.repeat(32)}i0`;
  const signer = { secret: hex.decode(vectors.keys.buyer.secret), auxRand: new Uint8Array(32) };
  const plain: TradeMessage = {
    op: 'trade_complete',
    inscriptionId,
    claimTxid: '01'.repeat(32),
    preimage: '02'.repeat(32),
  };
  const from = vectors.keys.seller.public;
  const signed: TradeMessage = { ...plain, signed: { tradeId: '00'.repeat(16), from, expiresAt: 1 } };
  assert.throws(() => writeMessage(plain, signer), {
    code: 'bad_message',
    message: 'this trade_complete must have signed fields; got none',
    detail: { op: 'trade_complete' },
  });
  assert.throws(() => writeMessage(signed), {
    code: 'bad_key',
    message: 'a message with signed fields needs a key to sign; got none',
  });
  assert.throws(() => writeMessage(signed, signer), {
    code: 'bad_key',
    message: `from must be the key that signs, ${vectors.keys.buyer.public}; got ${from}`,
    detail: { signer: vectors.keys.buyer.public },
  });
});
