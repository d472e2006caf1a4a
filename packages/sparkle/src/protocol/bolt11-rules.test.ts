import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bech32, bech32m, hex, utf8 } from '@scure/base';
import { decodeInvoice, encodeInvoice, type InvoiceRule, type InvoiceTerms } from './bolt11.ts';
import { invoiceDigest } from './bolt11-parse.ts';
import { SparkleError } from './errors.ts';

type Words = readonly number[];
type Field = readonly [letter: string, words: Words];

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const secretKey = new Uint8Array(32).fill(7);
const payee = secp256k1.getPublicKey(secretKey);
const order = secp256k1.Point.Fn.ORDER;

const wordsOf = (text: string): Words => bech32.toWords(hex.decode(text));
const p: Field = ['p', wordsOf('01'.repeat(32))];
const s: Field = ['s', wordsOf('02'.repeat(32))];
const d: Field = ['d', bech32.toWords(utf8.decode('tea'))];
const h: Field = ['h', wordsOf('03'.repeat(32))];
const n: Field = ['n', bech32.toWords(payee)];
const nines = (...bits: number[]): Field => {
  const words = new Array<number>(Math.floor(Math.max(...bits) / 5) + 1).fill(0);
  for (const bit of bits) words[words.length - 1 - Math.floor(bit / 5)]! |= 1 << (bit % 5);
  return ['9', words];
};
const nodeId = `02${'aa'.repeat(32)}`;
const hint = `${nodeId}000001000002000300000004000000050006`;

const fieldWords = (fields: readonly Field[]): Words =>
  fields.flatMap(([letter, words]) => [ALPHABET.indexOf(letter), words.length >> 5, words.length & 31, ...words]);

type Forgery = { hrp: string; data: Words; sign: (compact: Uint8Array, recoveryId: number) => Uint8Array };
const honest: Forgery['sign'] = (compact, recoveryId) => new Uint8Array([...compact, recoveryId]);

/** An invoice with a right checksum and, unless `sign` bends it, a right signature: only the rule under test is broken. */
function forge({ hrp, data, sign }: Forgery): string {
  const words = [0, 0, 0, 0, 0, 0, 1, ...data];
  const options = { prehash: false, format: 'recovered' } as const;
  const [recoveryId = 0, ...compact] = secp256k1.sign(invoiceDigest(hrp, words), secretKey, options);
  return bech32.encode(hrp, [...words, ...bech32.toWords(sign(Uint8Array.from(compact), recoveryId))], false);
}
const withFields = (...fields: Field[]): string => forge({ hrp: 'lnbc', data: fieldWords(fields), sign: honest });
const withData = (...data: number[]): string =>
  forge({ hrp: 'lnbc', data: [...fieldWords([p, s, d]), ...data], sign: honest });
const withPrefix = (hrp: string): string => forge({ hrp, data: fieldWords([p, s, d]), sign: honest });
const withSignature = (sign: Forgery['sign'], ...more: Field[]): string =>
  forge({ hrp: 'lnbc', data: fieldWords([p, s, d, ...more]), sign });
const withScalars = (change: (r: bigint, s: bigint) => [bigint, bigint], flip: number): Forgery['sign'] => {
  return (compact, recoveryId) => {
    const { r, s } = secp256k1.Signature.fromBytes(compact, 'compact');
    const scalars = change(r, s).map((scalar) => scalar.toString(16).padStart(64, '0'));
    return hex.decode(`${scalars.join('')}0${recoveryId ^ flip}`);
  };
};
const highS = withScalars((r, s) => [r, order - s], 1);
const good = withFields(p, s, d);
const recased = good.slice(0, 20) + good.slice(20).toUpperCase();
const at = (index: number, letter: string): string => good.slice(0, index) + letter + good.slice(index + 1);
const lastBit = ([letter, words]: Field): Field => [letter, words.with(-1, (words.at(-1) ?? 0) | 1)];
const shorter = ([letter, words]: Field): Field => [letter, words.slice(1)];
const offCurve = `02${'00'.repeat(31)}05`;

/** Every rule a reader can refuse by; the compiler misses a rule that is not here. */
const refused: Record<Exclude<InvoiceRule, 'not_writable'>, Record<string, string>> = {
  too_long: { 'more than 7089 characters': `lnbc1${'q'.repeat(7085)}` },
  characters: {
    'an empty text': '',
    'a space in front': ` ${good}`,
    'a line end behind': `${good}\n`,
    'a URI scheme': `lightning:${good}`,
    'the Kelvin sign, which folds to k': good.toUpperCase().replace('K', '\u212a'),
    'a letter outside the alphabet': at(40, 'b'),
  },
  mixed_case: { 'a lower-case head and an upper-case tail': recased, 'an upper-case head': `LNBC${good.slice(4)}` },
  separator: { 'no separator': good.replaceAll('1', 'q') },
  checksum: {
    'a changed letter': at(40, good[40] === 'q' ? 'p' : 'q'),
    'a letter cut off': good.slice(0, -1),
    'nothing behind the separator': 'lnbc1',
    'a bech32m checksum': bech32m.encode('lnbc', bech32.decode(good as 'lnbc1q', false).words, false),
  },
  too_short: {
    'no data': bech32.encode('lnbc', [], false),
    'one word less than timestamp and signature': bech32.encode('lnbc', new Array<number>(110).fill(0), false),
  },
  prefix: { 'an address prefix': withPrefix('bc'), 'no currency': withPrefix('ln20m'), 'ln alone': withPrefix('ln') },
  network: {
    'the simulation network': withPrefix('lnsb'),
    'a longer currency than ours': withPrefix('lntbsx'),
    'a shorter one': withPrefix('lnbcr20m'),
  },
  amount: { 'a letter inside': withPrefix('lnbc2m5'), 'two multipliers': withPrefix('lnbc2mm') },
  multiplier: { k: withPrefix('lnbc25k'), x: withPrefix('lnbc25x') },
  leading_zero: { '0': withPrefix('lnbc0'), '0m': withPrefix('lnbc0m'), '025m': withPrefix('lnbc025m') },
  sub_msat: { '15p': withPrefix('lnbc15p'), '1p': withPrefix('lnbc1p') },
  amount_overflow: {
    'more than 21 million bitcoin': withPrefix('lnbc21000001'),
    'in pico-bitcoin': withPrefix('lnbc21000000000000000010p'),
    'a number of 21 digits': withPrefix(`lnbc${'1'.repeat(21)}p`),
  },
  field_overrun: {
    'a length past the end': withData(13, 0, 2, 1),
    'a type without a length': withData(13),
    'half a length': withData(13, 0),
  },
  padding: {
    'p not padded with zero': withFields(lastBit(p), s, d),
    's not padded with zero': withFields(p, lastBit(s), d),
    'h not padded with zero': withFields(p, s, lastBit(h)),
    'n not padded with zero': withFields(p, s, d, lastBit(n)),
    'm not padded with zero': withFields(p, s, d, ['m', [0, 1]]),
    'f not padded with zero': withFields(p, s, d, ['f', [1, ...wordsOf('aabbcc').with(-1, 0b01101)]]),
    'r not padded with zero': withFields(p, s, d, lastBit(['r', wordsOf(hint)])),
    'd with a whole word of padding': withFields(p, s, ['d', [...d[1], 0]]),
  },
  utf8: {
    'a byte that starts nothing': withFields(p, s, ['d', wordsOf('ff')]),
    'an overlong form': withFields(p, s, ['d', wordsOf('c080')]),
    'half of a surrogate pair': withFields(p, s, ['d', wordsOf('eda080')]),
  },
  minimal: {
    'x with a leading zero': withFields(p, s, d, ['x', [0, 1, 28]]),
    'x of one zero': withFields(p, s, d, ['x', [0]]),
    'c with a leading zero': withFields(p, s, d, ['c', [0, 18]]),
    '9 with a leading zero': withFields(p, s, d, ['9', [0, ...nines(8, 14)[1]]]),
  },
  expiry_overflow: {
    'two to the power of 50 seconds': withFields(p, s, d, ['x', [1, ...new Array<number>(10).fill(0)]]),
    'a field full of ones': withFields(p, s, d, ['x', new Array<number>(1023).fill(31)]),
  },
  cltv_overflow: { '500,000,000 blocks': withFields(p, s, d, ['c', [14, 28, 26, 25, 8, 0]]) },
  fallback: {
    'an empty field': withFields(p, s, d, ['f', []]),
    'version 0 with 21 bytes': withFields(p, s, d, ['f', [0, ...wordsOf('aa'.repeat(21))]]),
    'version 1 with 1 byte': withFields(p, s, d, ['f', [1, ...wordsOf('aa')]]),
    'version 16 with 41 bytes': withFields(p, s, d, ['f', [16, ...wordsOf('aa'.repeat(41))]]),
    'a key hash of 32 bytes': withFields(p, s, d, ['f', [17, ...wordsOf('aa'.repeat(32))]]),
    'a script hash of 19 bytes': withFields(p, s, d, ['f', [18, ...wordsOf('aa'.repeat(19))]]),
  },
  route_hint: {
    'an empty field': withFields(p, s, d, ['r', []]),
    'a byte too few': withFields(p, s, d, ['r', wordsOf(hint.slice(2))]),
    'a byte too many': withFields(p, s, d, ['r', wordsOf(`${hint}00`)]),
    'a node id that is no compressed key': withFields(p, s, d, ['r', wordsOf(`04${hint.slice(2)}`)]),
  },
  missing_payment_hash: { 'no p': withFields(s, d), 'a p of 51 words only': withFields(shorter(p), s, d) },
  missing_payment_secret: { 'no s': withFields(p, d), 'an s of 53 words only': withFields(p, ['s', [...s[1], 0]], d) },
  missing_description: { 'neither d nor h': withFields(p, s), 'an h of 51 words only': withFields(p, s, shorter(h)) },
  two_descriptions: { 'd and h': withFields(p, s, d, h), 'h and an empty d': withFields(p, s, h, ['d', []]) },
  unknown_feature: Object.fromEntries(
    [0, 2, 6, 10, 12, 18, 22, 26, 30, 44, 50, 56, 100, 260, 262].map((bit) => [
      `feature ${bit}`,
      withFields(p, s, d, nines(8, 14, bit)),
    ]),
  ),
  feature_dependency: {
    'basic_mpp demanded without payment_secret': withFields(p, s, d, nines(8, 16)),
    'basic_mpp offered without payment_secret': withFields(p, s, d, nines(9, 17)),
  },
  recovery_id: {
    '4': withSignature((compact) => honest(compact, 4)),
    '255, with an n field': withSignature((compact) => honest(compact, 255), n),
  },
  high_s: { 'a high S beside an n field': withSignature(highS, n) },
  payee_key: { 'an n field that is no point': withFields(p, s, d, ['n', wordsOf(offCurve)]) },
  signature: {
    'by another key than n': withFields(p, s, d, [
      'n',
      bech32.toWords(secp256k1.getPublicKey(new Uint8Array(32).fill(8))),
    ]),
    'with the recovery id of another key than n': withSignature((compact, id) => honest(compact, id ^ 1), n),
    'with an overflowing recovery id beside n': withSignature((compact, id) => honest(compact, id ^ 2), n),
    'r is 0': withSignature(withScalars((_, low) => [0n, low], 0)),
    's is 0': withSignature(withScalars((r) => [r, 0n], 0)),
    'r is the order': withSignature(
      withScalars((_, low) => [order, low], 0),
      n,
    ),
    's is the order': withSignature(withScalars((r) => [r, order], 0)),
    'r is no x coordinate': withSignature(withScalars((_, low) => [5n, low], 0)),
    'r plus the order is past the field': withSignature((compact, id) => honest(compact, id ^ 2)),
  },
};

for (const [rule, cases] of Object.entries(refused))
  for (const [what, text] of Object.entries(cases))
    test(`${rule} refuses: ${what}`, () => {
      assert.throws(
        () => decodeInvoice(text),
        (error: unknown) => {
          assert.ok(error instanceof SparkleError, String(error));
          assert.deepEqual([error.code, error.detail['rule']], ['bad_invoice', rule], error.message);
          // The payment secret is for payers only: no error repeats the invoice.
          assert.ok(text.length < 20 || !JSON.stringify([error.message, error.detail]).includes(text.slice(5, 60)));
          return true;
        },
      );
    });

test('an unknown feature, or one without what it needs, is named in the error', () => {
  assert.throws(() => decodeInvoice(withFields(p, s, d, nines(8, 14, 100))), {
    detail: { rule: 'unknown_feature', feature: 100 },
  });
  assert.throws(() => decodeInvoice(withFields(p, s, d, nines(9, 17))), {
    detail: { rule: 'feature_dependency', feature: 16, needs: 14 },
  });
});

test('21 million bitcoin, the longest expiry and the largest final CLTV are read', () => {
  assert.equal(decodeInvoice(withPrefix('lnbc21000000')).amountMsat, 21_000_000n * 10n ** 11n);
  assert.equal(decodeInvoice(withPrefix('lnbc21000000000000000000p')).amountMsat, 21_000_000n * 10n ** 11n);
  const invoice = decodeInvoice(
    withFields(p, s, d, ['x', new Array<number>(10).fill(31)], ['c', [14, 28, 26, 25, 7, 31]]),
  );
  assert.deepEqual([invoice.expirySeconds, invoice.minFinalCltv], [2 ** 50 - 1, 499_999_999]);
});

test('a multiplier need not be the largest one', () => {
  for (const hrp of ['lnbc1', 'lnbc1000m', 'lnbc1000000u', 'lnbc1000000000n', 'lnbc1000000000000p'])
    assert.equal(decodeInvoice(withPrefix(hrp)).amountMsat, 10n ** 11n, hrp);
});

test('no amount, no expiry, no final CLTV and no features: unset, one hour, 18 blocks, none', () => {
  const invoice = decodeInvoice(good);
  assert.equal('amountMsat' in invoice, false);
  assert.deepEqual([invoice.expirySeconds, invoice.minFinalCltv, invoice.features], [3600, 18, []]);
});

test('an expiry or final CLTV in an empty field is 0, and an empty description is one', () => {
  const invoice = decodeInvoice(withFields(p, s, ['d', []], ['x', []], ['c', []]));
  assert.deepEqual([invoice.expirySeconds, invoice.minFinalCltv, invoice.description], [0, 0, '']);
});

test('the first valid field of a kind counts and the others are listed as skipped', () => {
  const other = wordsOf('99'.repeat(32));
  const twice: Field[] = [
    ['p', other],
    ['s', other],
    ['d', wordsOf('00')],
    ['x', [1]],
    ['c', [1]],
    nines(100),
    ['m', wordsOf('00')],
  ];
  const invoice = decodeInvoice(
    withFields(shorter(p), p, s, d, ['x', [2]], ['c', [3]], nines(8, 14), ['m', wordsOf('ab')], ...twice),
  );
  assert.equal(invoice.paymentHash, '01'.repeat(32));
  assert.equal(invoice.paymentSecret, '02'.repeat(32));
  assert.equal(invoice.description, 'tea');
  assert.deepEqual(
    [invoice.expirySeconds, invoice.minFinalCltv, invoice.features, invoice.metadata],
    [2, 3, [8, 14], 'ab'],
  );
  const skipped = [shorter(p), ...twice].map(([letter, words]) => ({ tag: ALPHABET.indexOf(letter), words }));
  assert.deepEqual(invoice.skippedFields, skipped);
});

test('an unknown field and an unknown fallback version are skipped', () => {
  for (const field of [
    ['z', [31, 31]],
    ['f', [19, 1]],
    ['f', [31]],
  ] satisfies Field[]) {
    const { fallbacks, skippedFields } = decodeInvoice(withFields(p, s, d, field));
    assert.deepEqual([fallbacks, skippedFields.length], [[], 1]);
  }
});

test('an n field of another length is skipped and the payee recovered', () => {
  const invoice = decodeInvoice(withFields(p, s, d, shorter(n)));
  assert.deepEqual([invoice.payee, invoice.payeeSource], [hex.encode(payee), 'recovered']);
});

test('without an n field a high S is accepted and leads to the same payee', () => {
  assert.equal(decodeInvoice(withSignature(highS)).payee, hex.encode(payee));
});

test('odd features are read whatever they mean, and known even ones too', () => {
  const bits = [8, 14, 15, 16, 24, 36, 48, 99, 263];
  assert.deepEqual(decodeInvoice(withFields(p, s, d, nines(...bits))).features, bits);
});

test('several r fields are several routes, and the entries of one are its channels', () => {
  const channel = { nodeId, shortChannelId: '1x2x3', feeBaseMsat: 4n, feePpm: 5, cltvDelta: 6 };
  const invoice = decodeInvoice(withFields(p, s, d, ['r', wordsOf(hint)], ['r', wordsOf(hint + hint)]));
  assert.deepEqual(invoice.routeHints, [[channel], [channel, channel]]);
});

const terms: InvoiceTerms = {
  network: 'regtest',
  timestampSeconds: 1,
  payeeSource: 'recovered',
  paymentHash: '01'.repeat(32),
  paymentSecret: '02'.repeat(32),
  description: 'tea',
  features: [8, 14],
  routeHints: [],
  fallbacks: [],
};
const channel = { nodeId, shortChannelId: '1x2x3', feeBaseMsat: 4n, feePpm: 5, cltvDelta: 6 };

const unwritable: Record<string, Partial<InvoiceTerms>> = {
  'an amount of 0': { amountMsat: 0n },
  'a negative amount': { amountMsat: -1n },
  'more than 21 million bitcoin': { amountMsat: 21_000_000n * 10n ** 11n + 1n },
  'a timestamp of 36 bits': { timestampSeconds: 2 ** 35 },
  'a fraction of a second': { timestampSeconds: 1.5 },
  'a payment hash of 31 bytes': { paymentHash: '01'.repeat(31) },
  'a payment secret in upper case': { paymentSecret: 'AB'.repeat(32) },
  'a description hash of 33 bytes': { description: undefined as never, descriptionHash: '01'.repeat(33) } as never,
  'a description of more than 639 bytes': { description: 'a'.repeat(640) },
  'a description with half of a surrogate pair': { description: '\ud800' },
  'a negative expiry': { expirySeconds: -1 },
  'an expiry that overflows': { expirySeconds: 2 ** 50 },
  'a final CLTV that overflows': { minFinalCltv: 500_000_000 },
  'a negative feature': { features: [-1] },
  'a feature past the field': { features: [8, 14, 5115] },
  'metadata of half a byte': { metadata: 'abc' },
  'a route without a channel': { routeHints: [[]] },
  'a node id without its first byte': { routeHints: [[{ ...channel, nodeId: 'aa'.repeat(32) }]] },
  'a channel id with a block of 25 bits': { routeHints: [[{ ...channel, shortChannelId: '16777216x0x0' }]] },
  'a channel id with a transaction of 25 bits': { routeHints: [[{ ...channel, shortChannelId: '0x16777216x0' }]] },
  'a channel id with an output of 17 bits': { routeHints: [[{ ...channel, shortChannelId: '0x0x65536' }]] },
  'a channel id in decimal': { routeHints: [[{ ...channel, shortChannelId: '123' }]] },
  'a base fee of 33 bits': { routeHints: [[{ ...channel, feeBaseMsat: 1n << 32n }]] },
  'a proportional fee of 33 bits': { routeHints: [[{ ...channel, feePpm: 2 ** 32 }]] },
  'a CLTV delta of 17 bits': { routeHints: [[{ ...channel, cltvDelta: 65_536 }]] },
  'a fallback of unknown version': { fallbacks: [{ version: 19, program: 'aa'.repeat(20) }] },
  'a fallback of version 0 with 21 bytes': { fallbacks: [{ version: 0, program: 'aa'.repeat(21) }] },
};

for (const [what, change] of Object.entries(unwritable))
  test(`an invoice is not written with ${what}`, () => {
    assert.throws(
      () => encodeInvoice({ ...terms, ...change } as InvoiceTerms, secretKey),
      (error) =>
        error instanceof SparkleError && error.code === 'bad_invoice' && error.detail['rule'] === 'not_writable',
    );
  });

test('an invoice that no reader would pay is not written', () => {
  assert.throws(() => encodeInvoice({ ...terms, features: [100] }, secretKey), {
    code: 'bad_invoice',
    detail: { rule: 'unknown_feature', feature: 100 },
  });
  assert.throws(() => encodeInvoice({ ...terms, features: [8, 17] }, secretKey), { code: 'bad_invoice' });
  const routeHints = Array.from({ length: 90 }, () => [channel]);
  assert.throws(() => encodeInvoice({ ...terms, routeHints }, secretKey), {
    code: 'bad_invoice',
    detail: { rule: 'too_long' },
  });
});

test('an invoice is not signed with a key out of range', () => {
  for (const key of [new Uint8Array(32), new Uint8Array(31).fill(1), new Uint8Array(32).fill(255)])
    assert.throws(() => encodeInvoice(terms, key), { code: 'bad_key' });
});
