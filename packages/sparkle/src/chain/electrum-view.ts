import { hex } from '@scure/base';
import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { readOutpoint } from '../protocol/inscription.ts';
import type { Transaction, TransactionOutput } from '../protocol/transaction.ts';
import type { ChainTransaction, Tip, UnspentOutput } from './chain.ts';
import type { Checkpoint } from './electrum-checkpoints.ts';
import { HeaderChain, readServersHeader } from './electrum-headers.ts';
import { ElectrumLink, type ElectrumLinkOptions } from './electrum-link.ts';
import { ElectrumScripts, scripthashOf } from './electrum-scripts.ts';
import { unavailable } from './electrum-socket.ts';
import { ElectrumTransactions, headerShape, type Body, type HistoryEntry } from './electrum-transactions.ts';
import { changing, dishonest, Misfit, untilItFits } from './electrum-trouble.ts';

const OP_RETURN = 0x6a;

const announcedShape = z.object({ height: z.number().int().min(0), hex: headerShape });
/** Protocol 1.6 sends an array, older ones a single text. */
const headersShape = z.union([
  z.object({ headers: z.array(headerShape) }).transform(({ headers }) => headers),
  z
    .object({ hex: z.string().regex(/^([0-9a-f]{160})*$/) })
    .transform(({ hex: all }) =>
      Array.from({ length: all.length / 160 }, (_, at) => all.slice(160 * at, 160 * (at + 1))),
    ),
]);

type Funding = {
  txid: string;
  vout: number;
  output: TransactionOutput;
  scripthash: string;
  isIn: readonly HistoryEntry[];
};

/** What one Electrum server shows of the chain, as far as it can be checked without having the chain. */
export class ElectrumView {
  readonly link: ElectrumLink;
  readonly scripts: ElectrumScripts;
  readonly #headers: HeaderChain;
  readonly #transactions: ElectrumTransactions;

  constructor(options: ElectrumLinkOptions & { checkpoint: Checkpoint }) {
    this.link = new ElectrumLink(options);
    this.#headers = new HeaderChain({
      ...{ network: options.network, checkpoint: options.checkpoint },
      fetch: (start, count) => this.link.call('blockchain.block.headers', [start, count], headersShape),
    });
    this.#transactions = new ElectrumTransactions({ link: this.link, headers: this.#headers });
    this.scripts = new ElectrumScripts({
      link: this.link,
      checkNotHidden: (txid) => this.#transactions.checkNotHidden(txid),
    });
  }

  /** The first block's hash, out of its own bytes. */
  async genesisHash(): Promise<string> {
    return readServersHeader(await this.link.call('blockchain.block.header', [0], headerShape)).hash;
  }

  tip(): Promise<Tip> {
    return untilItFits(async () => {
      await this.#sync();
      return this.#tip();
    });
  }

  blockHash(height: number): Promise<string | undefined> {
    return untilItFits(async () => {
      await this.#sync();
      return height > this.#headers.tip.height ? undefined : (await this.#headers.at(height)).hash;
    });
  }

  /** A recent block of the best chain. */
  header(hash: string): { height: number; previous: string } {
    const found = this.#headers.byHash(hash);
    if (found === undefined) throw unavailable('changing', 'a block it announced is gone already', { hash });
    return found;
  }

  transaction(txid: string): Promise<ChainTransaction | undefined> {
    return untilItFits(async () => {
      const [, body] = await Promise.all([this.#sync(), this.#transactions.fetch(txid)]);
      if (body === undefined) {
        await this.#transactions.checkNotHidden(txid);
        return undefined;
      }
      const history = await this.#historyWith(body.transaction);
      const entry = history.find((each) => each.txid === txid);
      // Servers with an index of transactions also answer for blocks that are no longer in the chain.
      return entry === undefined ? undefined : this.#placed(entry, body);
    });
  }

  unspent(outpoint: string): Promise<UnspentOutput | undefined> {
    return untilItFits(async () => {
      const [, funding] = await Promise.all([this.#sync(), this.#funding(outpoint)]);
      const entry = funding?.isIn.find(({ txid }) => txid === funding.txid);
      if (funding === undefined || entry === undefined) return undefined;
      const found = await this.#transactions.known(entry.txid);
      if (found === undefined) throw changing('a transaction of its history is gone', { txid: entry.txid });
      const [placed, spender, unspent] = await Promise.all([
        this.#placed(entry, found),
        this.#spenderOf(outpoint, funding, 0),
        this.scripts.unspent(funding.scripthash),
      ]);
      if (spender !== undefined) return undefined;
      if (!unspent.has(outpoint)) {
        const sentence = `it calls ${outpoint} spent, and its history leaves out what spends it`;
        throw new Misfit(dishonest('hidden_transaction', sentence, { outpoint }));
      }
      const { height } = this.#headers.tip;
      const confirmations = placed.block === undefined ? 0 : height - placed.block.height + 1;
      return { valueSats: funding.output.valueSats, script: hex.encode(funding.output.script), confirmations };
    });
  }

  spender(outpoint: string, fromHeight: number): Promise<ChainTransaction | undefined> {
    return untilItFits(async () => {
      const [, funding] = await Promise.all([this.#sync(), this.#funding(outpoint)]);
      return funding === undefined ? undefined : this.#spenderOf(outpoint, funding, fromHeight);
    });
  }

  /** The bytes as the server has them at this moment, wherever it has them. */
  async raw(txid: string): Promise<string | undefined> {
    return (await this.#transactions.fetch(txid))?.raw;
  }

  /** Asked anew each time: an announcement that was heard may be old, and a server that is gone announces nothing. */
  async #sync(): Promise<void> {
    const { height, hex: raw } = await this.link.call('blockchain.headers.subscribe', [], announcedShape);
    await this.#headers.follow({ height, raw });
  }

  #tip(): Tip {
    const { height, header } = this.#headers.tip;
    return { height, hash: header.hash, timeSeconds: header.timeSeconds };
  }

  async #funding(outpoint: string): Promise<Funding | undefined> {
    const { txid, vout } = readOutpoint(outpoint);
    const body = await this.#transactions.known(txid);
    if (body === undefined) await this.#transactions.checkNotHidden(txid);
    const output = body?.transaction.outputs[vout];
    if (output === undefined) return undefined;
    const scripthash = scripthashOf(output.script);
    return { txid, vout, output, scripthash, isIn: await this.scripts.history(scripthash) };
  }

  /** A history that must name the transaction if the chain or the mempool has it. */
  async #historyWith({ outputs, inputs }: Transaction): Promise<readonly HistoryEntry[]> {
    let tooLarge: unknown;
    // Nothing can spend these, and not all servers index them.
    for (const { script } of outputs.filter((output) => output.script[0] !== OP_RETURN)) {
      try {
        return await this.scripts.history(scripthashOf(script));
      } catch (error) {
        if (!(error instanceof SparkleError) || error.detail['reason'] !== 'history_too_large') throw error;
        tooLarge = error;
      }
    }
    const [input] = inputs;
    const parent = input === undefined ? undefined : await this.#transactions.known(input.txid);
    const spent = parent?.transaction.outputs[input?.vout ?? 0];
    if (spent !== undefined) return this.scripts.history(scripthashOf(spent.script));
    throw tooLarge ?? changing('the parent of a transaction that it knows is missing');
  }

  async #spenderOf(outpoint: string, funding: Funding, fromHeight: number): Promise<ChainTransaction | undefined> {
    const { txid, vout, isIn } = funding;
    const candidates = isIn.filter((entry) => entry.txid !== txid && (entry.height <= 0 || entry.height >= fromHeight));
    const bodies = await Promise.all(
      candidates.map(async (entry) => ({ entry, body: await this.#transactions.known(entry.txid) })),
    );
    const spending = bodies.filter(({ body }) =>
      body?.transaction.inputs.some((input) => input.txid === txid && input.vout === vout),
    );
    const missing = bodies.find(({ entry, body }) => body === undefined && entry.height > 0);
    if (missing !== undefined) throw changing('a transaction of its history is gone', { outpoint, ...missing.entry });
    for (const { entry } of spending.toSorted((a, b) => b.entry.height - a.entry.height)) {
      // Asked anew: the mempool may have it with other witnesses, or no longer, before the history says so.
      const body = await this.#transactions.fetch(entry.txid);
      if (body !== undefined) return this.#placed(entry, body);
      if (entry.height > 0) throw changing('a confirmed transaction of its history is gone', { outpoint, ...entry });
    }
    return undefined;
  }

  async #placed(entry: HistoryEntry, { raw }: Pick<Body, 'raw'>): Promise<ChainTransaction> {
    const { txid, height } = entry;
    return height <= 0 ? { txid, raw } : { txid, raw, block: await this.#transactions.prove(entry, raw) };
  }
}
