import { base64, hex } from '@scure/base';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { taprootTweakPubkey } from '@scure/btc-signer/utils.js';
import { sumSats } from './amount.ts';
import { broken, priceRule, type Failure, type Rule, same } from './checks-rule.ts';
import { addressScript, encodeDraft, scriptAddress, SINGLE_ANYONECANPAY } from './draft.ts';
import type { Output, Prevout } from './draft.ts';
import { SparkleError } from './errors.ts';
import { dustLimitSats } from './fees.ts';
import { guardSell, type SaleFacts } from './guard.ts';
import { readInscriptionId, readOutpoint } from './inscription.ts';
import { REPLACEABLE } from './layout.ts';
import { readListingPsbt } from './listing-psbt.ts';
import { assertSingleSigned, assertSource } from './listing-signature.ts';
import type { NetworkName } from './network.ts';

/**
 * An input that its owner has signed away: whoever makes a transaction with `payout` at the index of this input may spend
 * `source` in it. Plain data. `version` and `lockTime` are what the signature commits to; `witness` is hex, lowest item first.
 */
export type Listing = {
  network: NetworkName;
  /** As the seller says: `checkListing` compares it with the chain. */
  source: Prevout;
  sequence: number;
  payout: Output;
  witness: readonly string[];
  version: 2;
  lockTime: 0;
};

/** What a seller sells, where it lies, and what he wants to be paid and where. `internalKey` is x-only hex. */
export type ListingRequest = {
  network: NetworkName;
  source: Prevout;
  /** Only for a P2TR source: the key before the tweak (BIP 86), which many wallets look for. */
  internalKey?: string;
  inscriptionId: string;
  offsetSats: bigint;
  priceSats: bigint;
  payoutAddress: string;
};

/**
 * The PSBT (BIP 174, base64) that a seller's wallet signs to offer an inscription without being there when it is sold: one
 * input, one output that pays exactly the price, sighash 0x83. Throws `bad_inscription_id`, `bad_outpoint`, `sat_lost` for
 * an offset outside the source, `bad_script` for a source that is neither P2TR nor P2WPKH, `bad_key` for another internal
 * key than the source's, `wrong_network`, `bad_amount`, and `dust` for a price that no node relays.
 */
export function buildListing(wanted: ListingRequest): string {
  const { network, source, internalKey, inscriptionId, offsetSats, priceSats, payoutAddress } = wanted;
  readInscriptionId(inscriptionId);
  assertOffset(source, offsetSats);
  assertSource(source.script);
  if (internalKey !== undefined) assertInternalKey(source.script, internalKey);
  const payout = { script: addressScript(payoutAddress, network), valueSats: sumSats([priceSats]) };
  assertPayout(payout, network);
  const { txid, vout } = readOutpoint(source.outpoint);
  const psbt = new Transaction({ version: 2, lockTime: 0 });
  psbt.addInput({
    ...{ txid: hex.decode(txid), index: vout, sequence: REPLACEABLE, sighashType: SINGLE_ANYONECANPAY },
    witnessUtxo: { amount: source.valueSats, script: hex.decode(source.script) },
    ...(internalKey === undefined ? {} : { tapInternalKey: hex.decode(internalKey) }),
  });
  psbt.addOutput({ script: hex.decode(payout.script), amount: payout.valueSats });
  return base64.encode(psbt.toPSBT(0));
}

function assertOffset({ valueSats }: Prevout, offsetSats: bigint): void {
  if (offsetSats < 0n || offsetSats >= valueSats)
    throw new SparkleError(
      'sat_lost',
      `the offset must lie within the ${valueSats} sats of the source; it is ${offsetSats}`,
      {
        offsetSats,
        valueSats,
      },
    );
}

function assertInternalKey(script: string, internalKey: string): void {
  if (outputScriptOf(internalKey) !== script)
    throw new SparkleError('bad_key', `internalKey must be the key behind ${script} (BIP 86); got ${internalKey}`, {
      internalKey,
      script,
    });
}

function outputScriptOf(internalKey: string): string | undefined {
  if (!/^[0-9a-f]{64}$/.test(internalKey)) return undefined;
  try {
    return `5120${hex.encode(taprootTweakPubkey(hex.decode(internalKey), new Uint8Array())[0])}`;
  } catch {
    // Half of all x are no point (BIP 340 lift_x).
    return undefined;
  }
}

function assertPayout({ script, valueSats }: Output, network: NetworkName): void {
  if (scriptAddress(script, network) === undefined)
    throw new SparkleError('bad_script', `the payout must be P2PKH, P2SH, P2WPKH, P2WSH or P2TR; it is ${script}`, {
      script,
    });
  const limitSats = dustLimitSats(script);
  if (valueSats < limitSats)
    throw new SparkleError('dust', `the payout must have ${limitSats} sats; it has ${valueSats}`, {
      valueSats,
      limitSats,
    });
}

/**
 * Reads a signed listing, final or with its one signature, from any wallet. Its signature is verified, so a listing that
 * was read is one that can be filled as long as `source` is unspent and was told truly. Throws `bad_message` for what is no
 * PSBT of at most 500,000 bytes, `bad_transaction` for one of another form, `bad_script` for scripts and witnesses of other
 * kinds, `bad_signature`, `dust`. Source: BIP 174, BIP 371, swaps 4.2.3.
 */
export function readListing({ psbt, network }: { psbt: string; network: NetworkName }): Listing {
  const listing: Listing = { network, ...readListingPsbt(psbt), version: 2, lockTime: 0 };
  assertListing(listing);
  return listing;
}

/** What `readListing` promises of a listing, once more, because it may have come out of a store. Throws as that does. */
export function assertListing({ network, source, sequence, payout, witness }: Listing): void {
  assertSource(source.script);
  assertSequence(sequence);
  assertPayout(payout, network);
  const raw = encodeDraft({ lockHeight: 0, inputs: [{ ...source, sequence, witness: [] }], outputs: [payout] });
  assertSingleSigned({ raw, index: 0, source, witness });
}

/**
 * Bit 31 must be set, as in 0xfffffffd, 0xfffffffe and 0xffffffff: without it BIP 68 makes the input wait for its age. That an
 * input is final matters to nobody: there is no locktime, and our own inputs signal replacement for all (BIP 125).
 */
function assertSequence(sequence: number): void {
  if (sequence < 0x80000000)
    throw new SparkleError(
      'bad_transaction',
      `sequence must have no relative lock (BIP 68), as 0xfffffffd has none; it is 0x${sequence.toString(16)}`,
      { sequence },
    );
}

/** What the seller said besides his PSBT. */
export type ListingAsked = { inscriptionId: string; offsetSats: bigint; priceSats: bigint; payoutAddress: string };

/** What chain and index say of the source, and what prices are taken at all, in sats, both bounds allowed. */
export type ListingFacts = Omit<SaleFacts, 'outpoint' | 'inscriptionId' | 'offsetSats'> & {
  limits: { minSats: bigint; maxSats: bigint };
};

/**
 * Whether a listing sells what was asked for at the price asked for, and the chain agrees. Returns all failures; those with
 * `wait` may pass by themselves. Source: ecosystem 1.8.
 */
export function checkListing(check: { listing: Listing; asked: ListingAsked; chain: ListingFacts }): Failure[] {
  const { listing, asked, chain } = check;
  const { source, payout } = listing;
  const { inscriptionId, offsetSats, priceSats, payoutAddress } = asked;
  const rules: Rule[] = [
    same({ code: 'wrong_price', field: 'the payout in sats', expected: priceSats, came: payout.valueSats }),
    priceRule(payout.valueSats, chain.limits),
    payoutRule(listing, payoutAddress),
    ...sourceRules(source, chain.unspent),
  ];
  const { failures } = guardSell({ ...chain, outpoint: source.outpoint, inscriptionId, offsetSats });
  return [...broken(rules), ...failures];
}

/** Compared by script: an address of bech32 has two spellings. */
function payoutRule({ payout, network }: Listing, payoutAddress: string): Rule {
  const came = scriptAddress(payout.script, network);
  return {
    code: 'wrong_payout',
    holds: scriptBehind(payoutAddress, network) === payout.script,
    sentence: `the payout must go to ${payoutAddress}; it goes to ${came}`,
    detail: { expected: payoutAddress, came },
  };
}

function scriptBehind(address: string, network: NetworkName): string | undefined {
  try {
    return addressScript(address, network);
  } catch (error) {
    if (error instanceof SparkleError) return undefined;
    throw error;
  }
}

/** The signature commits to value and script: with others it is good for nothing. */
function sourceRules({ valueSats, script }: Prevout, unspent: ListingFacts['unspent']): Rule[] {
  if (unspent === undefined) return [];
  return [
    same({ code: 'wrong_value', field: 'the value of the source', expected: unspent.valueSats, came: valueSats }),
    same({ code: 'wrong_script', field: 'the script of the source', expected: unspent.script, came: script }),
  ];
}
