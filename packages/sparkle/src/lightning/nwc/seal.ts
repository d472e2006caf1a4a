import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { base64url } from '@scure/base';
import { SparkleError } from '../../protocol/errors.ts';
import { parseConnection } from './connection.ts';

/** Version and algorithm, authenticated with the rest: scrypt N=2^17 r=8 p=1, ChaCha20-Poly1305. */
const HEADER = 'sparkle-nwc-1.';
const COST = { N: 2 ** 17, r: 8, p: 1, maxmem: 192 * 1024 * 1024 };
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LEAST_PASSPHRASE = 8;
const CIPHER = 'chacha20-poly1305';

type Sealing = { connection: string; passphrase: string };

const keyFor = (passphrase: string, salt: Uint8Array): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    // One passphrase typed on two keyboards can come in two forms of Unicode.
    scrypt(passphrase.normalize('NFKC'), salt, 32, COST, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });

/**
 * Encrypts a connection string with a passphrase, as text that may lie in a file. Throws `bad_config` for what is no
 * connection string, `bad_phrase` for a passphrase shorter than 8 characters.
 */
export async function sealConnection({ connection, passphrase }: Sealing): Promise<string> {
  parseConnection(connection);
  if (passphrase.length < LEAST_PASSPHRASE)
    throw new SparkleError('bad_phrase', `the passphrase must have at least ${LEAST_PASSPHRASE} characters`);
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, await keyFor(passphrase, salt), nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(HEADER), { plaintextLength: Buffer.byteLength(connection) });
  const body = Buffer.concat([cipher.update(connection, 'utf8'), cipher.final()]);
  return HEADER + base64url.encode(Buffer.concat([salt, nonce, cipher.getAuthTag(), body]));
}

/**
 * The connection string in what `sealConnection` wrote. Throws `bad_config` for other text, `bad_phrase` when the
 * passphrase is not the right one or the text was changed: nobody can tell which.
 */
export async function openConnection({ sealed, passphrase }: { sealed: string; passphrase: string }): Promise<string> {
  const { salt, nonce, tag, body } = partsOf(sealed.trim());
  const decipher = createDecipheriv(CIPHER, await keyFor(passphrase, salt), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(HEADER), { plaintextLength: body.length });
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  } catch {
    throw new SparkleError('bad_phrase', 'the passphrase does not open this connection, or the file was changed');
  }
}

function partsOf(sealed: string): { salt: Uint8Array; nonce: Uint8Array; tag: Uint8Array; body: Uint8Array } {
  const head = SALT_BYTES + NONCE_BYTES;
  try {
    if (!sealed.startsWith(HEADER)) throw new Error('another kind of text');
    const bytes = base64url.decode(sealed.slice(HEADER.length));
    if (bytes.length <= head + TAG_BYTES) throw new Error('too short');
    return {
      salt: bytes.slice(0, SALT_BYTES),
      nonce: bytes.slice(SALT_BYTES, head),
      tag: bytes.slice(head, head + TAG_BYTES),
      body: bytes.slice(head + TAG_BYTES),
    };
  } catch {
    throw new SparkleError('bad_config', `a sealed connection must begin with ${HEADER} and be whole`);
  }
}

/** Seals a connection into a file that only its owner may read (mode 600), whole or not at all. */
export async function saveConnection({ path, ...sealing }: Sealing & { path: string }): Promise<void> {
  const sealed = await sealConnection(sealing);
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${sealed}\n`, { mode: 0o600, flag: 'wx', flush: true });
  await rename(draft, path);
}

/** Reads what `saveConnection` wrote. Throws as `openConnection`, and `bad_config` when there is no such file. */
export async function loadConnection({ path, passphrase }: { path: string; passphrase: string }): Promise<string> {
  const sealed = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new SparkleError(
      'bad_config',
      `the file of the sealed connection cannot be read: ${path}`,
      { path },
      { cause },
    );
  });
  return openConnection({ sealed, passphrase });
}
