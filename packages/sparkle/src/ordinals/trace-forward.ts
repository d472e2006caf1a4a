import type { Chain } from '../chain/chain.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { InscriptionId } from '../protocol/inscription.ts';
import type { NetworkName } from '../protocol/network.ts';
import { followFee, followRevealIn, followSatIn, subsidySats, type SatPlace } from '../protocol/satflow.ts';
import { writeTransaction, type Transaction } from '../protocol/transaction.ts';
import type { Budget, Transactions } from './transactions.ts';

type Block = { height: number; hash: string };

/** Where an inscription came to lie, and the block that put it there. */
export type Hop = { txid: string; vout: number; offsetSats: bigint; block: Block };

type Landing = { transaction: Transaction; place: SatPlace; block: Block; budget: Budget };

const OP_RETURN = 0x6a;

const gone = (sentence: string, detail: Record<string, unknown>): SparkleError =>
  new SparkleError('unknown_inscription', sentence, detail);

/** Follows an inscription from its reveal, spend by spend, through confirmed transactions. */
export class ForwardTrace {
  private readonly chain: Chain;
  private readonly transactions: Transactions;
  private readonly network: NetworkName;

  constructor(source: { chain: Chain; transactions: Transactions; network: NetworkName }) {
    this.chain = source.chain;
    this.transactions = source.transactions;
    this.network = source.network;
  }

  /** Where the inscription lay first. Throws `unknown_inscription`, and `not_indexed` while its reveal is unconfirmed. */
  async reveal({ txid, index }: InscriptionId, budget: Budget): Promise<Hop> {
    const found = await this.transactions.find(txid, budget);
    if (found === undefined) throw gone(`an inscription must have a reveal transaction; ${txid} is nowhere`, { txid });
    const { transaction, block } = found;
    if (block === undefined)
      throw new SparkleError('not_indexed', `the reveal ${txid} must be in a block; it waits in the mempool`, { txid });
    const count = transaction.inputs.length;
    const inputValues = await this.transactions.inputValues({ transaction, count, budget });
    const place = followRevealIn(transaction, { inputValues, index });
    if (place.to === 'unbound')
      throw gone(`inscription ${txid}i${index} must lie on a sat; it is unbound`, { txid, index });
    return this.land({ transaction, place, block, budget });
  }

  /** Where it went from there in a block; `undefined` while nothing confirmed spends it. */
  async next({ txid, vout, offsetSats, block }: Hop, budget: Budget): Promise<Hop | undefined> {
    const spender = await this.chain.spender(`${txid}:${vout}`, block.height, budget.signal);
    if (spender?.block === undefined) return undefined;
    const { transaction } = await this.transactions.content(spender.txid, budget);
    const inputIndex = transaction.inputs.findIndex((input) => input.txid === txid && input.vout === vout);
    const inputValues = await this.transactions.inputValues({ transaction, count: inputIndex + 1, budget });
    const place = followSatIn(transaction, { inputValues, inputIndex, offsetSats });
    return this.land({ transaction, place, block: spender.block, budget });
  }

  private async land(landing: Landing): Promise<Hop> {
    const { transaction, place, block } = landing;
    if (place.to === 'fee') return this.landInCoinbase({ ...landing, offsetSats: place.offsetSats });
    const { vout, offsetSats } = place;
    const { txid, outputs } = transaction;
    if (outputs[vout]?.script[0] === OP_RETURN)
      throw gone(`an inscription must lie in an output that can be spent; ${txid} burned it`, { txid, vout });
    return { txid, vout, offsetSats, block };
  }

  private async landInCoinbase(landing: Landing & { offsetSats: bigint }): Promise<Hop> {
    const { transaction, offsetSats, block, budget } = landing;
    const [coinbase, ...paying] = await this.transactions.block(block.hash, budget);
    const feeIndex = paying.findIndex(({ txid }) => txid === transaction.txid);
    if (coinbase === undefined || feeIndex === -1)
      throw new SparkleError('not_indexed', `block ${block.hash} must hold ${transaction.txid}; it does not`, {
        block,
      });
    const feesSats: bigint[] = [];
    for (const each of paying.slice(0, feeIndex + 1)) feesSats.push(await this.transactions.fee(each, budget));
    const place = followFee({
      ...{ coinbaseRaw: writeTransaction(coinbase), feesSats, feeIndex, offsetSats },
      subsidySats: subsidySats({ height: block.height, network: this.network }),
    });
    if (place.to === 'lost')
      throw gone('an inscription must lie in an output; the miner left the sat of this one behind', { block });
    return this.land({ transaction: coinbase, place, block, budget });
  }
}
