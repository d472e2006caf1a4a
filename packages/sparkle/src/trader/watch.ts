import type { Chain, Tip } from '../chain/chain.ts';
import type { Lightning } from '../lightning/lightning.ts';
import type { Ordinals } from '../ordinals/ordinals.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { LockFacts, Look, OutputView, View } from '../protocol/trade/view.ts';
import { indexProblemOf } from './index-problem.ts';

export type Eyes = { chain: Chain; lightning: Lightning; ordinals: Ordinals };

const LOOKS = 5;

/**
 * Looks at what a trade asks for and answers with one picture that belongs to one best block: when the block changes
 * while looking (a new block, a reorg), the look is thrown away and done again. What a Lightning node that is away would
 * have said is absent from it; when only that was asked for, the look fails.
 */
export async function lookAt(eyes: Eyes, look: Look, nowSeconds: number): Promise<View> {
  return { nowSeconds, ...(await atOneTip(eyes.chain, (tip) => seen(eyes, look, tip))) };
}

/**
 * As `lookAt` for many, all of one best block, which is asked for once for all of them. Of each what was seen, or why nothing
 * was; `soon` rejects what takes too long, for each would wait for the slowest.
 */
export async function lookAtEach(
  eyes: Eyes,
  looks: readonly Look[],
  { nowSeconds, soon }: { nowSeconds: number; soon: <Seen>(look: Promise<Seen>) => Promise<Seen> },
): Promise<PromiseSettledResult<View>[]> {
  const { tip, all } = await atOneTip(eyes.chain, async (best) => ({
    all: await Promise.allSettled(looks.map((look) => soon(seen(eyes, look, best)))),
  }));
  return all.map((each) =>
    each.status === 'rejected' ? each : { status: each.status, value: { nowSeconds, tip, ...each.value } },
  );
}

/** The lock alone, for whoever has no Lightning node here to ask, and perhaps no index. Of one best block, like `lookAt`. */
export function lookAtLock(
  { chain, ordinals }: Pick<Eyes, 'chain'> & { ordinals: Ordinals | undefined },
  at: NonNullable<Look['facts']>,
): Promise<{ tip: Tip; facts: LockFacts }> {
  return atOneTip(chain, async (tip) => ({ facts: await facts({ chain, ordinals }, at, tip) }));
}

async function atOneTip<Picture>(chain: Chain, see: (tip: Tip) => Promise<Picture>): Promise<{ tip: Tip } & Picture> {
  for (let attempt = 0; attempt < LOOKS; attempt++) {
    const tip = await chain.tip();
    const picture = await see(tip);
    if ((await chain.tip()).hash === tip.hash) return { tip, ...picture };
  }
  throw new SparkleError('chain_unavailable', `the best block changed ${LOOKS} times while a trade looked at it`);
}

async function seen(eyes: Eyes, look: Look, tip: Tip): Promise<Omit<View, 'tip' | 'nowSeconds'>> {
  const { chain } = eyes;
  const looksAtChain = look.lock !== undefined || look.source !== undefined || look.facts !== undefined;
  return {
    ...(look.lock === undefined ? {} : { lock: await output(chain, look.lock, tip) }),
    ...(look.source === undefined ? {} : { source: await output(chain, look.source, tip) }),
    ...(look.coin === undefined ? {} : { coin: await output(chain, look.coin, tip) }),
    ...(await money(eyes.lightning, look).catch((error: unknown) => {
      // Refunds and claims have deadlines that do not wait for a Lightning node to come back.
      if (looksAtChain && error instanceof SparkleError && error.code === 'lightning_unavailable') return {};
      throw error;
    })),
    ...(look.facts === undefined ? {} : { facts: await facts(eyes, look.facts, tip) }),
  };
}

async function money(lightning: Lightning, look: Look): Promise<Pick<View, 'payment' | 'invoice'>> {
  return {
    ...(look.payment === undefined ? {} : { payment: await lightning.payment(look.payment) }),
    ...(look.invoice === undefined ? {} : { invoice: await lightning.invoice(look.invoice) }),
  };
}

async function output(chain: Chain, at: NonNullable<Look['lock']>, tip: Tip): Promise<OutputView> {
  const unspent = await chain.unspent(at.outpoint);
  if (unspent !== undefined) return { state: 'unspent', confirmations: unspent.confirmations };
  const spender = await chain.spender(at.outpoint, at.fromHeight);
  if (spender === undefined) return { state: 'absent' };
  const { txid, raw, block } = spender;
  return { state: 'spent', spender: { txid, raw, confirmations: confirmations(block, tip) } };
}

// R4: only a height in the best chain counts.
const confirmations = (block: { height: number } | undefined, tip: Tip): number =>
  block === undefined || block.height <= 0 ? 0 : Math.max(0, tip.height - block.height + 1);

async function facts(
  { chain, ordinals }: Pick<Eyes, 'chain'> & { ordinals: Ordinals | undefined },
  at: NonNullable<Look['facts']>,
  tip: Tip,
): Promise<LockFacts> {
  const { outpoint, inscriptionId } = at;
  const found = await chain.transaction(outpoint.slice(0, 64));
  const unspent = await chain.unspent(outpoint);
  const base: LockFacts = { outpoint, confirmations: confirmations(found?.block, tip), unspent: unspent !== undefined };
  if (found === undefined) return base;
  const known = { ...base, raw: found.raw };
  if (base.confirmations === 0 || ordinals === undefined) return known;
  return { ...known, ...(await assets(ordinals, { outpoint, inscriptionId })) };
}

/** "The index cannot say yet" is an answer of its own; it must never read as "nothing there". */
async function assets(
  ordinals: Ordinals,
  at: { outpoint: string; inscriptionId: string },
): Promise<Partial<LockFacts>> {
  try {
    const { satpoint } = await ordinals.locate(at.inscriptionId);
    const { inscriptions, runes } = await ordinals.assets(at.outpoint);
    return { satpoint, inscriptions: inscriptions.map(({ id }) => id), runes };
  } catch (error) {
    const indexProblem = indexProblemOf(error);
    if (indexProblem === undefined) throw error;
    return { indexProblem };
  }
}
