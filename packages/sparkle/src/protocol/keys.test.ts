import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { hmac } from '@noble/hashes/hmac.js';
import { pbkdf2 } from '@noble/hashes/pbkdf2.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { hex } from '@scure/base';
import { HDKey } from '@scure/bip32';
import fc from 'fast-check';
import { identityKey, newPhrase, rescueSeed, tradeKeys, type TradeKeys } from './keys.ts';
import { networkNames, readNetwork, type NetworkName } from './network.ts';
import vectors from './keys.vectors.json' with { type: 'json' };

const ABANDON = `${'abandon '.repeat(11)}about`;
const SEED = new Uint8Array(64).fill(7);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** BIP 32 written out: hardened children only. */
function derive(seed: Uint8Array, path: readonly number[]): Uint8Array {
  let node = hmac(sha512, utf8('Bitcoin seed'), seed);
  for (const number of path) {
    const index = new Uint8Array(4);
    new DataView(index.buffer).setUint32(0, 0x8000_0000 + number);
    const digest = hmac(sha512, node.slice(32), concatBytes(Uint8Array.of(0), node.slice(0, 32), index));
    const secret = (numberOf(digest.slice(0, 32)) + numberOf(node.slice(0, 32))) % secp256k1.Point.Fn.ORDER;
    node = concatBytes(hex.decode(secret.toString(16).padStart(64, '0')), digest.slice(32));
  }
  return node.slice(0, 32);
}

const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${hex.encode(bytes)}`);

const xOnly = (secret: Uint8Array): string => hex.encode(secp256k1.getPublicKey(secret, true).slice(1));

/** BIP 340's tagged hash written out. */
const preimageOf = (secret: Uint8Array): Uint8Array => {
  const tag = sha256(utf8('sparkle/preimage'));
  return sha256(concatBytes(tag, tag, secret));
};

const printed = ({ claim, refund, preimage, paymentHash }: TradeKeys): Record<string, string> => ({
  claimSecret: hex.encode(claim.secret),
  claimKey: claim.public,
  refundSecret: hex.encode(refund.secret),
  refundKey: refund.public,
  preimage,
  paymentHash,
});

const coinOf = (network: NetworkName): number => (network === 'mainnet' ? 0 : 1);

for (const { phrase, seed, identities, trades } of vectors.phrases) {
  const words = phrase.split(' ');

  test(`the seed of the ${words.length} words "${words[0]} ... ${words.at(-1)}" is PBKDF2 of them, as BIP 39 says`, () => {
    const expected = pbkdf2(sha512, utf8(phrase), utf8('mnemonic'), { c: 2048, dkLen: 64 });
    assert.equal(hex.encode(rescueSeed(phrase)), seed);
    assert.equal(hex.encode(expected), seed);
  });

  for (const vector of trades)
    test(`trade ${vector.index} on ${vector.network} of "${words[0]} ..." has the keys of its vector, found in two ways`, () => {
      const { index, network, ...expected } = vector;
      const keys = tradeKeys({ seed: hex.decode(seed), network: readNetwork(network), index });
      assert.deepEqual(printed(keys), expected);

      const path = [8383, coinOf(readNetwork(network)), 1, index];
      const [claim, refund, third] = [0, 1, 2].map((role) => derive(hex.decode(seed), [...path, role]));
      assert.ok(claim !== undefined && refund !== undefined && third !== undefined);
      const preimage = preimageOf(third);
      assert.deepEqual(expected, {
        claimSecret: hex.encode(claim),
        claimKey: xOnly(claim),
        refundSecret: hex.encode(refund),
        refundKey: xOnly(refund),
        preimage: hex.encode(preimage),
        paymentHash: hex.encode(sha256(preimage)),
      });
    });

  for (const { network, secret, public: key } of identities)
    test(`the message key on ${network} of "${words[0]} ..." has the value of its vector, found in two ways`, () => {
      const identity = identityKey({ seed: hex.decode(seed), network: readNetwork(network) });
      assert.deepEqual([hex.encode(identity.secret), identity.public], [secret, key]);
      const derived = derive(hex.decode(seed), [8383, coinOf(readNetwork(network)), 0]);
      assert.deepEqual([hex.encode(derived), xOnly(derived)], [secret, key]);
    });
}

test('the paths are the ones that a wallet of BIP 32 would follow', () => {
  const master = HDKey.fromMasterSeed(SEED);
  const at = (path: string): string => hex.encode(master.derive(path).privateKey ?? new Uint8Array());
  const { claim, refund } = tradeKeys({ seed: SEED, network: 'mainnet', index: 5 });
  assert.equal(hex.encode(claim.secret), at("m/8383'/0'/1'/5'/0'"));
  assert.equal(hex.encode(refund.secret), at("m/8383'/0'/1'/5'/1'"));
  assert.equal(hex.encode(identityKey({ seed: SEED, network: 'regtest' }).secret), at("m/8383'/1'/0'"));
});

test('no two of a trader keys, hashes and preimages are ever the same', () => {
  const values = [0, 1, 2].flatMap((index) =>
    (['mainnet', 'regtest'] as const).flatMap((network) =>
      Object.values(printed(tradeKeys({ seed: SEED, network, index }))),
    ),
  );
  const identities = (['mainnet', 'regtest'] as const).map((network) => identityKey({ seed: SEED, network }).public);
  assert.equal(new Set([...values, ...identities]).size, 3 * 2 * 6 + 2);
});

test('mainnet has keys of its own, and the test networks share theirs', () => {
  const keysOf = (network: NetworkName): string => tradeKeys({ seed: SEED, network, index: 0 }).claim.public;
  assert.equal(new Set(networkNames.map(keysOf)).size, 2);
  assert.notEqual(keysOf('mainnet'), keysOf('regtest'));
});

test('a public key checks what its secret signs', () => {
  const message = new Uint8Array(32).fill(9);
  const { claim, refund } = tradeKeys({ seed: SEED, network: 'signet', index: 3 });
  for (const { secret, public: key } of [claim, refund, identityKey({ seed: SEED, network: 'signet' })])
    assert.ok(schnorr.verify(schnorr.sign(message, secret, new Uint8Array(32)), message, hex.decode(key)));
});

for (const index of [-1, 2 ** 31, 0.5, NaN, Infinity])
  test(`the key index ${index} is refused`, () => {
    assert.throws(() => tradeKeys({ seed: SEED, network: 'mainnet', index }), {
      code: 'bad_config',
      message: /key index/,
    });
  });

for (const length of [0, 16, 32, 63, 65])
  test(`a seed of ${length} bytes is refused`, () => {
    const seed = new Uint8Array(length);
    assert.throws(() => tradeKeys({ seed, network: 'mainnet', index: 0 }), { code: 'bad_config' });
    assert.throws(() => identityKey({ seed, network: 'mainnet' }), { code: 'bad_config' });
  });

test('a passphrase makes another seed, and is normalized as BIP 39 says', () => {
  const seedOf = (passphrase: string): string => hex.encode(rescueSeed(ABANDON, { passphrase }));
  assert.equal(seedOf(''), hex.encode(rescueSeed(ABANDON)));
  assert.equal(seedOf('TREZOR').slice(0, 32), 'c55257c360c07c72029aebc1b53c05ed');
  assert.equal(seedOf('é'), seedOf('e\u0301'));
  assert.notEqual(seedOf(' '), seedOf(''));
});

test('entropy becomes a phrase that is read again', () => {
  assert.equal(newPhrase(new Uint8Array(16)), ABANDON);
  const entropy = fc.constantFrom(16, 32).chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
  fc.assert(
    fc.property(entropy, (bytes) => {
      const phrase = newPhrase(bytes);
      assert.equal(phrase.split(' ').length, bytes.length === 16 ? 12 : 24);
      assert.equal(rescueSeed(phrase).length, 64);
    }),
    { numRuns: 5 },
  );
});

for (const length of [0, 15, 17, 20, 24, 28, 31, 33, 64])
  test(`${length} bytes are no entropy for a phrase`, () => {
    assert.throws(() => newPhrase(new Uint8Array(length)), { code: 'bad_config' });
  });

const fifteen =
  'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon address';
for (const [what, phrase] of [
  ['no words', ''],
  ['eleven words', ABANDON.split(' ').slice(1).join(' ')],
  ['thirteen words', `abandon ${ABANDON}`],
  ['fifteen words, which BIP 39 allows and we do not', fifteen],
  ['a space in front', ` ${ABANDON}`],
  ['a space behind', `${ABANDON} `],
  ['two spaces between words', ABANDON.replace(' ', '  ')],
  ['a tab between words', ABANDON.replace(' ', '\t')],
  ['a line break behind', `${ABANDON}\n`],
  ['capital letters', ABANDON.toUpperCase()],
  ['a word that is not in the list', ABANDON.replace('about', 'abouts')],
  ['a word of another language', ABANDON.replace('about', 'ábaco')],
  ['full-width letters, which NFKD would make plain', ABANDON.replace('about', 'ａbout')],
  ['a wrong checksum', ABANDON.replace('about', 'abandon')],
  ['two words changed', ABANDON.replace('abandon about', 'about abandon')],
] as const)
  test(`a phrase with ${what} is refused`, () => {
    assert.throws(() => rescueSeed(phrase), { code: 'bad_phrase' });
  });

test('a refused phrase is not repeated, but the place of the wrong word is named', () => {
  const phrase = ABANDON.replace('about', 'secretword');
  assert.throws(
    () => rescueSeed(phrase),
    (error: Error) => {
      assert.match(error.message, /^word 12 /);
      return !JSON.stringify([error.message, error, String(error.cause)]).includes('secretword');
    },
  );
});
