import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import type { Chain } from './chain.ts';
import { Recently } from './recently.ts';

/** One view among several; `name` stands in errors and events, so it carries no credential. */
export type QuorumSource = { name: string; chain: Chain };

export type Vote<T> = { name: string; chain: Chain; answer: T };
type Silence = { name: string; error: SparkleError };
export type Ballot<T> = { votes: Vote<T>[]; silent: Silence[] };

type ElectorateOptions = {
  sources: readonly QuorumSource[];
  agree: number;
  answerMilliseconds: number;
  settleMilliseconds: number;
  /** Told when sources begin to contradict each other, once until they agree again. */
  onDisagreement: (about: string) => void;
};

const AGAIN_MILLISECONDS = 50;
const MAX_OPEN = 1_000;

/** What is compared: everything, amounts and absence counted. */
const keyOf = (answer: unknown): string =>
  JSON.stringify(answer, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)) ?? 'nothing';

/** What of an answer stands in an error: bytes only as their hash, because a witness may hold a preimage. */
const shownAnswer = (answer: unknown): string =>
  keyOf(answer).replace(/"(?:raw|script)":"([^"]*)"/g, (_, bytes: string) => {
    const digest = hex.encode(sha256(new TextEncoder().encode(bytes))).slice(0, 16);
    return `"bytes":"${digest}"`;
  });

export const disagree = (about: string, answers: Record<string, string>): SparkleError =>
  new SparkleError(
    'sources_disagree',
    `the sources of the chain must agree about ${about}; they contradict each other`,
    {
      about,
      answers,
    },
  );

function whyOf({ code, detail }: SparkleError): string {
  const reason = detail['reason'] ?? detail['what'];
  return typeof reason === 'string' ? `${code}: ${reason}` : code;
}

async function within<T>(milliseconds: number, asked: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const reason = 'timeout';
      const sentence = `the source must answer within ${milliseconds} ms; it did not`;
      reject(new SparkleError('chain_unavailable', sentence, { reason, milliseconds }));
    }, milliseconds);
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The sources of a quorum: asks them all at once and counts what they say. */
export class Electorate {
  readonly agree: number;
  private readonly options: ElectorateOptions;
  private readonly open = new Recently(MAX_OPEN);

  constructor(options: ElectorateOptions) {
    this.options = options;
    this.agree = options.agree;
  }

  /** A source that is away, late or caught in a lie is silent. What is no SparkleError is a fault of ours. */
  async ask<T>(question: (chain: Chain) => Promise<T>): Promise<Ballot<T>> {
    const { sources, answerMilliseconds } = this.options;
    const ballot: Ballot<T> = { votes: [], silent: [] };
    const asked = sources.map(async ({ name, chain }) => {
      try {
        ballot.votes.push({ name, chain, answer: await within(answerMilliseconds, question(chain)) });
      } catch (error) {
        if (!(error instanceof SparkleError)) throw error;
        ballot.silent.push({ name, error });
        if (error.code === 'dishonest_source') this.note(`the source ${name}`, 'contradicted');
      }
    });
    await Promise.all(asked);
    return ballot;
  }

  /** The one answer that enough sources give. */
  async decide<T>(about: string, question: (chain: Chain) => Promise<T>): Promise<T> {
    return this.settled(() => this.decideNow(about, question));
  }

  /** The same without a second attempt. */
  async decideNow<T>(about: string, question: (chain: Chain) => Promise<T>): Promise<T> {
    return this.elect(about, await this.ask(question));
  }

  /** Asks again while sources contradict each other, as long as news may need to reach them all. */
  async settled<T>(look: () => Promise<T>): Promise<T> {
    const until = performance.now() + this.options.settleMilliseconds;
    for (;;)
      try {
        return await look();
      } catch (error) {
        if (!(error instanceof SparkleError) || error.code !== 'sources_disagree') throw error;
        if (performance.now() >= until) {
          this.note(String(error.detail['about']), 'contradicted');
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MILLISECONDS));
      }
  }

  /** Throws `chain_unavailable` when too few have answered. */
  assertEnough(about: string, { votes, silent }: Ballot<unknown>): void {
    if (votes.length >= this.agree) return;
    const why = Object.fromEntries(silent.map(({ name, error }) => [name, whyOf(error)]));
    throw new SparkleError(
      'chain_unavailable',
      `${this.agree} sources of the chain must answer about ${about}; ${votes.length} did`,
      { about, reason: 'too_few_sources', needed: this.agree, answered: votes.length, silent: why },
    );
  }

  note(about: string, state: 'agreed' | 'contradicted'): void {
    if (state === 'agreed') return void this.open.delete(about);
    if (this.open.has(about)) return;
    this.open.add(about);
    this.options.onDisagreement(about);
  }

  private elect<T>(about: string, ballot: Ballot<T>): T {
    this.assertEnough(about, ballot);
    const groups = new Map<string, { answer: T; count: number }>();
    for (const { answer } of ballot.votes) {
      const group = groups.get(keyOf(answer)) ?? { answer, count: 0 };
      groups.set(keyOf(answer), { ...group, count: group.count + 1 });
    }
    const [elected, rival] = [...groups.values()].filter(({ count }) => count >= this.agree);
    // Two answers with enough voices each are no answer either.
    if (elected === undefined || rival !== undefined)
      throw disagree(about, Object.fromEntries(ballot.votes.map(({ name, answer }) => [name, shownAnswer(answer)])));
    this.note(about, groups.size === 1 ? 'agreed' : 'contradicted');
    return elected.answer;
  }
}
