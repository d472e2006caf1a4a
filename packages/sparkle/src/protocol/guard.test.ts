import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CoinFacts, guardFee, guardSell, type OutputAssets, runePolicyFor, type SaleFacts } from './guard.ts';

const OUTPOINT = `${'ab'.repeat(32)}:1`;
const ID = `${'cd'.repeat(32)}i0`;
const OTHER = `${'ef'.repeat(32)}i3`;
const P2TR = `5120${'07'.repeat(32)}`;
const P2PKH = `76a914${'07'.repeat(20)}88ac`;

const empty: OutputAssets = { inscriptions: [], runes: 'none', marks: [] };
const coin: CoinFacts = {
  ...{ outpoint: OUTPOINT, unspent: { valueSats: 1_000n, script: P2TR, confirmations: 1 }, leastConfirmations: 1 },
  ...{ assets: empty, runePolicy: 'must know' },
};
const holding: OutputAssets = { ...empty, inscriptions: [{ id: ID, offsetSats: 20n }] };
const sale: SaleFacts = {
  ...{ ...coin, assets: holding, inscriptionId: ID, offsetSats: 20n },
  place: { satpoint: `${OUTPOINT}:20` },
};

const failures = ({ failures: all }: ReturnType<typeof guardFee>) =>
  all.map(({ code, wait }) => (wait ? `${code}?` : code));
const notices = ({ notices: all }: ReturnType<typeof guardFee>) => all.map(({ code }) => code);
const fee = (changed: Partial<CoinFacts>) => failures(guardFee({ ...coin, ...changed }));
const sell = (changed: Partial<SaleFacts>) => failures(guardSell({ ...sale, ...changed }));

test('a confirmed coin in which nothing lies may pay a fee, an output with the one inscription may be sold', () => {
  assert.deepEqual(guardFee(coin), { failures: [], notices: [] });
  assert.deepEqual(guardSell(sale), { failures: [], notices: [] });
});

describe('both ask of the output itself', () => {
  for (const [name, guard] of [
    ['fee', fee],
    ['sale', sell],
  ] as const) {
    test(`${name}: that it is unspent, the mempool counted`, () => {
      assert.deepEqual(guard({ unspent: undefined }), ['coin_spent']);
    });

    test(`${name}: as many confirmations as the policy wants, which may come`, () => {
      const unspent = { valueSats: 1_000n, script: P2TR, confirmations: 0 };
      assert.deepEqual(guard({ unspent }), ['coin_unconfirmed?']);
      assert.deepEqual(guard({ unspent, leastConfirmations: 0 }), []);
    });

    test(`${name}: that spending it leaves the txid to those who sign`, () => {
      assert.deepEqual(guard({ unspent: { valueSats: 1_000n, script: P2PKH, confirmations: 1 } }), ['coin_script']);
    });

    test(`${name}: that the index knows it, and waits for it`, () => {
      assert.deepEqual(guard({ assets: undefined }), ['index_behind?']);
    });
  }
});

describe('runes', () => {
  const guards = (runes: OutputAssets['runes'], runePolicy: CoinFacts['runePolicy']) => [
    fee({ assets: { ...empty, runes }, runePolicy }),
    sell({ assets: { ...holding, runes }, runePolicy }),
  ];

  test('are never spent or sold along', () => {
    for (const policy of ['must know', 'trust wallet'] as const)
      assert.deepEqual(guards('some', policy), [['runes_present'], ['runes_present']]);
  });

  test('that nobody knows of do not read as none, unless the wallet is trusted', () => {
    assert.deepEqual(guards('unknown', 'must know'), [['runes_unknown'], ['runes_unknown']]);
    assert.deepEqual(guards('unknown', 'trust wallet'), [[], []]);
  });

  test('must be known where they are worth something', () => {
    assert.equal(runePolicyFor('mainnet'), 'must know');
    for (const network of ['testnet', 'testnet4', 'signet', 'regtest'] as const)
      assert.equal(runePolicyFor(network), 'trust wallet');
  });
});

describe('a fee', () => {
  test('is not paid with an inscription', () => {
    assert.deepEqual(fee({ assets: holding }), ['not_cardinal']);
  });

  test('is not paid with what may be a token that no index here follows', () => {
    assert.deepEqual(fee({ assets: { ...empty, marks: ['cat21_mint'] } }), ['token_possible']);
    assert.deepEqual(fee({ assets: { ...empty, marks: ['runestone', 'protostone'] } }), ['token_possible']);
  });

  test('is paid beside a runestone when the index of runes says that it left none', () => {
    assert.deepEqual(fee({ assets: { ...empty, marks: ['runestone'] } }), []);
    const unknown = { ...empty, marks: ['runestone'], runes: 'unknown' } as const;
    assert.deepEqual(fee({ assets: unknown, runePolicy: 'trust wallet' }), ['token_possible']);
  });

  test('may cost a collector a sat that opened a block, which is told', () => {
    const rare = { ...empty, satRanges: [{ from: 0n, to: 10n }] };
    assert.deepEqual(notices(guardFee({ ...coin, assets: rare })), ['rare_sats']);
    assert.deepEqual(fee({ assets: rare }), []);
  });
});

describe('a sale', () => {
  test('is of an inscription that is where the offer says', () => {
    assert.deepEqual(sell({ place: { satpoint: `${OUTPOINT}:21` } }), ['sat_moved']);
    assert.deepEqual(sell({ offsetSats: 21n }), ['sat_moved', 'inscription_missing']);
  });

  test('is refused for what has moved although nothing is known of where it was', () => {
    assert.deepEqual(sell({ place: { satpoint: `${OTHER.slice(0, 64)}:0:0` }, assets: undefined }), [
      ...['sat_moved', 'index_behind?'],
    ]);
  });

  test('is of one that exists', () => {
    assert.deepEqual(sell({ place: { problem: 'unknown_inscription' } }), ['inscription_unknown']);
    assert.deepEqual(sell({ place: { problem: 'not_indexed' } }), ['index_behind?']);
  });

  test('is of one that lies in the output by both answers of the index', () => {
    assert.deepEqual(sell({ assets: empty }), ['inscription_missing']);
  });

  test('is of one alone, be the other on another sat or on the same', () => {
    for (const offsetSats of [0n, 20n]) {
      const inscriptions = [{ id: OTHER, offsetSats }, ...holding.inscriptions];
      assert.deepEqual(sell({ assets: { ...holding, inscriptions } }), ['other_inscriptions']);
    }
  });

  for (const charm of ['lost', 'burned', 'unbound'])
    test(`is not of one that is ${charm}`, () => {
      const inscriptions = [{ id: ID, offsetSats: 20n, charms: [charm] }];
      assert.deepEqual(sell({ assets: { ...holding, inscriptions } }), ['inscription_unknown']);
    });

  test('may be of an odd one, and the oddity is told', () => {
    for (const charm of ['cursed', 'vindicated', 'reinscription']) {
      const inscriptions = [{ id: ID, offsetSats: 20n, charms: [charm, 'coin'] }];
      const verdict = guardSell({ ...sale, assets: { ...holding, inscriptions } });
      assert.deepEqual([failures(verdict), notices(verdict)], [[], [charm]]);
    }
  });

  test('tells of a delegate, of marks and of rare sats', () => {
    const inscriptions = [{ id: ID, offsetSats: 20n, delegate: OTHER }];
    const satRanges = [{ from: 4_999_999_999n, to: 5_000_000_001n }];
    const verdict = guardSell({ ...sale, assets: { ...holding, inscriptions, satRanges, marks: ['protostone'] } });
    assert.deepEqual([failures(verdict), notices(verdict)], [[], ['delegated', 'token_marks', 'rare_sats']]);
  });

  test('tells all that is wrong, not the first', () => {
    const assets: OutputAssets = { ...holding, runes: 'some', inscriptions: [{ id: OTHER, offsetSats: 0n }] };
    const unspent = { valueSats: 1_000n, script: P2PKH, confirmations: 0 };
    assert.deepEqual(sell({ assets, unspent, place: { satpoint: `${OUTPOINT}:0` } }), [
      ...['sat_moved', 'coin_unconfirmed?', 'coin_script'],
      ...['inscription_missing', 'other_inscriptions', 'runes_present'],
    ]);
  });
});
