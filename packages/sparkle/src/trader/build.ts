import { buildClaim, presignClaim } from '../protocol/claim.ts';
import { searchFromHeight } from '../protocol/deadlines.ts';
import { sumSats } from '../protocol/amount.ts';
import { addressScript, decodeTransaction, type Prevout, txidOf, vsizeOf } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import { feerateWithin } from '../protocol/fees.ts';
import { buildFillAbort, buildFillTransaction } from '../protocol/fill.ts';
import { guardSell, runePolicyFor } from '../protocol/guard.ts';
import {
  type Aborting,
  buildAbortTransaction,
  buildBumpTransaction,
  buildLockTransaction,
  changeOf,
} from '../protocol/lock-tx.ts';
import { buildRefund } from '../protocol/refund.ts';
import { type Built, lockSpendVsize, type SpendRequest } from '../protocol/spend.ts';
import type { Effect, FeePlan, Version } from '../protocol/trade/effect.ts';
import type { Fill, Terms } from '../protocol/trade/terms.ts';
import type { Trade } from '../protocol/trade/step.ts';
import type { AssertFits } from '../store/store.ts';
import type { Parts } from './parts.ts';
import type { Hands, Result } from './effects.ts';
import { forgottenLock } from './forgotten.ts';
import { coinsOf, takeable } from './own-coins.ts';

type Do<E extends Effect['do']> = Extract<Effect, { do: E }>;

/** What the plan asks for at today's estimates, in sat/vB. */
async function feerateFor({ chain }: Parts, plan: FeePlan): Promise<number> {
  const estimate = await chain.feerate(plan.targetBlocks);
  return Math.max((estimate * plan.multiplierPercent) / 100, plan.floorSatVb);
}

const versionOf = ({ raw, feeSats, feerateSatVb }: Built): Version => ({
  txid: txidOf(raw),
  raw,
  feeSats,
  feerateSatVb,
});
const replaced = (versions: Version[]) => versions.map(({ feeSats, raw }) => ({ feeSats, vsize: vsizeOf(raw) }));

/** The wallet signs what is its own; what came back must be the very transaction that was built. */
async function signed({ wallet }: Parts, built: Built): Promise<Built> {
  const raw = await wallet.sign(built.raw, [...built.spent]);
  if (txidOf(raw) !== built.txid)
    throw new SparkleError('bad_transaction', `the wallet must sign ${built.txid}; it gave back ${txidOf(raw)}`, {
      txid: built.txid,
    });
  return { ...built, raw };
}

export function lockFor(
  parts: Parts,
  hands: Hands,
  { terms, sourceOutpoint, plan }: Do<'build_lock'>,
): Promise<Result> {
  return hands.purse.alone(async () => {
    const forgotten = await forgottenLock(parts, { terms, sourceOutpoint });
    if (forgotten !== undefined) return { type: 'lock_built', lock: forgotten };
    await assertUnsold(hands, terms, sourceOutpoint);
    const source = await sellable(parts, terms, sourceOutpoint);
    const built = buildLockTransaction({
      terms,
      source,
      coins: await hands.purse.cardinals({ tradeId: terms.tradeId, source: sourceOutpoint }),
      changeAddress: await parts.wallet.address(),
      feerateSatVb: await feerateFor(parts, plan),
      maxFeeSats: plan.maxFeeSats,
    });
    await hands.purse.reserve(built.raw, terms.tradeId);
    const { raw, spent } = await signed(parts, built);
    return { type: 'lock_built', lock: { ...versionOf({ ...built, raw }), vout: built.vout, spent: [...spent] } };
  });
}

/** Pays the owner of a listing and locks what he signed away. Two coins only stand in front of his input, the least of all. */
export function fillFor(parts: Parts, hands: Hands, { terms, fill, plan }: Do<'fill_listing'>): Promise<Result> {
  return hands.purse.alone(async () => {
    const { listing, payouts } = fill;
    const { outpoint } = listing.source;
    const forgotten = await forgottenLock(parts, { terms, sourceOutpoint: outpoint });
    if (forgotten !== undefined) return { type: 'lock_built', lock: forgotten };
    await assertUnsold(hands, terms, outpoint);
    assertAsListed(listing, await sellable(parts, terms, outpoint));
    const cardinals = await hands.purse.cardinals({ tradeId: terms.tradeId, source: outpoint });
    const [dummyA, dummyB] = cardinals.slice(-2);
    if (dummyA === undefined || dummyB === undefined)
      throw new SparkleError(
        'insufficient_funds',
        `a fill needs two coins and more to pay; there are ${cardinals.length}`,
      );
    const built = buildFillTransaction({
      ...{ terms, listing, payouts, dummies: [dummyA, dummyB], coins: cardinals.slice(0, -2) },
      changeAddress: await parts.wallet.address(),
      feerateSatVb: await feerateFor(parts, plan),
      maxFeeSats: plan.maxFeeSats,
    });
    await hands.purse.reserve(built.raw, terms.tradeId, affordable(parts, fill));
    const { raw, spent } = await signed(parts, built);
    return { type: 'lock_built', lock: { ...versionOf({ ...built, raw }), vout: built.vout, spent: [...spent] } };
  });
}

/** What a fill pays to others is at risk until the buyer claims. Asked when its coins are kept, where one comes after the other. */
const affordable = ({ mostFilledSats }: Parts, fill: Fill): AssertFits | undefined =>
  mostFilledSats === undefined ? undefined : (others) => assertAffordable(others, fill, mostFilledSats);

function assertAffordable(others: readonly Trade[], fill: Fill, mostFilledSats: bigint): void {
  const paid = others.flatMap((trade) =>
    trade.role === 'seller' && trade.offer.fill !== undefined ? [trade.offer.fill] : [],
  );
  const sats = sumSats(
    [...paid, fill].flatMap(({ listing, payouts }) => [listing.payout, ...payouts].map(({ valueSats }) => valueSats)),
  );
  if (sats <= mostFilledSats) return;
  throw new SparkleError(
    'refused',
    `fills under way may pay ${mostFilledSats} sats in all; with this one it would be ${sats}`,
    {
      reason: 'capital',
    },
  );
}

/** The owner's signature commits to the value and script of his output: told otherwise, the fill would be void. */
function assertAsListed({ source }: Fill['listing'], { valueSats, script }: Prevout): void {
  if (source.valueSats === valueSats && source.script === script) return;
  throw new SparkleError('refused', `the listing must say of ${source.outpoint} what the chain says; it does not`, {
    outpoint: source.outpoint,
  });
}

/** One inscription, one lock: a second buyer who paid in the same minute gets his payment back. */
async function assertUnsold({ purse }: Hands, terms: Terms, sourceOutpoint: string): Promise<void> {
  const holder = await purse.holder(sourceOutpoint);
  if (holder !== undefined && holder !== terms.tradeId)
    throw new SparkleError('refused', `the inscription is locked in trade ${holder} already`, { tradeId: holder });
}

/** What is sold must lie where the offer says, and nothing else beside it: the lock would give that away too. */
async function sellable(parts: Parts, { inscriptionId, offsetSats }: Terms, outpoint: string): Promise<Prevout> {
  const { chain, ordinals, network } = parts;
  const place = await ordinals.locate(inscriptionId);
  const isThere = place.satpoint === `${outpoint}:${offsetSats}`;
  const unspent = await chain.unspent(outpoint);
  const { failures } = guardSell({
    ...{ outpoint, unspent, leastConfirmations: 1, inscriptionId, offsetSats, place },
    // An index may know nothing of an output that is spent, and that it is spent is reason enough.
    assets: isThere ? await ordinals.assets(outpoint) : undefined,
    runePolicy: parts.runes ?? runePolicyFor(network),
  });
  const failure = failures.find(({ wait }) => !wait) ?? failures[0];
  if (failure === undefined && unspent !== undefined)
    return { outpoint, valueSats: unspent.valueSats, script: unspent.script };
  const { code, sentence, wait } = failure ?? { code: 'coin_spent', sentence: `${outpoint} is spent`, wait: false };
  throw new SparkleError(wait ? 'not_indexed' : 'refused', sentence, { reason: code, outpoint });
}

export function abortFor(parts: Parts, hands: Hands, effect: Do<'build_abort'>): Promise<Result> {
  return takenBack(parts, hands, effect, async (request) =>
    buildAbortTransaction({ ...request, lock: effect.lock, returnAddress: await parts.wallet.address() }),
  );
}

export function abortFillFor(parts: Parts, hands: Hands, effect: Do<'abort_fill'>): Promise<Result> {
  return takenBack(parts, hands, effect, async (request) => buildFillAbort({ ...request, fill: effect.lock }));
}

/** Spends the first input of the lock, and what else is left of its coins and of those of an earlier attempt. */
function takenBack(
  parts: Parts,
  hands: Hands,
  effect: Do<'build_abort' | 'abort_fill'>,
  build: (request: Aborting) => Promise<Built>,
): Promise<Result> {
  const { terms, lock, replaces, plan } = effect;
  return hands.purse.alone(async () => {
    const contested = lock.spent[0]?.outpoint ?? '';
    const fromHeight = searchFromHeight(terms);
    const own = lock.spent.map(({ outpoint }) => outpoint);
    const free = await takeable(parts, { outpoints: own, contested, fromHeight });
    const earlier = await coinsOf(parts, { versions: replaces, contested, fromHeight });
    const built = await build({
      terms,
      replaces: replaced(replaces),
      lost: own.filter((outpoint) => !free.includes(outpoint)),
      coins: [
        ...earlier.filter(({ outpoint }) => !own.includes(outpoint)),
        ...(await hands.purse.cardinals({ tradeId: terms.tradeId })),
      ],
      changeAddress: await parts.wallet.address(),
      feerateSatVb: await feerateFor(parts, plan),
      maxFeeSats: plan.maxFeeSats,
    });
    await hands.purse.reserve(built.raw, terms.tradeId);
    return { type: 'abort_built', abort: versionOf(await signed(parts, built)) };
  });
}

export function bumpFor(parts: Parts, hands: Hands, effect: Do<'bump_lock'>): Promise<Result> {
  const { terms, lock, replaces, plan } = effect;
  return hands.purse.alone(async () => {
    const contested = changeOf(lock).outpoint;
    const earlier = await coinsOf(parts, { versions: replaces, contested, fromHeight: searchFromHeight(terms) });
    const built = buildBumpTransaction({
      terms,
      lock,
      replaces: replaced(replaces),
      coins: [...earlier, ...(await hands.purse.cardinals({ tradeId: terms.tradeId }))],
      changeAddress: await parts.wallet.address(),
      feerateSatVb: await feerateFor(parts, plan),
      maxFeeSats: plan.maxFeeSats,
    });
    await hands.purse.reserve(built.raw, terms.tradeId);
    return { type: 'bump_built', bump: versionOf(await signed(parts, built)) };
  });
}

type Spending = Do<'presign_claim' | 'build_claim' | 'build_refund'>;

/** One taproot coin and its change, which is what the wallet adds when the reserve does not pay. */
const FUNDING_VBYTES = 101;

/**
 * Builds a spend at the planned feerate, or, unless it is a reveal, at what the cap still pays for: from the lock's
 * reserve if that suffices, with the wallet's coins otherwise. `undefined` when the result could not replace the last one.
 */
async function spend<T extends Built>(
  parts: Parts,
  hands: Hands,
  effect: Spending,
  build: (request: SpendRequest) => T,
): Promise<T | undefined> {
  const { terms, outpoint, plan } = effect;
  const previous = 'previous' in effect ? effect.previous : undefined;
  const wanted = await feerateFor(parts, plan);
  const destination = await parts.wallet.address();
  const path = effect.do === 'build_refund' ? 'refund' : 'claim';
  const vsize = lockSpendVsize({ terms, path, destinationScript: addressScript(destination, terms.network) });
  const isReveal = 'isReveal' in effect && effect.isReveal;
  const affordable = (vbytes: number) =>
    isReveal ? wanted : Math.min(wanted, feerateWithin({ feeSats: plan.maxFeeSats, vsize: vbytes }));
  const request = (feerateSatVb: number): SpendRequest => ({
    terms,
    lockOutpoint: outpoint,
    destination,
    feerateSatVb,
    maxFeeSats: plan.maxFeeSats,
    ...(previous === undefined ? {} : { replaces: replaced([previous]) }),
  });
  if (previous !== undefined && affordable(vsize) <= previous.feerateSatVb) return undefined;
  try {
    return build(request(affordable(vsize)));
  } catch (error) {
    if (!(error instanceof SparkleError) || error.code !== 'fee_too_high') throw error;
  }
  return hands.purse.alone(async () => {
    const fromHeight = searchFromHeight(terms);
    const versions = previous === undefined ? [] : [previous];
    const earlier = await coinsOf(parts, { versions, contested: outpoint, fromHeight });
    const coins = [...earlier, ...(await hands.purse.cardinals({ tradeId: terms.tradeId }))];
    const funding = { coins, changeAddress: await parts.wallet.address() };
    const built = build({ ...request(affordable(vsize + FUNDING_VBYTES)), funding });
    await hands.purse.reserve(built.raw, terms.tradeId);
    return built;
  });
}

export async function presignFor(parts: Parts, hands: Hands, effect: Do<'presign_claim'>): Promise<Result> {
  const { claim } = hands.keys(effect.keyIndex);
  const presigned = await spend(parts, hands, effect, (request) =>
    presignClaim({ ...request, claimSecret: claim.secret, auxRand: parts.clock.randomBytes(32) }),
  );
  if (presigned === undefined) return undefined;
  return { type: 'claim_presigned', presigned: { ...presigned, raw: (await finished(parts, presigned)).raw } };
}

export async function claimFor(parts: Parts, hands: Hands, effect: Do<'build_claim'>): Promise<Result> {
  const keys = hands.keys(effect.keyIndex);
  const preimage = effect.preimage ?? keys.preimage;
  const built = await spend(parts, hands, effect, (request) =>
    buildClaim({ ...request, claimSecret: keys.claim.secret, preimage, auxRand: parts.clock.randomBytes(32) }),
  );
  if (built === undefined) return undefined;
  return { type: 'claim_built', claim: versionOf(await finished(parts, built)) };
}

export async function refundFor(parts: Parts, hands: Hands, effect: Do<'build_refund'>): Promise<Result> {
  // An order from before an outage: the payment may have been settled since.
  if ((await parts.store.load(effect.terms.tradeId))?.state !== 'refunding') return undefined;
  await assertUnpayable(parts, effect.terms);
  const { refund } = hands.keys(effect.keyIndex);
  const built = await spend(parts, hands, effect, (request) =>
    buildRefund({ ...request, refundSecret: refund.secret, auxRand: parts.clock.randomBytes(32) }),
  );
  if (built === undefined) return undefined;
  return { type: 'refund_built', refund: versionOf(await finished(parts, built)) };
}

/** Lock-first: a refund beside a payable invoice is theft, so the node is asked once more before a signature exists. */
async function assertUnpayable({ lightning }: Parts, { mode, paymentHash }: Terms): Promise<void> {
  if (mode === 'hold-first') return;
  const { state } = await lightning.invoice(paymentHash);
  if (state !== 'canceled' && state !== 'unknown')
    throw new SparkleError('refused', `the invoice must be canceled before a refund is signed; it is ${state}`, {
      state,
    });
}

/** Coins that were added for the fee are the wallet's to sign; the lock's own input has its witness already. */
const finished = async (parts: Parts, built: Built): Promise<Built> =>
  decodeTransaction(built.raw).inputs.length === 1 ? built : signed(parts, built);
