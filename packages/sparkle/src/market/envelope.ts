import { SparkleError } from '../protocol/errors.ts';
import { readHex32 } from '../protocol/json.ts';
import type { Envelope } from './market.ts';

/** Longest text of one message, in UTF-8 bytes: what NIP-44 can carry. No message of the protocol comes near it. */
export const maxTextBytes = 65_535;

/** Checks what shall be sent. Throws `bad_hex` for a key that is not x-only hex, `bad_message` for too long a text. */
export function assertSendable(to: string, { from, text }: Envelope): void {
  readHex32(to, 'to');
  readHex32(from, 'from');
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= maxTextBytes) return;
  throw new SparkleError('bad_message', `text must be at most ${maxTextBytes} UTF-8 bytes; got ${bytes}`, {
    bytes,
    maxTextBytes,
  });
}
