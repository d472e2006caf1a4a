/** The public list of this room: all that a trade needs, and nothing that touches the world. */
export * from './amount.ts';
export * from './bolt11.ts';
export * from './checks.ts';
export * from './checks-delivery.ts';
export { buildClaim, type ClaimSigning, completeClaim, type PresignedClaim, presignClaim } from './claim.ts';
export * from './deadlines.ts';
export * from './deadlines-fees.ts';
export * from './descriptor.ts';
export * from './errors.ts';
export { buildFillAbort, buildFillTransaction, type FillRequest } from './fill.ts';
export * from './inscription.ts';
export { canonicalJson, decodeState, encodeState } from './json.ts';
export * from './keys.ts';
export {
  buildListing,
  checkListing,
  type Listing,
  type ListingAsked,
  type ListingFacts,
  type ListingRequest,
  readListing,
} from './listing.ts';
export {
  buildAbortTransaction,
  buildBumpTransaction,
  buildLockTransaction,
  type BuiltLock,
  type Sent,
  type SentLock,
} from './lock-tx.ts';
export * from './lock.ts';
export * from './messages.ts';
export { buildCooperativeClaim, type CosignerRole, type Cosigning, createSession } from './musig.ts';
export * from './network.ts';
export * from './preimage.ts';
export { buildRefund, type RefundSigning } from './refund.ts';
export { followReveal, followSat, type SatPlace } from './satflow.ts';
export { makeSatProof, type ProofFault, type SatProof, verifySatProof } from './satproof.ts';
export { type Built, findPreimage, type Funding, lockSpendVsize, type SpendRequest, type SpendTerms } from './spend.ts';
export * from './trade/effect.ts';
export * from './trade/event.ts';
export * from './trade/look.ts';
export * from './trade/open.ts';
export * from './trade/state.ts';
export { isEnded, lockOutpointOf, paymentHashOf, step } from './trade/step.ts';
export * from './trade/terms.ts';
export * from './trade/view.ts';
