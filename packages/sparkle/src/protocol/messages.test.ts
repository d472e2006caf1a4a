import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import fc from 'fast-check';
import { canonicalJson } from './json.ts';
import { readMessage, type TradeMessage, writeMessage } from './messages.ts';
import { plainSchemas, signedSchemas } from './messages-wire.ts';
import vectors from './messages.vectors.json' with { type: 'json' };

const auxRand = new Uint8Array(32);
const nowSeconds = 1_899_999_999;
const buyer = hex.decode(vectors.keys.buyer.secret);
const x = vectors.keys.claim.public;

/** Vectors write a bigint as a text that ends in n. */
const bigints = (value: unknown): unknown => {
  if (typeof value === 'string' && /^[0-9]+n$/.test(value)) return BigInt(value.slice(0, -1));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, bigints(member)]));
};
const messageOf = (vector: { message: unknown }): TradeMessage => bigints(vector.message) as TradeMessage;

const vector = (name: string) => {
  const found = [...vectors.plain, ...vectors.signed].find((one) => one.name === name);
  assert.ok(found !== undefined, name);
  return found;
};
const fieldsOf = (name: string): Record<string, unknown> => JSON.parse(vector(name).text) as Record<string, unknown>;
const read = (text: string) => readMessage(text, { nowSeconds });

/** The fields, signed again by the buyer as the wire defines it, without our writer. */
function signedAgain(fields: Record<string, unknown>): string {
  const { sig: _old, ...unsigned }: Record<string, unknown> = { ...fields, from: vectors.keys.buyer.public };
  const tag = sha256(utf8.decode('sparkle/message'));
  const digest = sha256(new Uint8Array([...tag, ...tag, ...utf8.decode(canonicalJson(unsigned))]));
  return JSON.stringify({ ...unsigned, sig: hex.encode(schnorr.sign(digest, buyer, auxRand)) });
}

const refused = (text: string, field: string | undefined, code = 'bad_message'): void =>
  assert.throws(
    () => read(text),
    (error: Error & { code?: string; detail?: { field?: string } }) => {
      assert.equal(error.code, code, error.message);
      if (field !== undefined) assert.equal(error.detail?.field, field, error.message);
      return true;
    },
  );

for (const one of vectors.plain) {
  test(`SIP-3 ${one.name}: is read as it stands in the text, and has no signer`, () => {
    assert.deepEqual(read(one.text), { message: messageOf(one) });
  });
  test(`SIP-3 ${one.name}: is written with the same fields`, () => {
    assert.deepEqual(JSON.parse(writeMessage(messageOf(one))), JSON.parse(one.text));
  });
}

for (const one of vectors.signed) {
  test(`signed ${one.name}: is read and names its signer`, () => {
    const message = messageOf(one);
    assert.deepEqual(read(one.text), { message, signedBy: message.signed?.from });
  });
  test(`signed ${one.name}: is written byte for byte`, () => {
    assert.equal(writeMessage(messageOf(one), { secret: hex.decode(one.secret), auxRand }), one.text);
  });
  test(`signed ${one.name}: one changed field breaks the signature`, () => {
    const fields = JSON.parse(one.text) as Record<string, unknown>;
    refused(JSON.stringify({ ...fields, expires_at: 1_900_000_001 }), undefined, 'bad_signature');
  });
  test(`signed ${one.name}: no field can be left out`, () => {
    const fields = JSON.parse(one.text) as Record<string, unknown>;
    for (const name of Object.keys(fields)) {
      const { [name]: _gone, ...rest } = fields;
      if (name === 'deposit_invoice' || (name === 'payment_hash' && fields['op'] === 'trade_request'))
        assert.equal(read(signedAgain(rest)).signedBy, vectors.keys.buyer.public);
      else refused(JSON.stringify(rest), name);
    }
  });
}

test('the signature is BIP 340 over the tagged hash of the canonical text without sig', () => {
  const name = 'hold-first request';
  assert.equal(canonicalJson(JSON.parse(signedAgain(fieldsOf(name)))), vector(name).text);
});

test('the order of the fields and spaces between them do not matter to the signature', () => {
  const fields = fieldsOf('abort');
  const shuffled = Object.fromEntries(Object.entries(fields).reverse());
  assert.deepEqual(read(JSON.stringify(shuffled, null, 2)), read(vector('abort').text));
});

test('both widths and both prefixes of a public key are read as the same x-only key', () => {
  for (const key of [x, `02${x}`, `03${x}`]) {
    const { message } = read(JSON.stringify({ ...fieldsOf('3.1 trade request'), buyer_pubkey: key }));
    assert.equal(message.op === 'trade_request' && message.claimKey, x);
    const quote = read(signedAgain({ ...fieldsOf('hold-first quote'), seller_pubkey: key }));
    assert.equal(quote.message.op === 'trade_quote' && quote.message.signed.refundKey, x);
  }
});

const bad: Record<string, Record<string, unknown[]>> = {
  '3.1 trade request': {
    p: ['Sparkle', '', 1, null],
    v: [2, 0, '1', 1.5],
    inscription_id: [
      'abc123...i0',
      `${'a'.repeat(64)}i01`,
      `${'a'.repeat(64)}i4294967296`,
      `${'A'.repeat(64)}i0`,
      `0${'a'.repeat(64)}i0`,
      7,
    ],
    buyer_pubkey: [`04${x}`, x.slice(2), `02${x.toUpperCase()}`, `02${x}00`, ` ${x}`, `${x}\n`, 2],
    offer_sats: [0, -1, 1.5, '100000', 2_100_000_000_000_001],
    deposit_invoice: ['', 'bc1q', ' lnbc1', 'LNBC1', `ln${'a'.repeat(7088)}`, 1],
  },
  '3.2 trade accept': {
    funding_txid: ['def456', 'F'.repeat(64), 'f'.repeat(65)],
    funding_vout: [-1, 4_294_967_296, 0.5, '0'],
    payment_hash: ['789abc', 'g'.repeat(64)],
    invoice: ['', 'ln'],
    refund_locktime: [0, 500_000_000, -5, 900_144.5, '900144'],
    witness_script: ['0', 'AB', '...', 'a'.repeat(20_002), 0],
  },
  '3.3 trade complete': { claim_txid: ['fed987'], preimage: ['', '0'.repeat(63), '0'.repeat(66), 'A'.repeat(64)] },
  'hold-first request': {
    trade_id: ['0'.repeat(31), '0'.repeat(33), 'A'.repeat(32), 1],
    expires_at: [0, -1, 1.5, '1900000000', 9_007_199_254_740_992],
    mode: ['hold_first', 'Hold-first', '', 1],
    network: ['Regtest', 'liquid', ''],
    script: ['v2', 1],
    internal_key: ['NUMS', ''],
    payment_hash: ['', 'f'.repeat(63)],
    sig: ['', '0'.repeat(127), '0'.repeat(130), `g${'0'.repeat(128)}`, `${'0'.repeat(128)}\n`, 'A'.repeat(128), 1],
  },
  'hold-first quote': {
    seller_pubkey: [`05${x}`, ''],
    price_sats: [0, 0.5, '1', 2_100_000_000_000_001],
    quote_height: [0, 500_000_000, '1'],
    final_cltv: [0, 500_000_000],
    confirmations: [0, 145, 1.5],
    postage_sats: [-1, 2_100_000_000_000_001],
    reserve_sats: [-1, 2_100_000_000_000_001],
    offset_sats: [-1, 2_100_000_000_000_001],
  },
  abort: { code: ['', 'No', 'a b', 'a'.repeat(65)] },
};

for (const [name, fields] of Object.entries(bad))
  for (const [field, values] of Object.entries(fields))
    test(`${name}: a bad ${field} is refused and named`, () => {
      for (const value of values) refused(JSON.stringify({ ...fieldsOf(name), [field]: value }), field);
    });

const good: [string, string, unknown[]][] = [
  ['3.1 trade request', 'inscription_id', [`${'a'.repeat(64)}i4294967295`, `${'a'.repeat(64)}i10`]],
  ['3.1 trade request', 'offer_sats', [1, 2_100_000_000_000_000]],
  ['3.1 trade request', 'deposit_invoice', ['lnb', `ln${'a'.repeat(7087)}`]],
  ['3.2 trade accept', 'funding_vout', [0, 4_294_967_295]],
  ['3.2 trade accept', 'refund_locktime', [1, 499_999_999]],
  ['3.2 trade accept', 'witness_script', ['', 'a'.repeat(20_000)]],
  ['hold-first quote', 'confirmations', [1, 144]],
  ['hold-first quote', 'postage_sats', [0, 2_100_000_000_000_000]],
  ['hold-first quote', 'offset_sats', [0]],
  ['hold-first quote', 'expires_at', [9_007_199_254_740_991]],
  ['abort', 'code', ['a', 'a1_'.padEnd(64, 'z')]],
];

for (const [name, field, values] of good)
  test(`${name}: ${field} is read up to its bounds`, () => {
    const sign = 'sig' in fieldsOf(name) ? signedAgain : JSON.stringify;
    for (const value of values) assert.ok(read(sign({ ...fieldsOf(name), [field]: value })).message);
  });

test('an op that is not ours is refused, also one that every object has', () => {
  for (const op of ['trade_offer', 'constructor', '__proto__', 'toString', '', 1])
    refused(JSON.stringify({ ...fieldsOf('3.1 trade request'), op }), 'op');
  const { op: _op, ...rest } = fieldsOf('3.1 trade request');
  refused(JSON.stringify(rest), 'op');
});

test('an unknown field is refused, in a plain and in a signed message', () => {
  for (const name of ['3.1 trade request', 'abort'])
    for (const field of ['note', 'constructor', '__proto__']) {
      const text = JSON.stringify(fieldsOf(name)).replace('{', `{${JSON.stringify(field)}:"1",`);
      refused(text, JSON.stringify(field));
    }
});

test('one of our fields makes a SIP-3 message incomplete rather than half signed', () => {
  refused(JSON.stringify({ ...fieldsOf('3.3 trade complete'), trade_id: '0'.repeat(32) }), 'from');
  refused(JSON.stringify({ ...fieldsOf('3.1 trade request'), payment_hash: '0'.repeat(64) }), 'trade_id');
  refused(JSON.stringify({ ...fieldsOf('3.2 trade accept'), sig: '0'.repeat(128) }), 'trade_id');
});

test('a quote and an abort have no plain form', () => {
  refused(
    JSON.stringify({ p: 'sparkle', op: 'trade_abort', v: 1, inscription_id: `${'a'.repeat(64)}i0`, code: 'no' }),
    'trade_id',
  );
});

test('what is not a flat JSON object is refused', () => {
  const plain = JSON.stringify(fieldsOf('3.3 trade complete'));
  for (const text of ['', 'null', '1', '"text"', '[]', '{', `${plain}x`, `[${plain}]`, "{'p':1}"])
    refused(text, undefined);
  for (const value of [{}, [], null, true, { p: 1 }])
    refused(JSON.stringify({ ...fieldsOf('3.3 trade complete'), preimage: value }), 'preimage');
  refused(plain.replace('"v":1', '"v":-0'), 'v');
});

test('nesting that would overflow a stack is refused like any other', () => {
  refused(`{"p":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'p');
});

test('a field said twice is refused, even with the same value or written differently', () => {
  const plain = JSON.stringify(fieldsOf('3.3 trade complete'));
  refused(plain.replace('{', '{"v":1,'), undefined);
  refused(plain.replace('{', '{"v":2,'), undefined);
  refused(plain.replace('{', '{"\\u0076":1,'), undefined);
  refused(plain.replace('{', '{"v" :1,'), undefined);
  refused(plain.replace('{', '{"v":{"a":1},'), undefined);
});

test('a text that looks like a field is not counted as one', () => {
  const text = JSON.stringify({ ...fieldsOf('abort'), code: '\\":"a":' });
  refused(text, 'code');
});

test('64 kB are read and one character more is not', () => {
  const text = vector('abort').text;
  assert.ok(read(text.padEnd(65_536, ' ')).message);
  refused(text.padEnd(65_537, ' '), undefined);
});

test('no refusal repeats a preimage', () => {
  const secret = 'c0ffee'.padEnd(64, '7');
  const texts = [
    JSON.stringify({ ...fieldsOf('3.3 trade complete'), preimage: `${secret}0` }),
    `${JSON.stringify({ ...fieldsOf('3.3 trade complete'), preimage: secret })}}`,
    JSON.stringify({ ...fieldsOf('complete'), preimage: secret }),
  ];
  for (const text of texts)
    assert.throws(
      () => read(text),
      (error: Error & { detail?: unknown }) =>
        !error.message.includes('c0ffee') &&
        !JSON.stringify(error.detail).includes('c0ffee') &&
        error.cause === undefined,
    );
});

test('a request and a quote are refused from the second they expire', () => {
  for (const name of ['hold-first request', 'hold-first quote']) {
    assert.ok(readMessage(vector(name).text, { nowSeconds: 1_899_999_999 }).message);
    for (const late of [1_900_000_000, 1_900_000_001])
      assert.throws(() => readMessage(vector(name).text, { nowSeconds: late }), { code: 'bad_message' });
  }
});

test('what happened stays true: an accept, a complete and an abort are read after their expiry', () => {
  for (const name of ['accept', 'complete', 'abort'])
    assert.ok(readMessage(vector(name).text, { nowSeconds: 2_000_000_000 }).message);
});

test('a signature by another key, and a from that is no key, are refused', () => {
  const fields = fieldsOf('abort');
  refused(JSON.stringify({ ...fields, from: vectors.keys.buyer.public }), undefined, 'bad_signature');
  refused(JSON.stringify({ ...fields, from: 'f'.repeat(64) }), undefined, 'bad_signature');
  refused(JSON.stringify({ ...fields, sig: '0'.repeat(128) }), undefined, 'bad_signature');
});

test('a signature over another op or another trade does not carry over', () => {
  const { code: _code, ...fields } = fieldsOf('abort');
  const complete = { ...fields, op: 'trade_complete', claim_txid: '0'.repeat(64), preimage: '0'.repeat(64) };
  refused(JSON.stringify(complete), undefined, 'bad_signature');
  refused(JSON.stringify({ ...fieldsOf('abort'), trade_id: 'f'.repeat(32) }), undefined, 'bad_signature');
});

test('the writer refuses what the reader would, and names the field', () => {
  const message = messageOf(vector('3.1 trade request')) as Extract<TradeMessage, { op: 'trade_request' }>;
  assert.throws(() => writeMessage({ ...message, claimKey: 'ff' }), {
    code: 'bad_message',
    detail: { field: 'buyer_pubkey', expected: '66 lowercase hex characters that begin with 02 or 03, or 64' },
  });
  assert.throws(() => writeMessage({ ...message, offerSats: 9_007_199_254_740_993n }), { code: 'bad_message' });
  assert.throws(() => writeMessage({ ...message, offerSats: 0n }), { code: 'bad_message' });
});

test('the writer signs if and only if there is something to sign', () => {
  const plain = messageOf(vector('3.1 trade request'));
  const signed = messageOf(vector('hold-first request'));
  assert.throws(() => writeMessage(plain, { secret: buyer, auxRand }), { code: 'bad_message' });
  assert.throws(() => writeMessage(signed), { code: 'bad_key' });
  assert.throws(() => writeMessage(signed, { secret: hex.decode(vectors.keys.seller.secret), auxRand }), {
    code: 'bad_key',
  });
  const unsigned = { op: 'trade_abort', inscriptionId: plain.inscriptionId, code: 'no' } as unknown as TradeMessage;
  assert.throws(() => writeMessage(unsigned), { code: 'bad_message' });
});

test('the randomness of the signature is what the caller gives', () => {
  const message = messageOf(vector('complete'));
  const other = writeMessage(message, { secret: buyer, auxRand: new Uint8Array(32).fill(7) });
  assert.notEqual(other, vector('complete').text);
  assert.deepEqual(read(other), read(vector('complete').text));
});

test('every field of a schema is a text or a number, so that a message is flat', () => {
  for (const schema of [...Object.values(plainSchemas), ...Object.values(signedSchemas)])
    for (const value of [{}, [], true]) {
      const fields = Object.fromEntries(Object.keys(schema.shape).map((name) => [name, value]));
      assert.equal(schema.safeParse(fields).success, false);
    }
});

test('whatever text comes, it is read or refused as a message', () => {
  const base = vector('accept').text;
  const mutated = fc.tuple(fc.nat(base.length), fc.string({ maxLength: 3 }), fc.nat(5));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), mutated, (any, [at, put, cut]) => {
      for (const text of [any, base.slice(0, at) + put + base.slice(at + cut)])
        try {
          const { message } = read(text);
          assert.deepEqual(message, messageOf(vector('accept')));
        } catch (error) {
          assert.ok(['bad_message', 'bad_signature'].includes((error as { code: string }).code), String(error));
        }
    }),
  );
});
