import { createHmac, timingSafeEqual } from 'node:crypto';

export const signatureHeader = 'Sparkle-Signature';

const hmac = (of: { secret: string; seconds: number; body: string }): string =>
  createHmac('sha256', of.secret).update(`${of.seconds}.${of.body}`).digest('hex');

/** `t=<Unix seconds>,v1=<HMAC-SHA256 of "t.body" in hex>`: the time is signed too, so that nobody sends it again later. */
export const signatureOf = (of: { secret: string; seconds: number; body: string }): string =>
  `t=${of.seconds},v1=${hmac(of)}`;

/**
 * Whether a webhook is ours and of now: what its receiver has to check before he reads the body, which must be the bytes
 * that came.
 */
export function isSigned(of: {
  header: string;
  body: string;
  secret: string;
  nowSeconds: number;
  toleranceSeconds: number;
}): boolean {
  const found = /^t=([0-9]{1,12}),v1=([0-9a-f]{64})$/.exec(of.header);
  if (found === null) return false;
  const [, time = '', given = ''] = found;
  const seconds = Number(time);
  const expected = hmac({ secret: of.secret, seconds, body: of.body });
  return (
    Math.abs(of.nowSeconds - seconds) <= of.toleranceSeconds &&
    timingSafeEqual(Buffer.from(given), Buffer.from(expected))
  );
}
