import type { Tip } from './chain.ts';
import { fingerprintsOf, mayHold, spenderIn, wireOutpoint, type RawBlock } from './raw-block.ts';
import { readOutpoint } from '../protocol/inscription.ts';

/** What is kept of a block once it was read: enough to know which outpoints it does not spend, 4 bytes per input. */
type Digest = { previous: string; fingerprints: Uint32Array };

/** A block by its place. */
type Place = { height: number; hash: string };

/** What was found out about an outpoint: of the blocks from `upTo` down to the one above `below` only the last may spend it, by `spend`. */
type Finding = { upTo: Place; below: Place; spend?: Spend };

/** 32 MB of fingerprints, about 1,000 full blocks. */
const MAX_FINGERPRINTS = 8_000_000;
const MAX_FINDINGS = 10_000;

type Spend = { raw: string; block: Place };

type SpendQuestion = {
  outpoint: string;
  fromHeight: number;
  /** The end of the chain that the answer is about. */
  tip: Pick<Tip, 'height' | 'hash'>;
  /** Ends the search, with its reason; what was looked through is remembered. */
  signal?: AbortSignal | undefined;
};

/** Takes out what was put in first. A Map keeps the order of insertion. */
function takeOldest<Key, Value>(map: Map<Key, Value>): Value | undefined {
  for (const [key, value] of map) {
    map.delete(key);
    return value;
  }
  return undefined;
}

/**
 * Finds spends by walking the chain backwards from the tip, block by block along each block's own link to the one before
 * it. So an answer belongs to one chain whatever happens meanwhile: after a reorg the walk simply takes another way,
 * and nothing has to be undone. A block is fetched once, and once more when it probably holds what is looked for.
 */
export class SpendSearch {
  private readonly readBlock: (hash: string) => Promise<RawBlock>;
  private readonly digests = new Map<string, Promise<Digest>>();
  private readonly findings = new Map<string, Finding>();
  private kept = 0;

  constructor(readBlock: (hash: string) => Promise<RawBlock>) {
    this.readBlock = readBlock;
  }

  /** The transaction that spends the outpoint in a block from `fromHeight` up to the tip. */
  async find({ outpoint, fromHeight, tip, signal }: SpendQuestion): Promise<Spend | undefined> {
    const wire = wireOutpoint(readOutpoint(outpoint));
    const before = this.findings.get(outpoint);
    const upTo: Place = { hash: tip.hash, height: tip.height };
    let at = upTo;
    let isNews = before === undefined;
    while (at.height >= fromHeight && at.height >= 0) {
      if (before !== undefined && (at.hash === before.upTo.hash || at.hash === before.spend?.block.hash)) {
        if (before.spend !== undefined) return before.spend.block.height >= fromHeight ? before.spend : undefined;
        // Below a block there is one chain only: what was looked through under it need not be again.
        at = before.below;
        isNews = true;
        continue;
      }
      if (signal?.aborted === true) {
        // What reaches less deep than what is known already is not worth more, unless that was of another branch.
        if (isNews || at.height < (before?.upTo.height ?? 0)) this.note(outpoint, { upTo, below: at });
        signal.throwIfAborted();
      }
      const { previous, fingerprints } = await this.digest(at.hash);
      const raw = mayHold(fingerprints, wire) ? spenderIn(await this.readBlock(at.hash), wire) : undefined;
      const below = { hash: previous, height: at.height - 1 };
      if (raw !== undefined) {
        const spend = { raw, block: at };
        this.note(outpoint, { upTo, below, spend });
        return spend;
      }
      at = below;
    }
    this.note(outpoint, { upTo, below: at });
    return undefined;
  }

  private async digest(hash: string): Promise<Digest> {
    const known = this.digests.get(hash);
    if (known !== undefined) return known;
    const reading = this.readBlock(hash).then((block) => ({
      previous: block.previous,
      fingerprints: fingerprintsOf(block),
    }));
    this.digests.set(hash, reading);
    try {
      this.kept += (await reading).fingerprints.length;
    } catch (error) {
      this.digests.delete(hash);
      throw error;
    }
    await this.shrink();
    return reading;
  }

  private async shrink(): Promise<void> {
    while (this.kept > MAX_FINGERPRINTS && this.digests.size > 1)
      this.kept -= (await takeOldest(this.digests))?.fingerprints.length ?? 0;
  }

  private note(outpoint: string, finding: Finding): void {
    if (finding.below.hash === finding.upTo.hash) return;
    this.findings.delete(outpoint);
    this.findings.set(outpoint, finding);
    if (this.findings.size > MAX_FINDINGS) takeOldest(this.findings);
  }
}
