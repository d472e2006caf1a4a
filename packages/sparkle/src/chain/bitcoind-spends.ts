import type { Tip } from './chain.ts';
import { fingerprintsOf, mayHold, spenderIn, wireOutpoint, type RawBlock } from './raw-block.ts';
import { readOutpoint } from '../protocol/inscription.ts';

/** What is kept of a block once it was read: enough to know which outpoints it does not spend, 4 bytes per input. */
type Digest = { previous: string; fingerprints: Uint32Array };

/** What was found out about an outpoint: everything from block `upTo` down to `fromHeight` was looked at. */
type Finding = { upTo: string; fromHeight: number; spend?: { block: string; raw: string } };

/** 32 MB of fingerprints, about 1,000 full blocks. */
const MAX_FINGERPRINTS = 8_000_000;
const MAX_FINDINGS = 10_000;

type Spend = { raw: string; block: { height: number; hash: string } };

type SpendQuestion = {
  outpoint: string;
  fromHeight: number;
  /** The end of the chain that the answer is about. */
  tip: Pick<Tip, 'height' | 'hash'>;
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
  async find({ outpoint, fromHeight, tip }: SpendQuestion): Promise<Spend | undefined> {
    const wire = wireOutpoint(readOutpoint(outpoint));
    const before = this.findings.get(outpoint);
    const lookedAt = before !== undefined && before.fromHeight <= fromHeight ? before.upTo : undefined;
    let hash = tip.hash;
    for (let height = tip.height; height >= fromHeight && height >= 0; height -= 1) {
      if (before?.spend?.block === hash) return { raw: before.spend.raw, block: { height, hash } };
      if (lookedAt === hash && before?.spend === undefined) break;
      const { previous, fingerprints } = await this.digest(hash);
      const raw = mayHold(fingerprints, wire) ? spenderIn(await this.readBlock(hash), wire) : undefined;
      if (raw !== undefined) {
        this.note(outpoint, { upTo: tip.hash, fromHeight, spend: { block: hash, raw } });
        return { raw, block: { height, hash } };
      }
      hash = previous;
    }
    this.note(outpoint, { upTo: tip.hash, fromHeight });
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
    this.findings.delete(outpoint);
    this.findings.set(outpoint, finding);
    if (this.findings.size > MAX_FINDINGS) takeOldest(this.findings);
  }
}
