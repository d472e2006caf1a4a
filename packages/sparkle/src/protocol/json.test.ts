import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, decodeState, encodeState, readHeight, readHex32, readIntegerIn, shown } from './json.ts';
import vectors from './json.vectors.json' with { type: 'json' };

const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
};

test('32 bytes are read from 64 lowercase hex characters', () => {
  assert.equal(readHex32('0a'.repeat(32), 'payment_hash'), '0a'.repeat(32));
});

for (const value of [
  '',
  '0a'.repeat(31),
  '0a'.repeat(33),
  '0A'.repeat(32),
  `${'0a'.repeat(31)}0g`,
  `${'0a'.repeat(32)}\n`,
  7,
  null,
  undefined,
  ['0a'.repeat(32)],
])
  test(`32 bytes are not read from ${shown(value)}`, () => {
    assert.throws(() => readHex32(value, 'payment_hash'), { code: 'bad_hex', message: /^payment_hash must be 64/ });
  });

test('a refused hex text is never repeated, because it may be a preimage', () => {
  const preimage = 'c0ffee'.repeat(11);
  const repeats = (error: Error): boolean => JSON.stringify([error.message, error]).includes('c0ffee');
  assert.throws(
    () => readHex32(preimage, 'preimage'),
    (error: Error) => !repeats(error),
  );
});

test('a height is a whole number from 1 to 499,999,999', () => {
  assert.equal(readHeight(1, 'refund_height'), 1);
  assert.equal(readHeight(499_999_999, 'refund_height'), 499_999_999);
});

for (const value of [0, -0, -1, 500_000_000, 1.5, NaN, Infinity, '1', null, undefined, true, 1n])
  test(`a height is not read from ${shown(value)} (${typeof value})`, () => {
    assert.throws(() => readHeight(value, 'refund_height'), { code: 'bad_height', message: /^refund_height must be/ });
  });

test('zero is a whole number within limits that allow it', () => {
  assert.equal(readIntegerIn({ value: 0, field: 'vout', min: 0, max: 9, code: 'bad_outpoint' }), 0);
  assert.throws(() => readIntegerIn({ value: 10, field: 'vout', min: 0, max: 9, code: 'bad_outpoint' }), {
    code: 'bad_outpoint',
  });
});

test('what came is shown short and on one line', () => {
  assert.equal(shown('a\nb'), '"a\\nb"');
  assert.equal(shown('x'.repeat(500)).length, 85);
  assert.deepEqual([undefined, null, 3, 4n, true, [], {}, () => 1].map(shown), [
    'nothing',
    'null',
    '3',
    '4',
    'true',
    'an array',
    'an object',
    'a function',
  ]);
});

for (const { json, text } of vectors.canonical)
  test(`canonical JSON of ${json.slice(0, 40)} is as RFC 8785 says`, () => {
    assert.equal(canonicalJson(JSON.parse(json)), text);
  });

test('canonical JSON does not depend on the order in which members were set', () => {
  const name = fc.string().filter((key) => key !== '__proto__');
  const members = fc.dictionary(name, fc.integer(), { noNullPrototype: true });
  fc.assert(
    fc.property(members, (object) => {
      const reversed = Object.fromEntries(Object.entries(object).reverse());
      assert.equal(canonicalJson(reversed), canonicalJson(object));
    }),
  );
});

const jsonValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((number) => (number === 0 ? 0 : number)),
    fc.string({ unit: 'grapheme' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value;

test('canonical JSON parses back to the same value, whose canonical JSON is the same text', () => {
  fc.assert(
    fc.property(jsonValue, (value) => {
      const text = canonicalJson(value);
      assert.deepEqual(JSON.parse(text), value);
      assert.equal(canonicalJson(JSON.parse(text)), text);
    }),
  );
});

const refused: [string, unknown][] = [
  ['a fraction', 0.5],
  ['NaN', NaN],
  ['negative zero', -0],
  ['an unsafe integer', 2 ** 53],
  ['a bigint', 1n],
  ['undefined', undefined],
  ['a member that is undefined', { a: undefined }],
  ['a function', () => 1],
  ['a symbol', Symbol('a')],
  ['a date', new Date(0)],
  ['a map', new Map()],
  ['bytes', new Uint8Array(2)],
  ['an array with a hole', Array(1)],
  ['a member named by a symbol', { [Symbol('a')]: 1 }],
  ['a member named __proto__', JSON.parse('{"__proto__": {"a": 1}}')],
  ['a lone surrogate', '\ud800'],
  ['a lone surrogate in a name', { '\udc00a': 1 }],
  ['surrogates in the wrong order', '\udc00\ud800'],
  ['more than 64 levels', nested(65)],
];
for (const [what, value] of refused)
  test(`canonical JSON refuses ${what}`, () => {
    assert.throws(() => canonicalJson(value), { code: 'bad_message' });
    assert.throws(() => canonicalJson({ inside: [value] }), { code: 'bad_message' });
  });

test('canonical JSON says where the refused value is', () => {
  assert.throws(() => canonicalJson({ offer: { prices: [1, 1.5] } }), { message: /1\.5.*"value\.offer\.prices\[1\]"/ });
});

test('64 levels are still read and written', () => {
  assert.equal(canonicalJson(nested(64)), `${'['.repeat(64)}1${']'.repeat(64)}`);
  assert.deepEqual(decodeState(encodeState(nested(64))), nested(64));
});

const stateValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, '', '$int', '{"$int":"1"}'),
    fc.bigInt(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.oneof(fc.constantFrom('$int', '$$int', '$', '$$', 'a'), fc.string()).filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 4, noNullPrototype: true },
    ),
  ),
})).value;

test('every state survives being stored', () => {
  fc.assert(
    fc.property(stateValue, (state) => assert.deepEqual(decodeState(encodeState(state)), state)),
    { numRuns: 500 },
  );
});

test('a bigint is stored as a tag', () => {
  assert.equal(encodeState({ priceSats: 123n, offset: -1n }), '{"priceSats":{"$int":"123"},"offset":{"$int":"-1"}}');
});

test('text and members that look like the tag are read back as what they were', () => {
  const state = { memo: '{"$int":"1"}', answer: { $int: '5' }, deeper: { $$int: { $int: 6n } } };
  assert.deepEqual(decodeState(encodeState(state)), state);
});

test('members in another order, and white space, are read as the same state', () => {
  assert.deepEqual(decodeState(' { "b": {"$int": "2"}, "a": 1.5 } '), { a: 1.5, b: 2n });
});

for (const [what, value] of refused.filter(([what]) => !/fraction|unsafe|bigint|surrogate/.test(what)))
  test(`a state with ${what} is refused`, () => {
    assert.throws(() => encodeState(value), { code: 'bad_state' });
    assert.throws(() => encodeState({ inside: [value] }), { code: 'bad_state' });
  });

for (const text of [
  '',
  'undefined',
  '{',
  '{"a":1',
  '{"$int":1}',
  '{"$int":"01"}',
  '{"$int":"-0"}',
  '{"$int":"0x1"}',
  '{"$int":""}',
  '{"$int":" 1"}',
  '{"$int":"1.0"}',
  '{"$int":"1","a":2}',
  '{"$sats":"1"}',
  '{"$":1}',
  '{"__proto__":{"a":1}}',
  '1e999',
  '-0',
  JSON.stringify(nested(65)),
])
  test(`the stored text ${shown(text)} is refused`, () => {
    assert.throws(() => decodeState(text), { code: 'bad_state' });
  });

test('stored text that cannot be parsed is not repeated, because a state can hold a preimage', () => {
  assert.throws(
    () => decodeState('{"preimage":"c0ffee'),
    (error: Error) => !JSON.stringify([error.message, error]).includes('c0ffee') && error.cause === undefined,
  );
});
