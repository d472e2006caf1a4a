import { addressScript } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { type NetworkName, networkNames } from 'sparkle-protocol/protocol/network';

/** Throws `bad_address` for what is an address of no network, and `wrong_network` for one of another. */
export function assertAddress(
  address: string,
  { network, field }: { network: NetworkName; field: 'buyer.ord_address' | 'seller_address' },
): void {
  if (isAddressOf(address, network)) return;
  const isElsewhere = networkNames.some((name) => isAddressOf(address, name));
  const [code, wanted] = isElsewhere
    ? (['wrong_network', `an address of ${network}`] as const)
    : (['bad_address', 'a Bitcoin address'] as const);
  throw new SparkleError(code, `${field} must be ${wanted}; got ${address}`, { field });
}

function isAddressOf(address: string, network: NetworkName): boolean {
  try {
    addressScript(address, network);
    return true;
  } catch (error) {
    if (error instanceof SparkleError) return false;
    throw error;
  }
}
