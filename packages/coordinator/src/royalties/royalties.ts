import type { Chain } from 'sparkle-protocol/chain/chain';
import { readLnurlTarget } from 'sparkle-protocol/lightning/lnurl-address';
import { addressScript, type Output, scriptAddress } from 'sparkle-protocol/protocol/draft';
import { readEnvelopes } from 'sparkle-protocol/protocol/envelope';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { dustLimitSats } from 'sparkle-protocol/protocol/fees';
import { readInscriptionId } from 'sparkle-protocol/protocol/inscription';
import { collectionOf, readGenesis, royaltySats, type Royalty } from 'sparkle-protocol/protocol/metadata';
import type { NetworkName } from 'sparkle-protocol/protocol/network';

/** What the genesis of an item's collection declares: a share of the price, and whose outputs it goes to. */
export type Declared = {
  collectionId: string;
  bps: number;
  /** One for each recipient in the genesis' order; null for one who has named no address of this network. */
  scripts: (string | null)[];
  /** Their Lightning addresses in the same order; absent in what was listed before those were read. */
  addresses?: (string | null)[];
};

/** A part of a royalty that is paid to a Lightning address, once the sale is. */
export type Owed = { to: string; valueSats: bigint };

type Parts = { chain: Pick<Chain, 'transaction'>; network: NetworkName };

/** Of another network, or no address at all: nobody can be paid there, and a guess would pay somebody else. */
function scriptOf({ address }: Royalty['recipients'][number], network: NetworkName): string | null {
  if (address === undefined) return null;
  try {
    const script = addressScript(address, network);
    // An address of anyone-can-spend is one, and no fill takes it: the payment would be held for nothing.
    return scriptAddress(script, network) === undefined ? null : script;
  } catch (error) {
    if (error instanceof SparkleError) return null;
    throw error;
  }
}

/** Whether it is one is all that is looked at: who answers there is asked when there is something to be paid. */
function addressOf({ lightningAddress }: Royalty['recipients'][number]): string | null {
  if (lightningAddress === undefined) return null;
  try {
    readLnurlTarget(lightningAddress);
    return lightningAddress.trim();
  } catch (error) {
    if (error instanceof SparkleError) return null;
    throw error;
  }
}

/** The body of an inscription in the best chain; `undefined` where there is none. Throws `chain_unavailable`. */
async function bodyOf({ chain }: Parts, inscriptionId: string): Promise<Uint8Array | undefined> {
  const { txid, index } = readInscriptionId(inscriptionId);
  const found = await chain.transaction(txid);
  return found?.block === undefined ? undefined : readEnvelopes(found.raw)[index]?.body;
}

/** A genesis that cannot be read declares nothing: a royalty that is guessed is charged to somebody. */
function royaltyIn(genesis: Uint8Array | undefined): Royalty {
  const none = { bps: 0, recipients: [] };
  if (genesis === undefined) return none;
  try {
    return readGenesis(genesis).royalty;
  } catch (error) {
    if (error instanceof SparkleError && error.code === 'bad_message') return none;
    throw error;
  }
}

/**
 * What is declared for an inscription that names its collection (`op: "child"`), read from the chain itself; `undefined` for
 * one that names none. Both never change, so it is read once. Throws `chain_unavailable`.
 */
export async function declaredRoyalty(parts: Parts, inscriptionId: string): Promise<Declared | undefined> {
  const body = await bodyOf(parts, inscriptionId);
  const collectionId = body === undefined ? undefined : collectionOf(body);
  if (collectionId === undefined) return undefined;
  const { bps, recipients } = royaltyIn(await bodyOf(parts, collectionId));
  const scripts = recipients.map((recipient) => scriptOf(recipient, parts.network));
  return { collectionId, bps, scripts, addresses: recipients.map(addressOf) };
}

/**
 * The royalty: the share of the price, rounded down, in equal parts for all recipients, of which the first has what is left
 * over. Who has an address on the chain is paid there, in an output of the fill; who has none, or a part that would be dust,
 * over Lightning, where that is done and he has named an address. What can be paid neither way is left out: what is not
 * paid is not charged.
 */
export function royaltyParts(of: { declared: Declared; sellerSats: bigint; overLightning: boolean }): {
  payouts: Output[];
  owed: Owed[];
} {
  const { declared, sellerSats, overLightning } = of;
  const { bps, scripts, addresses = [] } = declared;
  const parts: { payouts: Output[]; owed: Owed[] } = { payouts: [], owed: [] };
  const count = BigInt(scripts.length);
  if (count === 0n) return parts;
  const wholeSats = royaltySats({ sellerSats, bps });
  const partSats = wholeSats / count;
  for (const [index, script] of scripts.entries()) {
    const valueSats = index === 0 ? wholeSats - partSats * (count - 1n) : partSats;
    const to = addresses[index] ?? null;
    if (script !== null && valueSats >= dustLimitSats(script)) parts.payouts.push({ script, valueSats });
    else if (overLightning && to !== null && valueSats > 0n) parts.owed.push({ to, valueSats });
  }
  return parts;
}
