import type { IncomingMessage } from 'node:http';

/** The body of an answer as text, given up at the limit: who answers without end must not fill our memory. */
export async function readText(
  response: IncomingMessage,
  limit: { maxBytes: number; tooLong: (said: string) => Error },
): Promise<string> {
  const { maxBytes, tooLong } = limit;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLong(`its answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** Why no answer came, as Node calls it: ECONNREFUSED, CERT_HAS_EXPIRED and the like. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN';
