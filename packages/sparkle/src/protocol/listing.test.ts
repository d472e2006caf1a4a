import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { base64, hex } from '@scure/base';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import fc from 'fast-check';
import { singleMessage, type Prevout } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import type { OutputAssets } from './guard.ts';
import { decodeState, encodeState } from './json.ts';
import { assertListing, buildListing, checkListing, readListing, type Listing } from './listing.ts';
import { assertSingleSigned } from './listing-signature.ts';
import { finished, keyHash, keyPath, listed, payoutAddress, payoutScript, signed } from './listing.suite.ts';
import vectors from './listing.vectors.json' with { type: 'json' };

const throws = (code: ErrorCode, run: () => unknown): void =>
  assert.throws(run, (error) => error instanceof SparkleError && error.code === code);

const inscriptionId = `${'cd'.repeat(32)}i0`;
const wanted = {
  ...({ network: 'regtest', source: keyPath.source, internalKey: keyPath.internalKey } as const),
  ...{ inscriptionId, offsetSats: 546n, priceSats: 150_000n, payoutAddress },
};
const { internalKey: _, ...withoutKey } = wanted;

describe('what others have signed', () => {
  test('the message of BIP 341 for 0x83 is ours, and its signature verifies at its index', () => {
    const { rawUnsignedTx: raw, txinIndex: index, scriptPubKey: script, sigHash, witness } = vectors.bip341;
    const source = { outpoint: `${'99'.repeat(32)}:0`, valueSats: BigInt(vectors.bip341.amountSats), script };
    assert.equal(hex.encode(singleMessage({ raw, index, source })), sigHash);
    assertSingleSigned({ raw, index, source, witness: [witness] });
  });

  test('there is no message for an input without its output, by either rule', () => {
    const { rawUnsignedTx: raw } = vectors.bip341;
    for (const { source } of [keyPath, keyHash])
      for (const index of [2, 9]) throws('bad_transaction', () => singleMessage({ raw, index, source }));
  });

  for (const vector of vectors.listings) {
    const { outpoint, script, payoutAddress: address } = vector;
    const [valueSats, priceSats] = [BigInt(vector.valueSats), BigInt(vector.priceSats)];
    test(`a listing that a node's wallet signed is read: ${vector.what}`, () => {
      const source = { outpoint, valueSats, script };
      const built = buildListing({ ...withoutKey, source, offsetSats: 0n, priceSats, payoutAddress: address });
      assert.equal(built, vector.unsigned);
      assert.deepEqual(readListing({ psbt: vector.psbt, network: 'regtest' }), {
        ...{ network: 'regtest', source, sequence: 0xfffffffd, version: 2, lockTime: 0, witness: vector.witness },
        payout: { valueSats: priceSats, script: vector.payoutScript },
      });
    });
  }
});

describe('building', () => {
  test('one input, one output that pays exactly the price, 0x83, and nothing that waits', () => {
    const { global, inputs, outputs } = RawPSBTV0.decode(base64.decode(buildListing(wanted)));
    const [input] = inputs;
    const [spent] = global.unsignedTx?.inputs ?? [];
    assert.deepEqual([inputs.length, outputs.length, global.unsignedTx?.outputs.length], [1, 1, 1]);
    assert.deepEqual([global.unsignedTx?.version, global.unsignedTx?.lockTime, spent?.sequence], [2, 0, 0xfffffffd]);
    assert.equal(input?.sighashType, 0x83);
    assert.equal(input.witnessUtxo?.amount, keyPath.source.valueSats);
    assert.equal(hex.encode(input.witnessUtxo.script), keyPath.source.script);
    assert.equal(hex.encode(input.tapInternalKey ?? new Uint8Array()), keyPath.internalKey);
    assert.equal(global.unsignedTx?.outputs[0]?.amount, 150_000n);
    assert.equal(hex.encode(global.unsignedTx.outputs[0].script), payoutScript);
  });

  test('what a wallet signs comes back as it was asked for, final or not', () => {
    for (const owner of [keyPath, keyHash]) {
      const { source } = owner;
      const asked = owner === keyPath ? wanted : { ...withoutKey, source };
      const listing = readListing({ psbt: signed(buildListing(asked), owner), network: 'regtest' });
      assert.deepEqual([listing.source, listing.sequence], [source, 0xfffffffd]);
      assert.deepEqual(listing.payout, { valueSats: 150_000n, script: payoutScript });
      const psbt = finished(signed(buildListing(asked), owner));
      assert.deepEqual(readListing({ psbt, network: 'regtest' }), listing);
    }
  });

  test('an internal key that is not behind the source is refused: its wallet would not find what to sign', () => {
    const { source, internalKey: known } = keyPath;
    for (const internalKey of ['', 'ff'.repeat(32), `02${known}`, known.toUpperCase(), source.script.slice(4)])
      throws('bad_key', () => buildListing({ ...wanted, internalKey }));
    throws('bad_key', () => buildListing({ ...wanted, source: keyHash.source }));
  });

  test('a sat that is not in the source, and names of other forms, are refused', () => {
    throws('sat_lost', () => buildListing({ ...wanted, offsetSats: 10_000n }));
    throws('sat_lost', () => buildListing({ ...wanted, offsetSats: -1n }));
    throws('bad_inscription_id', () => buildListing({ ...wanted, inscriptionId: 'cd' }));
    throws('bad_outpoint', () => buildListing({ ...wanted, source: { ...keyPath.source, outpoint: 'cd' } }));
    throws('wrong_network', () => buildListing({ ...wanted, network: 'mainnet' }));
  });

  test('a source of another type is refused', () => {
    for (const script of [`76a914${'11'.repeat(20)}88ac`, `a914${'11'.repeat(20)}87`, `0020${'11'.repeat(32)}`])
      throws('bad_script', () => buildListing({ ...withoutKey, source: { ...keyPath.source, script } }));
  });

  test('a price below dust, or more than there is, is refused', () => {
    throws('dust', () => buildListing({ ...wanted, priceSats: 329n }));
    assert.ok(buildListing({ ...wanted, priceSats: 330n }));
    throws('bad_amount', () => buildListing({ ...wanted, priceSats: -1n }));
    throws('bad_amount', () => buildListing({ ...wanted, priceSats: 2_100_000_000_000_001n }));
  });
});

test('a listing survives the store, and is verified again when it comes out', () => {
  const listing = readListing({ psbt: listed(keyPath), network: 'regtest' });
  assert.deepEqual(decodeState(encodeState(listing)), listing);
  const changed: [ErrorCode, Partial<Listing>][] = [
    ['bad_signature', { payout: { ...listing.payout, valueSats: 149_999n } }],
    ['bad_signature', { source: { ...listing.source, valueSats: 9_999n } }],
    ['bad_signature', { source: { ...listing.source, outpoint: `${'aa'.repeat(32)}:1` } }],
    ['bad_signature', { sequence: 0xfffffffe }],
    ['bad_signature', { witness: [] }],
    ['bad_transaction', { sequence: 1 }],
    ['bad_script', { source: { ...listing.source, script: '51' } }],
  ];
  assertListing(listing);
  for (const [code, change] of changed) throws(code, () => assertListing({ ...listing, ...change }));
});

test('whatever byte of a listing is changed, it is refused or says the same', () => {
  const psbts = [keyPath, keyHash].map((owner) => listed(owner));
  const change = fc.record({ psbt: fc.constantFrom(...psbts), at: fc.nat(), by: fc.integer({ min: 1, max: 255 }) });
  fc.assert(
    fc.property(change, ({ psbt, at, by }) => {
      const bytes = base64.decode(psbt);
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ by;
      try {
        const read = readListing({ psbt: base64.encode(bytes), network: 'regtest' });
        assert.deepEqual(read, readListing({ psbt, network: 'regtest' }));
      } catch (error) {
        assert.ok(error instanceof SparkleError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('whatever the text, it is a listing or bad_message', () => {
  const text = fc.oneof(
    fc.string(),
    fc.base64String(),
    fc.uint8Array().map((bytes) => `cHNidP8${base64.encode(bytes)}`),
  );
  fc.assert(fc.property(text, (psbt) => throws('bad_message', () => readListing({ psbt, network: 'regtest' }))));
});

describe('checking', () => {
  const outpoint = keyPath.source.outpoint;
  const assets: OutputAssets = { inscriptions: [{ id: inscriptionId, offsetSats: 546n }], runes: 'none', marks: [] };
  const chain = {
    ...{ unspent: { ...keyPath.source, confirmations: 1 }, leastConfirmations: 1, assets },
    ...{ place: { satpoint: `${outpoint}:546` }, runePolicy: 'must know' as const },
    limits: { minSats: 10_000n, maxSats: 10_000_000n },
  };
  const asked = { inscriptionId, offsetSats: 546n, priceSats: 150_000n, payoutAddress };
  const check = { listing: readListing({ psbt: listed(keyPath), network: 'regtest' }), asked, chain };
  const codes = (changed: {
    asked?: Partial<typeof asked>;
    chain?: Partial<typeof chain>;
    source?: Partial<Prevout>;
  }) =>
    checkListing({
      ...{ asked: { ...asked, ...changed.asked }, chain: { ...chain, ...changed.chain } },
      listing: { ...check.listing, source: { ...keyPath.source, ...changed.source } },
    }).map(({ code, wait }) => (wait ? `${code}?` : code));

  test('a listing of what was asked for, which lies where it says, has no failure', () => {
    assert.deepEqual(checkListing(check), []);
  });

  test('the payout is the price asked for', () => {
    assert.deepEqual(codes({ asked: { priceSats: 150_001n } }), ['wrong_price']);
  });

  test('the payout goes to the address asked for', () => {
    assert.deepEqual(codes({ asked: { payoutAddress: keyHash.address } }), ['wrong_payout']);
    assert.deepEqual(codes({ asked: { payoutAddress: 'nowhere' } }), ['wrong_payout']);
    assert.deepEqual(codes({ asked: { payoutAddress: payoutAddress.toUpperCase() } }), []);
  });

  test('the price is within the bounds', () => {
    assert.deepEqual(codes({ chain: { limits: { minSats: 150_001n, maxSats: 200_000n } } }), ['price_limits']);
    assert.deepEqual(codes({ chain: { limits: { minSats: 1n, maxSats: 149_999n } } }), ['price_limits']);
    assert.deepEqual(codes({ chain: { limits: { minSats: 150_000n, maxSats: 150_000n } } }), []);
  });

  test('value and script of the source are those in the chain', () => {
    assert.deepEqual(codes({ source: { valueSats: 10_001n } }), ['wrong_value']);
    assert.deepEqual(codes({ source: { script: keyHash.source.script } }), ['wrong_script']);
  });

  test('inscription, sat and source are as for any sale', () => {
    const other = `${'ef'.repeat(32)}i1`;
    assert.deepEqual(codes({ chain: { unspent: undefined as never } }), ['coin_spent']);
    assert.deepEqual(codes({ asked: { inscriptionId: other } }), ['inscription_missing', 'other_inscriptions']);
    assert.deepEqual(codes({ asked: { offsetSats: 547n } }), ['sat_moved', 'inscription_missing']);
    const two = { ...assets, inscriptions: [...assets.inscriptions, { id: other, offsetSats: 9n }] };
    assert.deepEqual(codes({ chain: { assets: two } }), ['other_inscriptions']);
    assert.deepEqual(codes({ chain: { assets: { ...assets, runes: 'some' } } }), ['runes_present']);
    assert.deepEqual(codes({ chain: { assets: { ...assets, runes: 'unknown' } } }), ['runes_unknown']);
    assert.deepEqual(codes({ chain: { leastConfirmations: 2 } }), ['coin_unconfirmed?']);
  });

  test('all failures are told, not the first', () => {
    assert.deepEqual(
      codes({
        asked: { priceSats: 1n, payoutAddress: '' },
        chain: { limits: { minSats: 1n, maxSats: 2n }, assets: undefined as never },
        source: { valueSats: 1n, script: keyHash.source.script },
      }),
      ['wrong_price', 'price_limits', 'wrong_payout', 'wrong_value', 'wrong_script', 'index_behind?'],
    );
  });
});
