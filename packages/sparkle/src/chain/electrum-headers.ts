import pLimit from 'p-limit';
import { SparkleError } from '../protocol/errors.ts';
import { readHeader, workOf, type Header, type HeaderFault } from '../protocol/header.ts';
import { checkNextHeader, PERIOD_BLOCKS, periodStart } from '../protocol/header-rules.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { Checkpoint } from './electrum-checkpoints.ts';
import { unavailable } from './electrum-socket.ts';
import { changing, dishonest, Misfit, type Lie } from './electrum-trouble.ts';

/** A block as a server announces it: 80 bytes of header in hex. */
type Announced = { height: number; raw: string };

type HeaderChainOptions = {
  network: NetworkName;
  checkpoint: Checkpoint;
  /** The raw headers (hex) from `start` on, as many as the server gives of `count`. */
  fetch(start: number, count: number): Promise<string[]>;
};

/** Three periods: enough to judge each next block, and a fork of up to one period. */
const MOST_KEPT = 3 * PERIOD_BLOCKS;
/** Servers tell a new block a moment after they know it. A server that is further behind what it showed is stale. */
const MOST_BEHIND = 2;
const OLD_PERIODS_KEPT = 8;

/** Headers that follow the kept one at height `joined`. */
type Branch = { joined: number; headers: Header[] };

const LIES: Readonly<Record<HeaderFault, Lie>> = {
  unreadable: 'bad_header',
  bad_target: 'bad_header',
  bad_work: 'bad_work',
  bad_difficulty: 'bad_difficulty',
  broken_linkage: 'broken_linkage',
  bad_time: 'bad_time',
};

/** Names what a header is refused for. Where two answers were put together, it may be the chain that changed between. */
function judged<T>(judge: () => T): T {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof SparkleError) || error.code !== 'bad_proof') throw error;
    const lie = LIES[error.detail['reason'] as HeaderFault];
    const accusation = dishonest(lie, error.message, error.detail, error);
    throw lie === 'broken_linkage' ? new Misfit(accusation) : accusation;
  }
}

export const readServersHeader = (raw: string): Header => judged(() => readHeader(raw));

const workOfAll = (headers: readonly Header[]): bigint => headers.reduce((sum, { bits }) => sum + workOf(bits), 0n);

/**
 * The best chain of headers that one server has shown, each checked for linkage, difficulty, work and time from a
 * checkpoint on. Older headers are fetched when they are asked for and must link up to the checkpoint.
 */
export class HeaderChain {
  readonly #options: HeaderChainOptions;
  readonly #turn = pLimit(1);
  /** Without a gap; the first stands at the start of a period. */
  #kept: Header[] = [];
  #base = 0;
  /** Of a period below the kept ones: the hash of its last block. */
  readonly #ends = new Map<number, string>();
  readonly #oldPeriods = new Map<number, Header[]>();

  constructor(options: HeaderChainOptions) {
    this.#options = options;
  }

  get tip(): { height: number; header: Header } {
    const header = this.#kept.at(-1);
    if (header === undefined) throw unavailable('changing', 'it has shown no block yet');
    return { height: this.#base + this.#kept.length - 1, header };
  }

  /** The recent header with this hash, while it is in the best chain. */
  byHash(hash: string): { height: number; previous: string } | undefined {
    const index = this.#kept.findLastIndex((header) => header.hash === hash);
    const header = this.#kept[index];
    return header === undefined ? undefined : { height: this.#base + index, previous: header.previous };
  }

  /** Moves to the chain that ends in an announced block. Throws `dishonest_source`, or `chain_unavailable` for less work. */
  follow(announced: Announced): Promise<void> {
    return this.#turn(async () => {
      if (this.#kept.length === 0) await this.#begin();
      await this.#moveTo(announced.height, readServersHeader(announced.raw));
    });
  }

  /** The header of the best chain at a height up to the tip. */
  async at(height: number): Promise<Header> {
    if (height >= this.#base) {
      const header = this.#recent(height);
      if (header !== undefined) return header;
      throw changing('it names a block above its tip', { height });
    }
    return this.#turn(() => this.#old(height));
  }

  readonly #recent = (height: number): Header | undefined => this.#kept[height - this.#base];

  async #fetchAll(start: number, count: number): Promise<Header[]> {
    const headers: Header[] = [];
    while (headers.length < count) {
      const more = await this.#options.fetch(start + headers.length, Math.min(count - headers.length, PERIOD_BLOCKS));
      if (more.length === 0) throw changing('it has fewer headers than it announced', { start, count });
      headers.push(...more.slice(0, count - headers.length).map(readServersHeader));
    }
    return headers;
  }

  /** Headers that end in a block whose hash is known need no other proof than their links. */
  async #fetchKnown(start: number, end: Checkpoint): Promise<Header[]> {
    const headers = await this.#fetchAll(start, end.height - start + 1);
    let { hash } = end;
    for (const header of headers.toReversed()) {
      if (header.hash !== hash)
        throw new Misfit(
          dishonest('other_chain', `its chain does not contain the known block ${end.hash}`, { ...end }),
        );
      hash = header.previous;
    }
    return headers;
  }

  async #begin(): Promise<void> {
    const { checkpoint } = this.#options;
    const start = periodStart(checkpoint.height);
    this.#kept = await this.#fetchKnown(start, checkpoint);
    this.#base = start;
    this.#noteEnd();
  }

  #noteEnd(): void {
    if (this.#base > 0) this.#ends.set(this.#base / PERIOD_BLOCKS - 1, this.#kept[0]?.previous ?? '');
  }

  /** No fork may leave out the checkpoint, nor what is no longer kept. */
  get #floor(): number {
    return Math.max(this.#base, this.#options.checkpoint.height);
  }

  async #moveTo(height: number, header: Header): Promise<void> {
    // Many blocks at once, as after a start.
    while (this.tip.height + PERIOD_BLOCKS < height)
      this.#replace(await this.#branchTo(this.tip.height + PERIOD_BLOCKS));
    const { tip } = this;
    const isKnown = this.#recent(height)?.hash === header.hash;
    if (isKnown && tip.height - height <= MOST_BEHIND) return;
    if (isKnown || height <= this.#floor)
      throw unavailable('lagging', 'it is behind what it has shown before', { height, shown: tip.height });
    const branch = await this.#branchTo(height);
    // What stands between was fetched after the announcement.
    if (branch.headers.at(-1)?.hash !== header.hash)
      throw new Misfit(dishonest('broken_linkage', `the block it announced at height ${height} is not in its chain`));
    this.#replace(branch);
  }

  /** The server's headers up to `height`, from a block on that is followed by others there than here. */
  async #branchTo(height: number): Promise<Branch> {
    const highest = Math.min(this.tip.height, height - 1);
    for (let back = 0; ; back = Math.min(2 * back + 1, highest - this.#floor)) {
      const joined = highest - back;
      const headers = await this.#fetchAll(joined + 1, height - joined);
      if (headers[0]?.previous === this.#recent(joined)?.hash) return { joined, headers };
      if (joined === this.#floor)
        throw new Misfit(dishonest('other_chain', `its chain forks off more than ${back} blocks back`, { height }));
    }
  }

  #replace({ joined, headers }: Branch): void {
    this.#check({ joined, headers });
    const replaced = this.#kept.slice(joined + 1 - this.#base);
    if (workOfAll(headers) < workOfAll(replaced))
      throw unavailable('lagging', 'it announces a chain with less work than it has shown before', { joined });
    this.#kept.splice(joined + 1 - this.#base, replaced.length, ...headers);
    this.#trim();
  }

  #check({ joined, headers }: Branch): void {
    const before = (height: number): Header | undefined =>
      height > joined ? headers[height - joined - 1] : this.#recent(height);
    let previous = this.#recent(joined)?.hash ?? '';
    for (const [index, header] of headers.entries()) {
      const place = { network: this.#options.network, height: joined + 1 + index, before, previous };
      judged(() => checkNextHeader(header, place));
      previous = header.hash;
    }
  }

  #trim(): void {
    while (this.#kept.length > MOST_KEPT) {
      this.#kept.splice(0, PERIOD_BLOCKS);
      this.#base += PERIOD_BLOCKS;
      this.#noteEnd();
    }
  }

  async #old(height: number): Promise<Header> {
    if (height >= this.#base) return this.at(height);
    const wanted = Math.floor(height / PERIOD_BLOCKS);
    for (let period = this.#base / PERIOD_BLOCKS - 1; period >= wanted; period -= 1) {
      const hash = this.#ends.get(period);
      if (hash === undefined) throw new RangeError(`the end of period ${period} is not known`);
      if (period > wanted && this.#ends.has(period - 1)) continue;
      const headers = await this.#oldPeriod(period, hash);
      if (period > 0) this.#ends.set(period - 1, headers[0]?.previous ?? '');
    }
    const header = this.#oldPeriods.get(wanted)?.[height % PERIOD_BLOCKS];
    if (header === undefined) throw changing('it has no block at an old height', { height });
    return header;
  }

  async #oldPeriod(period: number, hash: string): Promise<Header[]> {
    const start = period * PERIOD_BLOCKS;
    const known = this.#oldPeriods.get(period);
    const headers = known ?? (await this.#fetchKnown(start, { height: start + PERIOD_BLOCKS - 1, hash }));
    this.#oldPeriods.delete(period);
    this.#oldPeriods.set(period, headers);
    for (const oldest of this.#oldPeriods.keys()) {
      if (this.#oldPeriods.size <= OLD_PERIODS_KEPT) break;
      this.#oldPeriods.delete(oldest);
    }
    return headers;
  }
}
