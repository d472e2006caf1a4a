import { randomBytes } from 'node:crypto';
import type { PrepareWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { checkoutBody } from '../../test/coordinator/buyer-http.ts';

const ADDRESS = 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm';
/** x of the generator: a point of the curve like any other. */
const CLAIM_KEY = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';

/** A buyer who takes a quote as it is; each body is a new checkout, with a payment hash that was never used. */
export function buyerOf(quote: QuoteWire): {
  body(): PrepareWire;
  from(): Record<string, string>;
  key(): Record<string, string>;
} {
  return {
    body: () =>
      checkoutBody(quote, { address: ADDRESS, paymentHash: randomBytes(32).toString('hex'), claimKey: CLAIM_KEY }),
    // Limits are per address; behind a proxy that is trusted it is the one named here.
    from: () => ({ 'x-forwarded-for': `10.${randomBytes(3).join('.')}` }),
    key: () => ({ 'idempotency-key': randomBytes(16).toString('hex') }),
  };
}
