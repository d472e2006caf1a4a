import { hex } from '@scure/base';
import { feeFor } from '../protocol/fees.ts';
import { known, type Known, type MemoryBlock, type MemoryBlocks } from './memory-blocks.ts';
import { refusal } from './memory-refusal.ts';
import {
  checkFee,
  checkFinality,
  checkInputs,
  checkStandard,
  checkTruc,
  MIN_RELAY_SAT_VB,
  TRUC_VERSION,
  type Checked,
  type SpendableCoin,
} from './memory-rules.ts';
import { checkWitnesses } from './memory-witness.ts';

/** What happened to the mempool, for whoever tells the listeners. */
export type MempoolChange = { added: Known[]; removed: string[] };

const MAX_CHAIN = 25;
const MAX_REPLACED = 100;

function decoded(raw: string): Known {
  try {
    return known(raw);
  } catch {
    throw refusal('TX decode failed');
  }
}

const txidOf = ({ transaction }: Known): string => transaction.txid;
const outpointsOf = ({ transaction }: Known): string[] => transaction.inputs.map(({ txid, vout }) => `${txid}:${vout}`);
const sum = (all: readonly Checked[], of: (one: Checked) => bigint | number): bigint =>
  all.reduce((total, one) => total + BigInt(of(one)), 0n);

/** Unconfirmed transactions under the policy of today's nodes: full replacement by fee, packages, TRUC. */
export class MemoryMempool {
  private readonly blocks: MemoryBlocks;
  private entries = new Map<string, Checked>();
  private readonly spenders = new Map<string, string>();
  /** Witnesses that were found good. They depend on nothing that a reorg could change. */
  private readonly verified = new Set<string>();

  constructor(blocks: MemoryBlocks) {
    this.blocks = blocks;
  }

  get(txid: string): Checked | undefined {
    return this.entries.get(txid);
  }

  all(): Checked[] {
    return [...this.entries.values()];
  }

  spenderOf(outpoint: string): Checked | undefined {
    return this.entries.get(this.spenders.get(outpoint) ?? '');
  }

  /** An output of the chain or the mempool that nothing spends yet. */
  unspent(outpoint: string): SpendableCoin | undefined {
    return this.spenders.has(outpoint) ? undefined : this.find(outpoint);
  }

  /**
   * Takes transactions in order, each alone where it can stand alone, together with those before it where it pays for
   * them. What is known already is passed over. Throws `broadcast_refused`; those that stood alone stay in.
   */
  accept(raws: readonly string[], tell: (change: MempoolChange) => void): void {
    let waiting: Known[] = [];
    let problem: unknown;
    for (const each of raws.map(decoded)) {
      if (this.entries.has(txidOf(each)) || this.blocks.place(txidOf(each)) !== undefined) continue;
      try {
        tell(this.admit([each]));
        continue;
      } catch (error) {
        problem ??= error;
      }
      waiting = [...waiting, each];
      if (waiting.length === 1) continue;
      try {
        tell(this.admit(waiting));
        [waiting, problem] = [[], undefined];
      } catch (error) {
        problem = error;
      }
    }
    if (problem !== undefined) throw problem;
  }

  /** Takes a transaction and all that spends from it out, as when the mempool is full. */
  evict(txid: string): string[] {
    const gone = this.withDescendants([txid]).map(txidOf);
    for (const each of gone) this.drop(each);
    return gone;
  }

  /** Takes out what a new block holds, and what can never confirm beside it. Returns the latter. */
  confirmed(block: MemoryBlock): string[] {
    for (const each of block.transactions) this.drop(txidOf(each));
    return block.transactions.flatMap((each) =>
      outpointsOf(each).flatMap((outpoint) => {
        const rival = this.spenders.get(outpoint);
        return rival === undefined ? [] : this.evict(rival);
      }),
    );
  }

  /** After blocks were disconnected: `back` and all that was here enter anew where they still can. Returns the others. */
  rebuild(back: readonly Known[]): string[] {
    const all = [...back, ...this.entries.values()];
    this.entries = new Map();
    this.spenders.clear();
    return all.flatMap((each) => {
      try {
        const checked = this.check(each, []);
        this.put(checked);
        return [];
      } catch {
        return [txidOf(each)];
      }
    });
  }

  /**
   * What a miner takes who asks for `floorSatVb`: a transaction is taken with its unconfirmed ancestors when together
   * they pay that much. Parents come first.
   */
  worthMining(floorSatVb: number): Checked[] {
    const taken = new Map<string, Checked>();
    for (const entry of this.entries.values()) {
      const group = [...this.ancestors([entry]), entry].filter((one) => !taken.has(txidOf(one)));
      const vsize = Number(sum(group, (one) => one.vsize));
      if (sum(group, (one) => one.feeSats) * 1000n < BigInt(Math.ceil(vsize * floorSatVb * 1000))) continue;
      for (const one of group) taken.set(txidOf(one), one);
    }
    return [...taken.values()];
  }

  /** Everything that makes a transaction valid in the next block, without asking what it pays. */
  check(each: Known, company: readonly Checked[]): Checked {
    const created = (outpoint: string): SpendableCoin | undefined =>
      company.map((one) => outputOf(one, outpoint)).find((coin) => coin !== undefined);
    const checked = checkInputs(each, (outpoint) => created(outpoint) ?? this.find(outpoint));
    checkFinality(checked, this.blocks);
    if (!this.verified.has(each.raw)) checkWitnesses(checked);
    this.verified.add(each.raw);
    return checked;
  }

  /** What a miner puts into a block whatever the policy says; consensus still holds. Parents first. */
  checkBlock(raws: readonly string[]): Checked[] {
    const inside: Checked[] = [];
    for (const each of raws.map(decoded)) {
      const checked = this.check(each, inside);
      const outside = checked.transaction.inputs.some(
        ({ txid }, index) => checked.spent[index]?.height === undefined && !inside.some((one) => txidOf(one) === txid),
      );
      const twice = outpointsOf(each).some((outpoint) => inside.flatMap(outpointsOf).includes(outpoint));
      if (outside || twice) throw refusal('bad-txns-inputs-missingorspent');
      inside.push(checked);
    }
    return inside;
  }

  private admit(group: readonly Known[]): MempoolChange {
    const company: Checked[] = [];
    for (const each of group) {
      const checked = this.check(each, company);
      checkStandard(checked);
      checkFee(checked, group.length === 1 ? 'alone' : 'package');
      checkTruc(checked, [...this.parents(checked), ...company.filter((one) => spendsFrom(checked, one))]);
      company.push(checked);
    }
    if (new Set(company.flatMap(outpointsOf)).size !== company.flatMap(outpointsOf).length)
      throw refusal('conflict-in-package');
    const paid = sum(company, (one) => one.feeSats);
    const least = feeFor({ vsize: Number(sum(company, (one) => one.vsize)), feerateSatVb: MIN_RELAY_SAT_VB });
    if (paid < least) throw refusal('min relay fee not met', { paid, least });
    const replaced = this.replacedBy(company);
    this.checkChains(company, replaced);
    for (const each of replaced) this.drop(txidOf(each));
    for (const each of company) this.put(each);
    return { added: company, removed: replaced.map(txidOf) };
  }

  /** BIP 125 as nodes apply it today (every transaction may be replaced), and the sibling eviction of TRUC (BIP 431). */
  private replacedBy(company: readonly Checked[]): Checked[] {
    const direct = new Set(company.flatMap(outpointsOf).flatMap((outpoint) => this.spenders.get(outpoint) ?? []));
    for (const parent of company.flatMap((one) => this.parents(one)))
      if (parent.transaction.version === TRUC_VERSION)
        for (const child of this.children(parent)) direct.add(txidOf(child));
    if (direct.size === 0) return [];
    const evicted = this.withDescendants([...direct]);
    const gone = new Set(evicted.map(txidOf));
    if (evicted.length > MAX_REPLACED) throw refusal('too many potential replacements');
    for (const parent of company.flatMap((one) => this.parents(one))) {
      if (gone.has(txidOf(parent))) throw refusal('bad-txns-spends-conflicting-tx');
      const wasSpent = [...direct].some((txid) => this.parents(this.entries.get(txid)).includes(parent));
      if (!wasSpent) throw refusal('replacement-adds-unconfirmed');
    }
    this.checkReplacementFee({ company, evicted, direct: [...direct] });
    return evicted;
  }

  private checkReplacementFee(wanted: { company: readonly Checked[]; evicted: Checked[]; direct: string[] }): void {
    const { company, evicted, direct } = wanted;
    const paid = sum(company, (one) => one.feeSats);
    const vsize = sum(company, (one) => one.vsize);
    const own = feeFor({ vsize: Number(vsize), feerateSatVb: MIN_RELAY_SAT_VB });
    const least = sum(evicted, (one) => one.feeSats) + own;
    if (paid < least) throw refusal('insufficient fee', { paid, least });
    for (const txid of direct) {
      const one = this.entries.get(txid);
      // A higher fee at a lower feerate would make the miner worse off.
      if (one !== undefined && paid * BigInt(one.vsize) <= one.feeSats * vsize)
        throw refusal('insufficient fee', { paid, replaced: txid });
    }
  }

  private checkChains(company: readonly Checked[], replaced: readonly Checked[]): void {
    const ancestors = this.ancestors(company);
    const tooMany = ancestors.some((one) => {
      const after = this.withDescendants([txidOf(one)]).filter((each) => !replaced.includes(each));
      return after.length + company.length > MAX_CHAIN;
    });
    if (tooMany || ancestors.length + company.length > MAX_CHAIN) throw refusal('too-long-mempool-chain');
  }

  private find(outpoint: string): SpendableCoin | undefined {
    const [txid = '', vout] = outpoint.split(':');
    const entry = this.entries.get(txid);
    return entry === undefined ? this.blocks.coins.get(outpoint) : outputOf(entry, `${txid}:${vout}`);
  }

  private parents(entry: Checked | undefined): Checked[] {
    const txids = new Set((entry === undefined ? [] : outpointsOf(entry)).map((outpoint) => outpoint.slice(0, 64)));
    return [...txids].flatMap((txid) => this.entries.get(txid) ?? []);
  }

  private children(entry: Checked): Checked[] {
    const spenders = entry.transaction.outputs.map((_, vout) => this.spenders.get(`${txidOf(entry)}:${vout}`) ?? '');
    return [...new Set(spenders)].flatMap((txid) => this.entries.get(txid) ?? []);
  }

  /** Unconfirmed ancestors, those furthest away first. */
  private ancestors(of: readonly Checked[]): Checked[] {
    const found = new Set<Checked>();
    const visit = (entry: Checked): void => {
      for (const parent of this.parents(entry)) {
        visit(parent);
        found.add(parent);
      }
    };
    for (const entry of of) visit(entry);
    return [...found];
  }

  private withDescendants(txids: readonly string[]): Checked[] {
    const found = new Set(txids.flatMap((txid) => this.entries.get(txid) ?? []));
    for (const entry of found) for (const child of this.children(entry)) found.add(child);
    return [...found];
  }

  private put(entry: Checked): void {
    this.entries.set(txidOf(entry), entry);
    for (const outpoint of outpointsOf(entry)) this.spenders.set(outpoint, txidOf(entry));
  }

  private drop(txid: string): void {
    const entry = this.entries.get(txid);
    if (entry === undefined) return;
    this.entries.delete(txid);
    for (const outpoint of outpointsOf(entry)) this.spenders.delete(outpoint);
  }
}

const spendsFrom = (child: Known, parent: Known): boolean =>
  child.transaction.inputs.some(({ txid }) => txid === txidOf(parent));

function outputOf(entry: Known, outpoint: string): SpendableCoin | undefined {
  const [txid, vout] = outpoint.split(':');
  const output = txid === txidOf(entry) ? entry.transaction.outputs[Number(vout)] : undefined;
  if (output === undefined) return undefined;
  return { valueSats: output.valueSats, script: hex.encode(output.script), isCoinbase: false };
}
