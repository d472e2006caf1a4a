import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import { getPublicKey } from 'nostr-tools/pure';
import { loadConnection, openConnection, saveConnection, sealConnection } from './seal.ts';

const secret = hex.encode(sha256(utf8.decode('client')));
const walletPubkey = getPublicKey(sha256(utf8.decode('wallet')));
const connection = `nostr+walletconnect://${walletPubkey}?relay=wss%3A%2F%2Frelay.example&secret=${secret}`;
const passphrase = 'correct horse bättery';

let home: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'sparkle-seal-'));
});
after(() => rm(home, { recursive: true, force: true }));

test('a sealed connection opens with its passphrase and holds nothing readable', async () => {
  const sealed = await sealConnection({ connection, passphrase });
  assert.match(sealed, /^sparkle-nwc-1\.[\w-]+=*$/);
  assert.ok(!sealed.includes(secret) && !sealed.includes(walletPubkey));
  assert.equal(await openConnection({ sealed, passphrase }), connection);
  // The same passphrase typed in another form of Unicode.
  assert.equal(await openConnection({ sealed: `${sealed}\n`, passphrase: passphrase.normalize('NFD') }), connection);
  assert.notEqual(await sealConnection({ connection, passphrase }), sealed);
});

test('a wrong passphrase and a changed text are refused with bad_phrase', async () => {
  const sealed = await sealConnection({ connection, passphrase });
  await assert.rejects(openConnection({ sealed, passphrase: `${passphrase}.` }), { code: 'bad_phrase' });
  const at = sealed.length - 9;
  const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
  await assert.rejects(openConnection({ sealed: changed, passphrase }), { code: 'bad_phrase' });
});

test('what is no sealed connection is refused with bad_config, and what cannot be sealed too', async () => {
  for (const sealed of ['', connection, 'sparkle-nwc-1.', 'sparkle-nwc-1.AAAA', 'sparkle-nwc-2.AAAA'])
    await assert.rejects(openConnection({ sealed, passphrase }), { code: 'bad_config' });
  await assert.rejects(sealConnection({ connection: 'nostr+walletconnect://', passphrase }), { code: 'bad_config' });
  await assert.rejects(sealConnection({ connection, passphrase: '1234567' }), { code: 'bad_phrase' });
});

test('a file of a connection is for its owner alone, and replaces an older one whole', async () => {
  const path = join(home, 'wallet');
  await saveConnection({ path, connection, passphrase: 'an older one' });
  await saveConnection({ path, connection, passphrase });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(home), ['wallet']);
  assert.ok(!(await readFile(path, 'utf8')).includes(secret));
  assert.equal(await loadConnection({ path, passphrase }), connection);
  await assert.rejects(loadConnection({ path: join(home, 'nothing'), passphrase }), { code: 'bad_config' });
});
