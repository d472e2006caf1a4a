import * as z from 'zod/mini';
import { SparkleError } from '../protocol/errors.ts';
import { messageSchema } from './coordinator-wire.ts';

/** A letter that a coordinator can keep. Throws `bad_message`. */
export function letterTo(to: string, text: string): { to: string; text: string } {
  const result = z.safeParse(messageSchema, { to, text });
  if (result.success) return result.data;
  throw new SparkleError('bad_message', `text of a message ${result.error.issues[0]?.message}; it is not`, {
    field: 'text',
  });
}
