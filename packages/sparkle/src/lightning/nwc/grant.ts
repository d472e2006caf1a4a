import { generateSecretKey, getPublicKey } from 'nostr-tools/pure';
import { SparkleError } from '../../protocol/errors.ts';
import { readMsat } from '../requests.ts';
import { readRelays, writeConnection } from './connection.ts';
import { methods, type Method } from './wire.ts';

/** How much a connection may spend, fees included, in any stretch of `periodSeconds`. */
export type Budget = { msat: bigint; periodSeconds: number };

/** What one client may do with the wallet. Each connection has a wallet key of its own, so that no two can be linked. */
export type NwcGrant = {
  /** For the operator's eyes. */
  name: string;
  walletSecretKey: Uint8Array;
  /** x-only hex; the client's secret is not kept by the service. */
  clientPubkey: string;
  methods: readonly Method[];
  budget: Budget | 'unlimited';
};

type Wishes = Pick<NwcGrant, 'name' | 'methods' | 'budget'> & { relays: readonly string[] };

/** A new connection: the grant for the service to keep, and the string for the client, which is shown once. Throws `bad_config`. */
export function newGrant({ name, methods: allowed, budget, relays }: Wishes): { grant: NwcGrant; connection: string } {
  checkGrant({ methods: allowed, budget });
  const walletSecretKey = generateSecretKey();
  const clientSecret = generateSecretKey();
  const walletPubkey = getPublicKey(walletSecretKey);
  return {
    grant: { name, walletSecretKey, clientPubkey: getPublicKey(clientSecret), methods: allowed, budget },
    connection: writeConnection({ walletPubkey, clientSecret, relays: readRelays(relays) }),
  };
}

/** Refuses methods that do not exist and budgets that mean nothing. Throws `bad_config` or `bad_amount`. */
export function checkGrant({ methods: allowed, budget }: Pick<NwcGrant, 'methods' | 'budget'>): void {
  const unknown = allowed.filter((method) => !methods.includes(method));
  if (allowed.length === 0 || unknown.length > 0)
    throw new SparkleError('bad_config', `methods must be some of ${methods.join(', ')}; got ${allowed.join(', ')}`, {
      field: 'methods',
    });
  if (budget === 'unlimited') return;
  readMsat({ value: budget.msat, field: 'budget.msat', min: 0n });
  if (!Number.isSafeInteger(budget.periodSeconds) || budget.periodSeconds < 1)
    throw new SparkleError('bad_config', 'budget.periodSeconds must be a whole number of seconds from 1', {
      field: 'budget.periodSeconds',
    });
}
