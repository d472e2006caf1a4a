import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Of a token only the hash is kept anywhere else; an answer that carries one must not undo that. It can be opened with the
 * caller's own key alone, of which the database has only the hash.
 */
const cipherKey = (secret: string): Buffer => createHash('sha256').update(`sparkle idempotency\n${secret}`).digest();

/** AES-256-GCM; `nonce` is 12 bytes that were never used before. */
export function seal({ text, secret, nonce }: { text: string; secret: string; nonce: Uint8Array }): string {
  const cipher = createCipheriv('aes-256-gcm', cipherKey(secret), nonce);
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64');
}

export function open({ sealed, secret }: { sealed: string; secret: string }): string {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', cipherKey(secret), bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  const body = bytes.subarray(NONCE_BYTES, -TAG_BYTES);
  return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
}
