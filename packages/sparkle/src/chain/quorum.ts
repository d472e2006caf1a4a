import { SparkleError } from '../protocol/errors.ts';
import { readOutpoint } from '../protocol/inscription.ts';
import { readHex32, readIntegerIn } from '../protocol/json.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { Chain, ChainEvent, ChainTransaction, Tip, UnspentOutput } from './chain.ts';
import { Listeners } from './listeners.ts';
import { agreedTip } from './quorum-tip.ts';
import { disagree, Electorate, type QuorumSource } from './quorum-vote.ts';
import { QuorumWatch } from './quorum-watch.ts';

export type { QuorumSource } from './quorum-vote.ts';

export type QuorumOptions = {
  /** At least one; closed together with the quorum. */
  sources: readonly QuorumSource[];
  /** How many must say the same: more than there may be liars. */
  agree: number;
  /** How many blocks a source may be behind before it counts for nothing. */
  maxLagBlocks: number;
  /** A source that takes longer for an answer counts as silent. */
  answerMilliseconds: number;
  /** How long contradictions may last, because news reaches one source before another; 0 for none. */
  settleMilliseconds: number;
};

/** Whoever is asked last makes the tip look so much lower: no more than what the margins of the deadlines have to spare. */
const MOST_LAG_BLOCKS = 6;
/** A source's chain may move between two questions to it; it is asked anew, so many times. */
const MAX_ROUNDS = 4;

function readOptions({ sources, agree, maxLagBlocks }: QuorumOptions): void {
  readIntegerIn({ value: agree, field: 'agree', min: 1, max: sources.length, code: 'bad_config' });
  readIntegerIn({ value: maxLagBlocks, field: 'maxLagBlocks', min: 0, max: MOST_LAG_BLOCKS, code: 'bad_config' });
  if (new Set(sources.map(({ name }) => name)).size === sources.length) return;
  throw new SparkleError('bad_config', 'each source of a quorum must have a name of its own; two are the same');
}

const readHeightFrom0 = (value: number, field: string): number =>
  readIntegerIn({ value, field, min: 0, max: Number.MAX_SAFE_INTEGER, code: 'bad_height' });

/** A transaction as it was when `tip` was the last block: what came later was waiting. */
function asOf(tip: Tip, found: ChainTransaction | undefined): ChainTransaction | undefined {
  if (found === undefined) return undefined;
  const { txid, raw, block } = found;
  const isLater = block === undefined || block.height > tip.height;
  return isLater ? { txid, raw } : { txid, raw, block: { height: block.height, hash: block.hash } };
}

type Placed = { valueSats: bigint; script: string; height: number | 'mempool' } | undefined;

/** Confirmations count from each source's own tip; what sources can agree about is the height. */
async function placedOutput(chain: Chain, outpoint: string, tip: Tip): Promise<Placed> {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const before = await chain.tip();
    const found = await chain.unspent(outpoint);
    if ((await chain.tip()).hash !== before.hash) continue;
    if (found === undefined) return undefined;
    const { valueSats, script, confirmations } = found;
    const height = before.height - confirmations + 1;
    return { valueSats, script, height: confirmations === 0 || height > tip.height ? 'mempool' : height };
  }
  throw new SparkleError('chain_unavailable', `the chain kept changing while ${outpoint} was looked for`, {
    reason: 'changing',
  });
}

type Hints = { onDisagreement: (about: string) => void; onSpender: (found: ChainTransaction) => void };

class Quorum {
  private readonly options: QuorumOptions;
  private readonly electorate: Electorate;
  private readonly hints: Hints;

  constructor(options: QuorumOptions, hints: Hints) {
    this.options = options;
    this.hints = hints;
    this.electorate = new Electorate({ ...options, ...hints });
  }

  tip(): Promise<Tip> {
    return agreedTip(this.electorate, this.options.maxLagBlocks);
  }

  async network(): Promise<NetworkName> {
    const ballot = await this.electorate.ask((chain) => chain.network());
    this.electorate.assertEnough('network', ballot);
    const [first, ...others] = ballot.votes;
    if (first !== undefined && others.every(({ answer }) => answer === first.answer)) return first.answer;
    throw disagree('network', Object.fromEntries(ballot.votes.map(({ name, answer }) => [name, answer])));
  }

  async blockHash(height: number): Promise<string | undefined> {
    const tip = await this.tip();
    if (height > tip.height) return undefined;
    if (height === tip.height) return tip.hash;
    return this.electorate.decide(`block ${height}`, (chain) => chain.blockHash(height));
  }

  transaction(txid: string): Promise<ChainTransaction | undefined> {
    return this.asOfTip(`transaction ${txid}`, async (chain, tip) => asOf(tip, await chain.transaction(txid)));
  }

  spender(...[outpoint, fromHeight, signal]: Parameters<Chain['spender']>): Promise<ChainTransaction | undefined> {
    return this.asOfTip(`the spender of ${outpoint}`, async (chain, tip) => {
      const found = await chain.spender(outpoint, fromHeight, signal);
      // A source that hides a claim, or shows it without its witness, must not hide the preimage in it too.
      if (found !== undefined) this.hints.onSpender(found);
      return asOf(tip, found);
    });
  }

  async unspent(outpoint: string): Promise<UnspentOutput | undefined> {
    const { tip, answer } = await this.answerAndTip(`output ${outpoint}`, (chain, tip) =>
      placedOutput(chain, outpoint, tip),
    );
    if (answer === undefined) return undefined;
    const { valueSats, script, height } = answer;
    return { valueSats, script, confirmations: height === 'mempool' ? 0 : tip.height - height + 1 };
  }

  /** The middle of what the sources say, of an even number the upper one: too low loses a claim, too high has its cap. */
  async feerate(targetBlocks: number): Promise<number> {
    const ballot = await this.electorate.ask((chain) => chain.feerate(targetBlocks));
    this.electorate.assertEnough('feerate', ballot);
    const sorted = ballot.votes.map(({ answer }) => answer).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? Number.NaN;
  }

  /** To all, and it is enough that one took it. A refusal needs as many voices as any other answer. */
  async broadcast(raws: string[]): Promise<void> {
    const { votes, silent } = await this.electorate.ask(async (chain) => chain.broadcast(raws).then(() => 'taken'));
    if (votes.length > 0) return;
    const refusals = silent.filter(({ error }) => error.code === 'broadcast_refused');
    if (refusals.length < this.electorate.agree) return this.electorate.assertEnough('broadcast', { votes, silent });
    const reasons = refusals.map(({ name, error }) => `${name}: ${String(error.detail['reason'])}`);
    const reason = reasons.join('; ');
    throw new SparkleError(
      'broadcast_refused',
      `a source of the chain must take the transaction; all refused: ${reason}`,
      {
        reason,
      },
    );
  }

  private async asOfTip<T>(about: string, question: (chain: Chain, tip: Tip) => Promise<T>): Promise<T> {
    return (await this.answerAndTip(about, question)).answer;
  }

  /** The tip is asked for anew with every attempt, so that an answer and the tip it belongs to are of one moment. */
  private answerAndTip<T>(about: string, question: (chain: Chain, tip: Tip) => Promise<T>) {
    return this.electorate.settled(async () => {
      const tip = await this.tip();
      return { tip, answer: await this.electorate.decideNow(about, (chain) => question(chain, tip)) };
    });
  }
}

/**
 * Several views of Bitcoin taken as one: an answer is what `agree` of them say, as of the highest block that as many of them
 * have. While fewer than that many lie, no lie comes through. Sources that contradict each other so that no answer has
 * enough voices throw `sources_disagree` with what each said; too few that answer, `chain_unavailable`. Nothing is
 * guessed. A contradiction is told as a `disagreement` event also where it was outvoted, and a spend that any source shows
 * as a `transaction` event: it is a hint, and what it proves it proves by itself.
 */
export function quorumChain(options: QuorumOptions): Chain {
  readOptions(options);
  const { sources } = options;
  const listeners = new Listeners();
  const tell = (event: ChainEvent): void => listeners.tell(event);
  const quorum: Quorum = new Quorum(options, {
    onDisagreement: (about) => tell({ type: 'disagreement', about }),
    onSpender: (found) => watch.shown(found),
  });
  const blockHash = (height: number) => quorum.blockHash(height);
  const watch = new QuorumWatch({ sources, tip: () => quorum.tip(), blockHash, tell });
  return {
    network: () => quorum.network(),
    tip: () => quorum.tip(),
    blockHash: async (height) => quorum.blockHash(readHeightFrom0(height, 'height')),
    transaction: async (txid) => quorum.transaction(readHex32(txid, 'txid')),
    async unspent(outpoint) {
      readOutpoint(outpoint);
      return quorum.unspent(outpoint);
    },
    async spender(outpoint, fromHeight, signal) {
      readOutpoint(outpoint);
      return quorum.spender(outpoint, fromHeight, signal);
    },
    async feerate(targetBlocks) {
      const range = { min: 1, max: Number.MAX_SAFE_INTEGER };
      readIntegerIn({ value: targetBlocks, field: 'targetBlocks', ...range, code: 'bad_height' });
      return quorum.feerate(targetBlocks);
    },
    broadcast: (raws) => quorum.broadcast(raws),
    subscribe: listeners.subscription(watch),
    async close() {
      listeners.clear();
      await watch.stop();
      await Promise.all(sources.map(({ chain }) => chain.close()));
    },
  };
}
