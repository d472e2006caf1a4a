import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { HDKey } from '@scure/bip32';
import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { SparkleError } from './errors.ts';
import { networks, type NetworkName } from './network.ts';

/** `secret`: 32 bytes; `public`: its x-only key as 32-byte lowercase hex (BIP 340). */
export type KeyPair = { secret: Uint8Array; public: string };

/** Everything one trade needs to be claimed or refunded. `paymentHash` is SHA256 of `preimage`, both 32-byte hex. */
export type TradeKeys = { claim: KeyPair; refund: KeyPair; preimage: string; paymentHash: string };

// BIP 43 gives a purpose to whoever writes a specification; 8383 is no BIP and no SLIP, so no wallet looks for coins there.
const PURPOSE = 8383;
const BRANCH = { identity: 0, trades: 1 };
const ROLE = { claim: 0, refund: 1, preimage: 2 };
const LAST_INDEX = 2 ** 31 - 1;
const SEED_BYTES = 64;
const PREIMAGE_TAG = 'sparkle/preimage';

/**
 * The rescue phrase for 16 or 32 bytes of entropy: 12 or 24 English words (BIP 39). The entropy is the caller's, from a
 * source fit for keys. Throws `bad_config` for any other length.
 */
export function newPhrase(entropy: Uint8Array): string {
  if (entropy.length !== 16 && entropy.length !== 32)
    throw new SparkleError('bad_config', `entropy must be 16 or 32 bytes; got ${entropy.length}`);
  return entropyToMnemonic(entropy, wordlist);
}

/**
 * The 64-byte seed of a rescue phrase: 12 or 24 lowercase English words, one space between them (BIP 39). Another
 * passphrase is another seed; without one it is empty, as in every wallet. Throws `bad_phrase`, never repeating a word.
 */
export function rescueSeed(phrase: string, { passphrase }: { passphrase: string } = { passphrase: '' }): Uint8Array {
  const words = phrase.split(' ');
  if (words.length !== 12 && words.length !== 24)
    throw badPhrase(`a rescue phrase must be 12 or 24 words with one space between them; got ${words.length}`);
  const unknown = words.findIndex((word) => !wordlist.includes(word));
  if (unknown !== -1) throw badPhrase(`word ${unknown + 1} of the rescue phrase is not in the English list of BIP 39`);
  if (!validateMnemonic(phrase, wordlist))
    throw badPhrase('the words of the rescue phrase do not fit together: one is wrong or two have changed places');
  return mnemonicToSeedSync(phrase, passphrase);
}

/**
 * The keys and the preimage of trade number `index` (0 to 2^31 - 1), at `m/8383'/coin'/1'/index'/role'` with roles
 * 0 claim, 1 refund, 2 preimage. All steps are hardened: one leaked key leads to no other. The preimage is a tagged
 * hash of the third key, so the seed alone restores it, and revealing it reveals no key. The test networks share a
 * coin type, hence also their keys. Throws `bad_config`. Specified in docs/spec/keys.md.
 */
export function tradeKeys({ index, ...of }: { seed: Uint8Array; network: NetworkName; index: number }): TradeKeys {
  return keysOfTrades(of)(index);
}

/**
 * The same for many trades of one seed: what they have in common is derived once, and of each trade only what is asked for. A
 * step costs a multiplication on the curve.
 */
export function keysOfTrades({
  seed,
  network,
}: {
  seed: Uint8Array;
  network: NetworkName;
}): (index: number) => TradeKeys {
  const branch = derived(seed, [PURPOSE, networks[network].coinType, BRANCH.trades]);
  return (index) => {
    if (!Number.isInteger(index) || index < 0 || index > LAST_INDEX)
      throw new SparkleError('bad_config', `a key index must be a whole number from 0 to ${LAST_INDEX}; got ${index}`);
    const trade = once(() => child(branch, index));
    const claim = once(() => pairOf(child(trade(), ROLE.claim)));
    const refund = once(() => pairOf(child(trade(), ROLE.refund)));
    const preimage = once(() => schnorr.utils.taggedHash(PREIMAGE_TAG, secretOf(child(trade(), ROLE.preimage))));
    return {
      get claim() {
        return claim();
      },
      get refund() {
        return refund();
      },
      get preimage() {
        return hex.encode(preimage());
      },
      get paymentHash() {
        return hex.encode(sha256(preimage()));
      },
    };
  };
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/**
 * The key that signs a trader's messages, at `m/8383'/coin'/0'`: one per trader and network kind, in no script and
 * never near coins. Throws `bad_config`.
 */
export function identityKey({ seed, network }: { seed: Uint8Array; network: NetworkName }): KeyPair {
  return pairOf(derived(seed, [PURPOSE, networks[network].coinType, BRANCH.identity]));
}

function derived(seed: Uint8Array, path: readonly number[]): HDKey {
  if (seed.length !== SEED_BYTES)
    throw new SparkleError(
      'bad_config',
      `a seed must be the ${SEED_BYTES} bytes of a rescue phrase; got ${seed.length}`,
    );
  return path.reduce(child, HDKey.fromMasterSeed(seed));
}

const HARDENED = 2 ** 31;

const child = (key: HDKey, number: number): HDKey => key.deriveChild(HARDENED + number);

function pairOf(key: HDKey): KeyPair {
  const secret = secretOf(key);
  // BIP 340: the x of the key that BIP 32 has computed already.
  return { secret, public: hex.encode((key.publicKey ?? schnorr.getPublicKey(secret)).slice(-32)) };
}

function secretOf({ privateKey }: HDKey): Uint8Array {
  // HDKey types also keys that have no private part.
  if (privateKey === null) throw new SparkleError('bad_key', 'a key derived from a seed must have a private part');
  return privateKey;
}

const badPhrase = (sentence: string): SparkleError => new SparkleError('bad_phrase', sentence);
