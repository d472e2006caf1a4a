import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ChainTransaction } from 'sparkle-protocol/chain/chain';
import { encodeDraft, txidOf } from 'sparkle-protocol/protocol/draft';
import { inscriptionEnvelope } from 'sparkle-protocol/protocol/envelope';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { royaltySats } from 'sparkle-protocol/protocol/metadata';
import { hex } from '@scure/base';
import { type Declared, declaredRoyalty, royaltyParts } from './royalties.ts';

/** BIP 350's P2WPKH key on regtest, and one of mainnet. */
const ADDRESS = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const SCRIPT = '0014751e76e8199196d454941c45d1b3a323f1433bd6';
/** Pay to anchor: whoever comes first may spend it. */
const ANYONES = 'bcrt1pfeesnyr2tx';
const MAINNET = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4';

/** A chain of reveals; a test says what they inscribe. */
class Reveals {
  readonly #known = new Map<string, ChainTransaction>();

  add(body: unknown, confirmed: 'confirmed' | 'waiting' = 'confirmed'): string {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const leaf = inscriptionEnvelope({ contentType: 'text/plain', body: new TextEncoder().encode(text) });
    const witness = [leaf, new Uint8Array(33).fill(0xc0)];
    const outpoint = `${hex.encode(Uint8Array.of(this.#known.size + 1)).padEnd(64, '0')}:0`;
    const outputs = [{ script: SCRIPT, valueSats: 10_000n }];
    const raw = encodeDraft({
      lockHeight: 0,
      inputs: [{ outpoint, valueSats: 0n, script: '', sequence: 0, witness }],
      outputs,
    });
    const txid = txidOf(raw);
    const block = { height: 7, hash: '0b'.repeat(32) };
    this.#known.set(txid, confirmed === 'confirmed' ? { txid, raw, block } : { txid, raw });
    return `${txid}i0`;
  }

  transaction = async (txid: string): Promise<ChainTransaction | undefined> => this.#known.get(txid);
}

const genesis = (royalties?: unknown) => ({ p: 'sparkle', op: 'genesis', collection: { name: 'Stars' }, royalties });
const child = (collection_ref: string) => ({ p: 'sparkle', op: 'child', collection_ref });
const recipients = [{ label: 'artist', address: ADDRESS }];
const NOBODY = { bps: 500, scripts: [], addresses: [] };

describe('what is declared for an inscription', () => {
  const found = (reveals: Reveals, id: string) => declaredRoyalty({ chain: reveals, network: 'regtest' }, id);

  async function declared(royalties: unknown): Promise<Omit<Declared, 'collectionId'> | undefined> {
    const reveals = new Reveals();
    const { collectionId: _id, ...rest } = (await found(reveals, reveals.add(child(reveals.add(genesis(royalties))))))!;
    return rest;
  }

  test('stands in the genesis that it names', async () => {
    const reveals = new Reveals();
    const collectionId = reveals.add(genesis({ bps: 500, recipients }));
    assert.deepEqual(await found(reveals, reveals.add(child(collectionId))), {
      ...{ collectionId, bps: 500, scripts: [SCRIPT], addresses: [null] },
    });
  });

  test('is nothing for a picture, and for the genesis itself', async () => {
    const reveals = new Reveals();
    assert.equal(await found(reveals, reveals.add('a picture')), undefined);
    assert.equal(await found(reveals, reveals.add(genesis({ bps: 500, recipients }))), undefined);
  });

  test('names who is paid over Lightning, where that is an address', async () => {
    const texts = ['artist@example.com', ' $artist@example.com', 'artist', 'a b@example.com', '', 'lnurl1qqqq'];
    const named = texts.map((lightning_address) => ({ lightning_address }));
    assert.deepEqual((await declared({ bps: 500, recipients: named }))?.addresses, [
      ...['artist@example.com', '$artist@example.com', null, null, null, null],
    ]);
  });

  test('has nobody to be paid on the chain where no address of this network is named', async () => {
    const named = [{ label: 'artist' }, { address: MAINNET }, { address: 'mail me' }, {}, { address: ANYONES }];
    assert.deepEqual(await declared({ bps: 500, recipients: named }), {
      bps: 500,
      scripts: [null, null, null, null, null],
      addresses: [null, null, null, null, null],
    });
    assert.deepEqual(await declared({ bps: 500 }), NOBODY);
  });

  test('is no share at all where the genesis cannot be read, is not confirmed, is none, or does not exist', async () => {
    assert.deepEqual(await declared({ bps: 10_001, recipients }), { ...NOBODY, bps: 0 });
    assert.deepEqual(await declared(undefined), { ...NOBODY, bps: 0 });
    const reveals = new Reveals();
    const young = reveals.add(genesis({ bps: 500, recipients }), 'waiting');
    for (const collectionId of [young, reveals.add('a picture'), `${'ab'.repeat(32)}i0`, young.replace(/i0$/, 'i1')])
      assert.deepEqual(await found(reveals, reveals.add(child(collectionId))), { ...NOBODY, collectionId, bps: 0 });
  });

  test('is not guessed while the chain cannot be asked', async () => {
    const chain = {
      transaction: () => Promise.reject(new SparkleError('chain_unavailable', 'the node must answer; it does not')),
    };
    const asked = declaredRoyalty({ chain, network: 'regtest' }, `${'ab'.repeat(32)}i0`);
    await assert.rejects(asked, { code: 'chain_unavailable' });
  });
});

describe('a royalty as outputs', () => {
  const of = (scripts: (string | null)[], sellerSats: bigint, bps = 500) =>
    royaltyParts({ declared: { collectionId: '', bps, scripts }, sellerSats, overLightning: true }).payouts.map(
      ({ valueSats }) => valueSats,
    );

  test('goes to its only recipient', () => assert.deepEqual(of([SCRIPT], 1_400_000n), [70_000n]));

  test('is divided equally, and the first has what is left over', () =>
    assert.deepEqual(of([SCRIPT, SCRIPT, SCRIPT], 60_040n), [1_002n, 1_000n, 1_000n]));

  test('leaves out who cannot be paid, without giving his part to another', () =>
    assert.deepEqual(of([null, SCRIPT], 60_000n), [1_500n]));

  test('leaves out dust: 294 sats are paid to such an address, 293 are not', () => {
    assert.deepEqual(of([SCRIPT], 29_400n, 100), [294n]);
    assert.deepEqual(of([SCRIPT], 29_399n, 100), []);
    assert.deepEqual(of([], 1_400_000n), []);
  });

  test('is the share to the sat where everybody can be paid, and never more', () => {
    const sats = fc.bigInt({ min: 1_000_000n, max: 10_000_000n });
    const bps = fc.integer({ min: 500, max: 10_000 });
    const known = fc.array(fc.constantFrom(SCRIPT, null), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sats, bps, known, (sellerSats, share, scripts) => {
        const paid = of(scripts, sellerSats, share).reduce((sum, part) => sum + part, 0n);
        const whole = royaltySats({ sellerSats, bps: share });
        assert.ok(scripts.includes(null) ? paid < whole : paid === whole);
      }),
    );
  });
});

describe('a royalty over Lightning', () => {
  const TO = 'artist@example.com';
  const of = (change: Partial<Declared> = {}, { overLightning = true, sellerSats = 60_040n } = {}) => {
    const declared = {
      collectionId: '',
      bps: 500,
      scripts: [null, SCRIPT, null],
      addresses: [TO, TO, null],
      ...change,
    };
    return royaltyParts({ declared, sellerSats, overLightning });
  };

  test('is for who has no address on the chain, in a part as large as the others', () =>
    assert.deepEqual(of(), {
      payouts: [{ script: SCRIPT, valueSats: 1_000n }],
      owed: [{ to: TO, valueSats: 1_002n }],
    }));

  test('is for a part that would be dust, and for no part at all of nothing', () => {
    const small = { scripts: [SCRIPT, SCRIPT], addresses: [TO, TO] };
    assert.deepEqual(of(small, { sellerSats: 5_870n }), {
      payouts: [],
      owed: [
        { to: TO, valueSats: 147n },
        { to: TO, valueSats: 146n },
      ],
    });
    assert.deepEqual(of(small, { sellerSats: 20n }).owed, [{ to: TO, valueSats: 1n }]);
  });

  test('is none where nobody is paid so, and of what was listed before such addresses were read', () => {
    assert.deepEqual(of({}, { overLightning: false }).owed, []);
    const { addresses: _none, ...before } = { collectionId: '', bps: 500, scripts: [null], addresses: [TO] };
    assert.deepEqual(royaltyParts({ declared: before, sellerSats: 60_040n, overLightning: true }).owed, []);
  });
});
