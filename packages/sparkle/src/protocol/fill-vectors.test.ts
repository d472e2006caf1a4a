import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTransaction, vsizeOf } from './draft.ts';
import { buildFillTransaction, type FillRequest } from './fill.ts';
import { decodeState } from './json.ts';
import { readListing } from './listing.ts';
import { assertSingleSigned } from './listing-signature.ts';
import { txidOf } from './transaction.ts';
import vectors from './fill.vectors.json' with { type: 'json' };

for (const { what, psbt, request, raw, mined, txid } of vectors.fills)
  test(`a fill that a node mined is the one that is built, byte for byte: ${what}`, () => {
    const listing = readListing({ psbt, network: 'regtest' });
    const wanted = decodeState(JSON.stringify(request)) as Omit<FillRequest, 'listing'>;
    const fill = buildFillTransaction({ ...wanted, listing });
    assert.equal(fill.raw, raw);
    assert.deepEqual([fill.txid, txidOf(mined)], [txid, txid]);
    assert.equal(fill.vsize, vsizeOf(mined));
    const { witness = [] } = decodeTransaction(mined).inputs[2] ?? {};
    assert.deepEqual(witness, decodeTransaction(raw).inputs[2]?.witness);
    assertSingleSigned({ raw: mined, index: 2, source: listing.source, witness: listing.witness });
  });
