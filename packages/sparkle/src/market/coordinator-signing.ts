import { schnorr } from '@noble/curves/secp256k1.js';
import { hex, utf8 } from '@scure/base';
import { canonicalJson } from '../protocol/json.ts';
import type { OfferWire } from './coordinator-wire.ts';

/** BIP 340 asks for a tag for each use, so that no signature means something elsewhere. */
const AUTH_TAG = 'sparkle/auth';
const OFFER_TAG = 'sparkle/offer';

/**
 * What proves that a caller holds a key: the challenge (32 bytes) and the host it came from, as in the coordinator's
 * URL, port included. The host keeps one coordinator from using at another what it was answered.
 */
export const authDigest = ({ challenge, host }: { challenge: string; host: string }): Uint8Array =>
  schnorr.utils.taggedHash(AUTH_TAG, hex.decode(challenge), utf8.decode(host));

/** What a seller signs: all fields of his offer but the signature, as canonical JSON. */
export const offerDigest = (offer: Omit<OfferWire, 'sig'>): Uint8Array =>
  schnorr.utils.taggedHash(OFFER_TAG, utf8.decode(canonicalJson(offer)));

/** Whether an offer is signed by the seller it names. */
export const isSignedBySeller = ({ sig, ...offer }: OfferWire): boolean =>
  isSignatureOf({ publicKey: offer.seller, signature: sig, digest: offerDigest(offer) });

/** Whether a BIP 340 signature is by this key over this digest; a key that is on no curve signed nothing. */
export function isSignatureOf(claim: { publicKey: string; signature: string; digest: Uint8Array }): boolean {
  const { publicKey, signature, digest } = claim;
  return schnorr.verify(hex.decode(signature), digest, hex.decode(publicKey));
}
