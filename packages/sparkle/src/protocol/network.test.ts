import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import * as btc from '@scure/btc-signer';
import { networkNames, networkOfGenesis, networks, readNetwork } from './network.ts';
import vectors from './network.vectors.json' with { type: 'json' };

test('each of the five names is read as itself', () => {
  assert.deepEqual(
    networkNames.map((name) => readNetwork(name)),
    ['mainnet', 'testnet', 'testnet4', 'signet', 'regtest'],
  );
});

for (const text of vectors.notNetworks)
  test(`the network ${JSON.stringify(text)} is refused by name and never becomes mainnet`, () => {
    assert.throws(() => readNetwork(text), {
      code: 'bad_network',
      message: `network must be one of mainnet, testnet, testnet4, signet, regtest; got ${JSON.stringify(text)}`,
    });
  });

test('a network that is not text, or was left out, is refused', () => {
  for (const value of [undefined, null, 0, 1, ['mainnet'], { toString: () => 'mainnet' }])
    assert.throws(() => readNetwork(value), { code: 'bad_network' });
});

for (const { network, header, hash } of vectors.genesis)
  test(`the genesis hash of ${network} is the hash of its genesis header`, () => {
    const digest = sha256(sha256(hex.decode(header)));
    assert.equal(hex.encode(digest.reverse()), hash);
    assert.equal(networkOfGenesis(hash), network);
  });

test('a genesis hash that no network has is refused', () => {
  const hash = '00'.repeat(32);
  assert.throws(() => networkOfGenesis(hash), { code: 'bad_network', message: new RegExp(hash) });
  assert.throws(() => networkOfGenesis(networks.mainnet.genesisHash.toUpperCase()), { code: 'bad_network' });
});

test('an address made with the table starts with the prefix the table names', () => {
  for (const name of networkNames) {
    const { address, addressPrefix } = networks[name];
    const output = btc.p2wpkh(
      hex.decode(`02${'79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}`),
      address,
    );
    assert.match(output.address ?? '', new RegExp(`^${addressPrefix}1q`));
  }
});

test('only mainnet uses the coin type of real coins, and invoice prefixes follow BOLT 11', () => {
  assert.deepEqual(
    networkNames.map((name) => [name, networks[name].coinType, networks[name].invoicePrefix]),
    [
      ['mainnet', 0, 'bc'],
      ['testnet', 1, 'tb'],
      ['testnet4', 1, 'tb'],
      ['signet', 1, 'tbs'],
      ['regtest', 1, 'bcrt'],
    ],
  );
});

test('the table cannot be changed by whoever imports it', () => {
  assert.ok(Object.isFrozen(networks) && Object.isFrozen(networkNames));
  for (const name of networkNames)
    assert.ok(Object.isFrozen(networks[name]) && Object.isFrozen(networks[name].address));
});
