import type { Chain, Tip } from '../chain/chain.ts';
import { SparkleError } from '../protocol/errors.ts';
import { blockHashAnswer, type OrdStatus, statusAnswer } from './ord-answers.ts';
import { noInscriptionIndex, notNow, type OrdClient } from './ord-client.ts';

export type AtBlock = { height: number; hash: string };

/** What a server says of itself. `runes` and `sats`: whether it indexes them. */
export type OrdHealth = { chain: string; height: number; runes: boolean; sats: boolean };

const MOST_ROUNDS = 5;

/** Where the index of a server stands, beside where the chain stands. */
export class OrdHead {
  private readonly chain: Chain;
  private readonly client: OrdClient;
  /** Kept once it went well: what a server indexes and follows does not change while it runs. */
  private checked: Promise<OrdHealth> | undefined;

  constructor(parts: { chain: Chain; client: OrdClient }) {
    this.chain = parts.chain;
    this.client = parts.client;
  }

  async health(): Promise<OrdHealth> {
    const status = await this.status();
    const network = await this.chain.network();
    if (status.chain !== network)
      throw new SparkleError('wrong_network', `the ord server must follow ${network}; it follows ${status.chain}`, {
        source: 'ord',
        expected: network,
        came: status.chain,
      });
    if (!status.inscription_index) throw noInscriptionIndex();
    if (status.unrecoverably_reorged)
      throw notNow(
        'unrecoverably_reorged',
        'the index of the ord server must be of the best chain; a reorg was too deep for it, and it must be built anew',
      );
    if (status.height === null) throw notNow('behind', 'the ord server must have indexed a block; it has none yet');
    const { height, rune_index: runes, sat_index: sats } = status;
    return { chain: status.chain, height, runes, sats };
  }

  /**
   * Asks while the server stands at the chain's best block or, on the same branch, beyond it, and stands there still when
   * the answer has come. An answer is then of that one block.
   */
  async within<T>(ask: () => Promise<T>): Promise<{ answer: T; atBlock: AtBlock }> {
    await this.check();
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const tip = await this.chain.tip();
      const hash = await this.bestHash();
      const height = hash === tip.hash ? tip.height : await this.heightBeyond(tip, hash);
      const answer = await ask();
      if ((await this.bestHash()) !== hash || (await this.chain.tip()).hash !== tip.hash) continue;
      return { answer, atBlock: { height, hash } };
    }
    throw notNow('moving', `the chain must stand still while ord is asked; it moved ${MOST_ROUNDS} times`);
  }

  private async check(): Promise<void> {
    this.checked ??= this.health();
    try {
      await this.checked;
    } catch (error) {
      this.checked = undefined;
      throw error;
    }
  }

  /** The height of a server's best block that is not the chain's. Throws `not_indexed` unless the chain's lies below it. */
  private async heightBeyond(tip: Tip, hash: string): Promise<number> {
    const { height } = await this.health();
    const detail = { height, tip: tip.height };
    if (height < tip.height)
      throw notNow('behind', `the ord server must be at block ${tip.height}; it is at ${height}`, { detail });
    const same = await this.hashAt(tip.height);
    if (same !== tip.hash || (await this.hashAt(height)) !== hash)
      throw notNow('other_branch', `the ord server must be at block ${tip.hash}; it has another at that height`, {
        detail: { ...detail, expected: tip.hash, came: same },
      });
    return height;
  }

  private async status(): Promise<OrdStatus> {
    return answered(await this.client.get('/status', statusAnswer), '/status');
  }

  private async bestHash(): Promise<string> {
    return answered(await this.client.get('/r/blockhash', blockHashAnswer), '/r/blockhash');
  }

  private async hashAt(height: number): Promise<string> {
    const path = `/r/blockhash/${height}`;
    return answered(await this.client.get(path, blockHashAnswer), path);
  }
}

/** What every ord server has: without it, what answers is none. */
function answered<T>(answer: T | undefined, path: string): T {
  if (answer !== undefined) return answer;
  throw notNow('garbage', `the ord server must have ${path}; it answered HTTP 404`, { detail: { path } });
}
