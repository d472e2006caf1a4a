import { SparkleError } from '../protocol/errors.ts';
import type { Tip } from './chain.ts';
import { disagree, type Ballot, type Electorate, type Vote } from './quorum-vote.ts';

const shown = ({ height, hash }: Tip): string => `block ${hash} at height ${height}`;

/** Whether a source has this block in its own best chain; `undefined` when it does not say. */
async function has({ chain, answer }: Vote<Tip>, { height, hash }: Tip): Promise<boolean> {
  if (answer.height <= height) return answer.hash === hash && answer.height === height;
  try {
    return (await chain.blockHash(height)) === hash;
  } catch (error) {
    if (error instanceof SparkleError) return false;
    throw error;
  }
}

async function those<T>(all: readonly T[], hold: (each: T) => Promise<boolean>): Promise<T[]> {
  const kept = await Promise.all(all.map(hold));
  return all.filter((_, index) => kept[index]);
}

/**
 * A block's time, as far as it is sure: what enough sources say of it; else the oldest that its supporters say of their own
 * best blocks, so that no liar makes a chain look fresher than it is.
 */
function timeOf(tip: Tip, supporters: readonly Vote<Tip>[], agree: number): number {
  const times = supporters.filter(({ answer }) => answer.hash === tip.hash).map(({ answer }) => answer.timeSeconds);
  const sure = times.find((time) => times.filter((other) => other === time).length >= agree);
  return sure ?? Math.min(...supporters.map(({ answer }) => answer.timeSeconds));
}

/** Whoever is behind on the same chain does not contradict; whoever is elsewhere, or far ahead of all, does. */
async function dissents(vote: Vote<Tip>, tip: Tip, supporter: Vote<Tip>): Promise<boolean> {
  return vote.answer.height > tip.height || !(await has(supporter, vote.answer));
}

/**
 * The highest block that enough sources have in their best chains, each not more than `maxLagBlocks` above it: so one
 * source may be a little behind, and nobody alone can push the tip forward.
 */
export async function agreedTip(electorate: Electorate, maxLagBlocks: number): Promise<Tip> {
  return electorate.settled(async () => {
    const ballot = await electorate.ask((chain) => chain.tip());
    electorate.assertEnough('tip', ballot);
    const { votes } = ballot;
    const candidates = votes.map(({ answer }) => answer).sort((a, b) => b.height - a.height);
    for (const tip of candidates) {
      const near = votes.filter(({ answer }) => answer.height - tip.height <= maxLagBlocks);
      const supporters = await those(near, (vote) => has(vote, tip));
      const [first] = supporters;
      if (first === undefined || supporters.length < electorate.agree) continue;
      const others = votes.filter((vote) => !supporters.includes(vote));
      const contradicted = (await those(others, (vote) => dissents(vote, tip, first))).length > 0;
      electorate.note('tip', contradicted ? 'contradicted' : 'agreed');
      return { height: tip.height, hash: tip.hash, timeSeconds: timeOf(tip, supporters, electorate.agree) };
    }
    throw await noTip(electorate, ballot);
  });
}

/** One chain of which too many sources know only the beginning, or several chains. */
async function noTip({ agree }: Electorate, { votes }: Ballot<Tip>): Promise<SparkleError> {
  for (const { answer: tip } of votes)
    if ((await those(votes, (vote) => has(vote, tip))).length >= agree) {
      const heights = Object.fromEntries(votes.map(({ name, answer }) => [name, answer.height]));
      return new SparkleError('chain_unavailable', 'the sources of the chain must be about equally high; some lag', {
        ...{ reason: 'lagging', heights },
      });
    }
  return disagree('tip', Object.fromEntries(votes.map(({ name, answer }) => [name, shown(answer)])));
}
