import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import fc from 'fast-check';
import { getPublicKey } from 'nostr-tools/pure';
import { parseConnection, writeConnection } from './connection.ts';

const secret = hex.encode(sha256(utf8.decode('client')));
const walletPubkey = getPublicKey(sha256(utf8.decode('wallet')));
const connection = `nostr+walletconnect://${walletPubkey}?relay=wss%3A%2F%2Frelay.example%2F&secret=${secret}`;

test('a connection string is read, and written the same again', () => {
  const read = parseConnection(`${connection}&relay=ws%3A%2F%2F127.0.0.1%3A7000&lud16=me%40wallet.example`);
  assert.equal(read.conversation.peer, walletPubkey);
  assert.equal(read.conversation.self, getPublicKey(hex.decode(secret)));
  assert.deepEqual(read.relays, ['wss://relay.example/', 'ws://127.0.0.1:7000/']);
  assert.equal(read.lud16, 'me@wallet.example');
  const of = { walletPubkey, clientSecret: hex.decode(secret), relays: ['wss://relay.example/'] };
  assert.equal(writeConnection(of), connection);
});

test('the example of NIP-47 is read', () => {
  const text =
    'nostr+walletconnect://b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4?relay=wss%3A%2F%2Frelay.damus.io&secret=71a8c14c1407c113601079c4302dab36460f0ccd0ad506f1f2dc73b5100e4f3c';
  const { conversation, relays, ...rest } = parseConnection(text);
  assert.equal(conversation.peer, 'b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4');
  assert.deepEqual(relays, ['wss://relay.damus.io/']);
  assert.deepEqual(rest, {});
});

test('the same relay twice is one relay', () => {
  assert.equal(parseConnection(`${connection}&relay=wss%3A%2F%2Frelay.example`).relays.length, 1);
});

const broken: Record<string, string> = {
  'another scheme': connection.replace('nostr+walletconnect', 'nostrconnect'),
  'a capital key': connection.replace(walletPubkey, walletPubkey.toUpperCase()),
  'a key that is no point': connection.replace(walletPubkey, 'ff'.repeat(32)),
  'no secret': connection.replace(/&secret=.*/, ''),
  'a short secret': connection.slice(0, -2),
  'two secrets': `${connection}&secret=${secret}`,
  'a secret out of range': connection.replace(secret, '00'.repeat(32)),
  'no relay': connection.replace(/relay=[^&]*&/, ''),
  'a relay of the web': connection.replace('wss', 'https'),
  'a relay with a password': connection.replace('%2F%2F', '%2F%2Fme%3Apass%40'),
  'too many relays': connection + Array.from({ length: 8 }, (_, at) => `&relay=wss%3A%2F%2Fr${at}.example`).join(''),
  'a blank in it': connection.replace('?', '? '),
  'too long': `${connection}&lud16=${'a'.repeat(5_000)}`,
};

for (const [what, text] of Object.entries(broken))
  test(`a connection string with ${what} is refused, and nothing of it is repeated`, () => {
    assert.throws(
      () => parseConnection(text),
      (error: Error & { code?: string }) => {
        const shown = inspect(error, { depth: 9, showHidden: true });
        return error.code === 'bad_config' && !shown.includes(secret.slice(0, 16)) && !shown.includes('me:pass');
      },
    );
  });

test('a connection shows its secret to no log, inspection or JSON', () => {
  const read = parseConnection(connection);
  const shown = [inspect(read, { depth: 9, showHidden: true }), JSON.stringify(read), String(read)].join();
  assert.ok(!shown.includes(secret));
  assert.ok(!shown.includes(String(hex.decode(secret)).slice(0, 30)));
});

test('no text whatever makes the reader fail in another way than bad_config', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((end) => connection + end),
      ),
      (text) => {
        try {
          parseConnection(text);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'bad_config');
        }
      },
    ),
    { numRuns: 200 },
  );
});
