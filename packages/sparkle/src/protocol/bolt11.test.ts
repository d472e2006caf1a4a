import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bech32, hex } from '@scure/base';
import { Address } from '@scure/btc-signer';
import fc from 'fast-check';
import {
  decodeInvoice,
  encodeInvoice,
  type Fallback,
  type Invoice11,
  type InvoiceTerms,
  invoiceExpiresAt,
  isInvoiceFor,
} from './bolt11.ts';
import { parseInvoice } from './bolt11-parse.ts';
import vectors from './bolt11.vectors.json' with { type: 'json' };
import { SparkleError } from './errors.ts';
import { type NetworkName, networks, readNetwork } from './network.ts';

const secretKey = hex.decode(vectors.secretKey);
const payee = hex.encode(secp256k1.getPublicKey(secretKey));

const plain: InvoiceTerms = {
  network: 'regtest',
  amountMsat: 50_000_000n,
  timestampSeconds: 1_700_000_000,
  payeeSource: 'recovered',
  paymentHash: '01'.repeat(32),
  paymentSecret: '02'.repeat(32),
  description: 'one inscription',
  expirySeconds: 900,
  minFinalCltv: 171,
  features: [8, 14, 17],
  routeHints: [],
  fallbacks: [],
};

function refusedWith(rule: string) {
  return (error: unknown): boolean =>
    error instanceof SparkleError && error.code === 'bad_invoice' && error.detail['rule'] === rule;
}

/** A fallback as an address of its network: the document gives addresses, not programs. */
function addressOf({ version, program }: Fallback, network: NetworkName): string {
  const bytes = hex.decode(program);
  const address = Address(networks[network].address);
  if (version === 17) return address.encode({ type: 'pkh', hash: bytes });
  if (version === 18) return address.encode({ type: 'sh', hash: bytes });
  if (version === 1) return address.encode({ type: 'tr', pubkey: bytes });
  return address.encode(bytes.length === 20 ? { type: 'wpkh', hash: bytes } : { type: 'wsh', hash: bytes });
}

function factsOf(invoice: Invoice11): Record<string, unknown> {
  const { fallbacks, routeHints, skippedFields, signature: _, recoveryId: __, text: ___, ...facts } = invoice;
  return {
    ...facts,
    ...(facts.amountMsat === undefined ? {} : { amountMsat: String(facts.amountMsat) }),
    routeHints: routeHints.map((route) => route.map((hint) => ({ ...hint, feeBaseMsat: String(hint.feeBaseMsat) }))),
    fallbackAddresses: fallbacks.map((fallback) => addressOf(fallback, invoice.network)),
    ...(skippedFields.length === 0
      ? {}
      : { skippedFields: skippedFields.map(({ tag, words }) => [tag, words.length]) }),
  };
}

for (const vector of vectors.valid) {
  test(`BOLT 11, valid example: ${vector.name}`, () => {
    const invoice = decodeInvoice(vector.invoice);
    assert.deepEqual(factsOf(invoice), vector.expect);
    assert.equal(invoice.text, vector.invoice.toLowerCase());
    if (vector.signature === undefined) return;
    assert.equal(invoice.signature, vector.signature);
    assert.equal(invoice.recoveryId, vector.recoveryId);
    assert.equal(hex.encode(parseInvoice(vector.invoice).digest), vector.digest);
  });
}

for (const { name, invoice, rule } of vectors.invalid) {
  test(`BOLT 11, invalid example: ${name}`, () => {
    assert.throws(() => decodeInvoice(invoice), refusedWith(rule));
  });
}

for (const { name, invoice, expect } of vectors.valid.filter(({ canonical }) => canonical)) {
  test(`the document's example is written byte for byte: ${name}`, () => {
    const { expirySeconds, minFinalCltv: _, ...terms } = decodeInvoice(invoice);
    // The examples leave a default expiry and final CLTV out.
    const written = expect.expirySeconds === 3600 ? terms : { ...terms, expirySeconds };
    assert.equal(encodeInvoice(written, secretKey), invoice);
  });
}

test('the same terms and key always give the same invoice', () => {
  assert.equal(encodeInvoice(plain, secretKey), encodeInvoice(plain, secretKey));
});

test('a regtest invoice is never read as mainnet, nor a signet one as testnet', () => {
  const start = { mainnet: 'lnbc', testnet: 'lntb', testnet4: 'lntb', signet: 'lntbs', regtest: 'lnbcrt' };
  for (const [name, prefix] of Object.entries(start)) {
    const network = readNetwork(name);
    for (const amountMsat of [undefined, 50_000_000n]) {
      const { amountMsat: _, ...open } = plain;
      const text = encodeInvoice({ ...open, network, ...(amountMsat === undefined ? {} : { amountMsat }) }, secretKey);
      assert.ok(text.startsWith(amountMsat === undefined ? `${prefix}1` : `${prefix}500u1`), text);
      assert.equal(decodeInvoice(text).network, network === 'testnet4' ? 'testnet' : network);
    }
  }
});

test('an invoice for testnet is good for testnet4, which shares its prefix, and for no other network', () => {
  const invoice = decodeInvoice(encodeInvoice({ ...plain, network: 'testnet4' }, secretKey));
  assert.equal(isInvoiceFor(invoice, 'testnet4'), true);
  assert.equal(isInvoiceFor(invoice, 'testnet'), true);
  assert.equal(isInvoiceFor(invoice, 'signet'), false);
  assert.equal(isInvoiceFor(invoice, 'mainnet'), false);
});

test('an invoice expires its expiry after its timestamp', () => {
  assert.equal(invoiceExpiresAt(decodeInvoice(encodeInvoice(plain, secretKey))), 1_700_000_900);
});

test('with an n field the payee is that key, without one it is recovered', () => {
  for (const payeeSource of ['n', 'recovered'] as const) {
    const invoice = decodeInvoice(encodeInvoice({ ...plain, payeeSource }, secretKey));
    assert.deepEqual([invoice.payee, invoice.payeeSource], [payee, payeeSource]);
  }
});

const hexOf = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => hex.encode(value));
const byte = fc.integer({ min: 0, max: 255 });
const plainObjects = { noNullPrototype: true };
const routeHint = fc.record(
  {
    nodeId: fc.tuple(fc.constantFrom('02', '03'), hexOf(32)).map((parts) => parts.join('')),
    shortChannelId: fc
      .tuple(
        fc.integer({ min: 0, max: 0xffffff }),
        fc.integer({ min: 0, max: 0xffffff }),
        fc.integer({ min: 0, max: 0xffff }),
      )
      .map((parts) => parts.join('x')),
    feeBaseMsat: fc.bigInt({ min: 0n, max: 0xffffffffn }),
    feePpm: fc.integer({ min: 0, max: 0xffffffff }),
    cltvDelta: fc.integer({ min: 0, max: 0xffff }),
  },
  plainObjects,
);
const fallback: fc.Arbitrary<Fallback> = fc.oneof(
  fc.record({ version: fc.constantFrom(0, 17, 18), program: hexOf(20) }, plainObjects),
  fc.record({ version: fc.constantFrom(0, 1), program: hexOf(32) }, plainObjects),
  fc.record(
    {
      version: fc.integer({ min: 1, max: 16 }),
      program: fc.array(byte, { minLength: 2, maxLength: 40 }).map((bytes) => hex.encode(Uint8Array.from(bytes))),
    },
    plainObjects,
  ),
);
const features = fc
  .tuple(
    fc.subarray([8, 14, 24, 36, 48]),
    fc.uniqueArray(fc.integer({ min: 10, max: 200 }).map((half) => half * 2 + 1)),
  )
  .map(([known, odd]) => [...known, ...odd].sort((left, right) => left - right));
const purpose = fc.oneof(
  fc.record({ description: fc.string({ unit: 'grapheme', maxLength: 40 }) }, plainObjects),
  fc.record({ descriptionHash: hexOf(32) }, plainObjects),
);
const body = fc.record(
  {
    network: fc.constantFrom<NetworkName>('mainnet', 'testnet', 'signet', 'regtest'),
    amountMsat: fc.bigInt({ min: 1n, max: 21_000_000n * 10n ** 11n }),
    timestampSeconds: fc.integer({ min: 0, max: 2 ** 35 - 1 }),
    payeeSource: fc.constantFrom('n' as const, 'recovered' as const),
    paymentHash: hexOf(32),
    paymentSecret: hexOf(32),
    expirySeconds: fc.integer({ min: 0, max: 2 ** 50 - 1 }),
    minFinalCltv: fc.integer({ min: 0, max: 499_999_999 }),
    features,
    metadata: fc.array(byte, { maxLength: 60 }).map((bytes) => hex.encode(Uint8Array.from(bytes))),
    routeHints: fc.array(fc.array(routeHint, { minLength: 1, maxLength: 3 }), { maxLength: 2 }),
    fallbacks: fc.array(fallback, { maxLength: 2 }),
  },
  {
    ...plainObjects,
    requiredKeys: [
      'network',
      'timestampSeconds',
      'payeeSource',
      'paymentHash',
      'paymentSecret',
      'features',
      'routeHints',
      'fallbacks',
    ],
  },
);

test('whatever is written is read back the same', () => {
  fc.assert(
    fc.property(body, purpose, (terms, why) => {
      const {
        signature: _,
        recoveryId: __,
        text,
        ...read
      } = decodeInvoice(encodeInvoice({ ...terms, ...why }, secretKey));
      const defaults = { expirySeconds: 3600, minFinalCltv: 18 };
      assert.deepEqual(read, { ...defaults, ...terms, ...why, payee, skippedFields: [] });
      assert.equal(decodeInvoice(text.toUpperCase()).text, text);
    }),
    { numRuns: 60 },
  );
});

/** The invoice with one of its words changed, and the checksum made to fit. */
function tampered({ text, at, by }: { text: string; at: number; by: number }): string {
  const { prefix, words } = bech32.decode(text as `${string}1${string}`, false);
  const index = at % words.length;
  return bech32.encode(prefix, words.with(index, (words[index] ?? 0) ^ by), false);
}
const change = fc.record({ at: fc.nat({ max: 100_000 }), by: fc.integer({ min: 1, max: 31 }) });

test('with an n field a changed word is refused, or the field itself is no longer one and the payee another', () => {
  const text = encodeInvoice({ ...plain, payeeSource: 'n' }, secretKey);
  fc.assert(
    fc.property(change, (how) => {
      try {
        const read = decodeInvoice(tampered({ text, ...how }));
        assert.equal(read.payeeSource, 'recovered');
        assert.notEqual(read.payee, payee);
      } catch (error) {
        assert.ok(error instanceof SparkleError && error.code === 'bad_invoice', String(error));
      }
    }),
    { numRuns: 200, examples: [[{ at: 144, by: 1 }], [{ at: 146, by: 10 }]] },
  );
});

test('without an n field a changed word is refused or makes another payee', () => {
  const text = encodeInvoice(plain, secretKey);
  fc.assert(
    fc.property(change, (how) => {
      try {
        assert.notEqual(decodeInvoice(tampered({ text, ...how })).payee, payee);
      } catch (error) {
        assert.ok(error instanceof SparkleError && error.code === 'bad_invoice', String(error));
      }
    }),
    { numRuns: 200 },
  );
});

test('the signature covers network and amount', () => {
  const { words } = bech32.decode(encodeInvoice({ ...plain, payeeSource: 'n' }, secretKey) as 'lnbcrt1q', false);
  for (const prefix of ['lnbc500u', 'lnbcrt501u', 'lnbcrt500m', 'lnbcrt'])
    assert.throws(() => decodeInvoice(bech32.encode(prefix, words, false)), refusedWith('signature'), prefix);
});

test('whatever the text, it is an invoice or refused as bad_invoice', () => {
  const words = fc.array(fc.integer({ min: 0, max: 31 }), { maxLength: 300 });
  const noise = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc
      .tuple(fc.constantFrom('lnbc', 'lnbcrt20m', 'lntbs1p', 'bc'), words)
      .map(([hrp, data]) => bech32.encode(hrp, data, false)),
  );
  fc.assert(
    fc.property(noise, (text) => {
      try {
        decodeInvoice(text);
      } catch (error) {
        assert.ok(error instanceof SparkleError && error.code === 'bad_invoice', String(error));
      }
    }),
    { numRuns: 500 },
  );
});
