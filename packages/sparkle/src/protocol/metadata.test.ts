import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@scure/base';
import fc from 'fast-check';
import { SparkleError } from './errors.ts';
import { collectionOf, readGenesis, royaltySats } from './metadata.ts';

const body = (value: unknown): Uint8Array => utf8.decode(JSON.stringify(value));
const genesis = {
  p: 'sparkle',
  op: 'genesis',
  version: 1,
  collection: { name: 'Darkita', symbol: 'DARK', supply: 10 },
  spark: { enabled: true },
  royalties: { bps: 500, recipients: [{ label: 'artist', lightning_address: 'artist@example.com' }] },
};
const refused = (value: unknown, field: string) =>
  assert.throws(
    () => readGenesis(body(value)),
    (error) => error instanceof SparkleError && error.code === 'bad_message' && error.detail['field'] === field,
  );

describe('a genesis inscription', () => {
  test('says its name, its royalty and who gets it', () => {
    assert.deepEqual(readGenesis(body(genesis)), {
      name: 'Darkita',
      royalty: { bps: 500, recipients: [{ label: 'artist', lightningAddress: 'artist@example.com' }] },
    });
  });

  test('may have fields that nobody knows, because it can never be changed', () => {
    assert.equal(readGenesis(body({ ...genesis, hat: 'red' })).royalty.bps, 500);
  });

  test('without royalties declares none', () => {
    const { royalties: _royalties, ...plain } = genesis;
    assert.deepEqual(readGenesis(body(plain)).royalty, { bps: 0, recipients: [] });
  });

  test('of another protocol, operation or version is refused', () => {
    refused({ ...genesis, p: 'brc-20' }, 'p');
    refused({ ...genesis, op: 'child' }, 'op');
    refused({ ...genesis, version: 2 }, 'version');
    refused({ ...genesis, v: 2 }, 'v');
  });

  test('with a share that is none is refused', () => {
    for (const bps of [-1, 10_001, 2.5, '500', null]) refused({ ...genesis, royalties: { bps } }, 'royalties.bps');
  });

  test('that is no JSON, no object or too long is refused', () => {
    for (const wrong of [utf8.decode('<svg/>'), body(null), body([1]), Uint8Array.of(0xff), new Uint8Array(100_001)])
      assert.throws(() => readGenesis(wrong), { code: 'bad_message' });
  });
});

describe('a child inscription', () => {
  const id = `${'ab'.repeat(32)}i0`;

  test('names its collection', () => {
    assert.equal(
      collectionOf(body({ p: 'sparkle', op: 'child', version: 1, collection_ref: id, token: { id: 1 } })),
      id,
    );
  });

  test('names none when it is a picture, another object, or its reference is no inscription', () => {
    assert.equal(collectionOf(utf8.decode('<svg/>')), undefined);
    assert.equal(collectionOf(body(genesis)), undefined);
    assert.equal(collectionOf(body({ p: 'sparkle', op: 'child', collection_ref: 'abc123i0' })), undefined);
    assert.equal(collectionOf(body({ p: 'sparkle', op: 'child' })), undefined);
  });
});

describe('the royalty in sats', () => {
  test('is the share of what the seller gets, as in the published example', () => {
    assert.equal(royaltySats({ sellerSats: 1_400_000n, bps: 500 }), 70_000n);
  });

  test('is rounded down, and never more than the price', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 12n), fc.integer({ min: 0, max: 10_000 }), (sellerSats, bps) => {
        const royalty = royaltySats({ sellerSats, bps });
        assert.ok(royalty <= sellerSats);
        assert.ok(royalty * 10_000n <= sellerSats * BigInt(bps));
        assert.ok((royalty + 1n) * 10_000n > sellerSats * BigInt(bps));
      }),
    );
  });

  test('of an impossible share is refused', () => {
    for (const bps of [-1, 10_001, 0.5, Number.NaN])
      assert.throws(() => royaltySats({ sellerSats: 1n, bps }), { code: 'bad_amount' });
  });
});
