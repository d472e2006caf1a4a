import { hex } from '@scure/base';
import { Address, OutScript } from '@scure/btc-signer';
import * as ldk from 'lightningdevkit';
import { SparkleError } from '../../protocol/errors.ts';
import { networks, type NetworkName } from '../../protocol/network.ts';
import type { LdkCore } from './core.ts';
import type { NodeEvent } from './events.ts';
import type { Feerates } from './library.ts';
import type { Outbox } from './outbox.ts';
import type { LdkStore, SweepRow } from './store.ts';
import type { Turns } from './turn.ts';
import { expectOk, resultOf } from './values.ts';

/** Pays exactly `sats` to the script (hex; `address` is the same) and returns the signed transaction, which nobody may broadcast. */
export type FundChannel = (funding: { address: string; script: string; sats: bigint }) => Promise<string>;

/** A script (hex) of the operator's wallet to which the outputs of closed channels go. */
export type SweepScript = () => Promise<string>;

type Deps = {
  network: NetworkName;
  store: LdkStore;
  core: LdkCore;
  turns: Turns;
  outbox: Outbox;
  feerates: Feerates;
  fundChannel: FundChannel;
  sweepScript: SweepScript;
  warn: (words: string) => void;
};

type FundingWanted = NodeEvent & { type: 'funding_wanted' };

/** The node's dealings with the operator's on-chain wallet: coins into channels, and back when they have closed. */
export class ChannelWallet {
  readonly #deps: Deps;
  #sweeping: Promise<void> = Promise.resolve();
  #over = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Asks the wallet for a funding transaction. Inputs must be segwit: a legacy one could change the txid. */
  async fund(wanted: FundingWanted): Promise<void> {
    const { core, turns, fundChannel, network } = this.#deps;
    const { script, sats } = wanted;
    const address = Address(networks[network].address).encode(OutScript.decode(hex.decode(script)));
    const raw = await fundChannel({ address, script, sats });
    turns.run(() => {
      const id = ldk.ChannelId.constructor_new(hex.decode(wanted.temporaryChannelId));
      const result = core.manager.funding_transaction_generated(id, hex.decode(wanted.nodeId), hex.decode(raw));
      expectOk({ result, what: 'the funding transaction', code: 'bad_transaction' });
    });
  }

  /** Forgets a channel that could not be funded. */
  giveUp({ temporaryChannelId, nodeId }: FundingWanted): void {
    const { core, turns } = this.#deps;
    if (turns.over) return;
    turns.run(() => {
      const id = ldk.ChannelId.constructor_new(hex.decode(temporaryChannelId));
      core.manager.force_close_without_broadcasting_txn(id, hex.decode(nodeId), 'the channel could not be funded');
    });
  }

  /** Sends what closed channels have left to the wallet; what fails now is tried again with the next block. */
  sweep(): void {
    this.#sweeping = this.#sweeping
      .then(() => this.#sweepAll())
      .catch((error: unknown) => this.#deps.warn(`sweeping failed: ${String(error)}`));
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#sweeping;
  }

  async #sweepAll(): Promise<void> {
    const { store, turns, outbox, sweepScript } = this.#deps;
    if (this.#over) return;
    for (const sweep of store.openSweeps()) {
      const script = await sweepScript();
      if (this.#over || turns.over) return;
      turns.run(() => {
        const txid = outbox.add([this.#build(sweep, script)]);
        store.setSweepTxid({ id: sweep.id, txid });
        store.note('swept', { txid, outputs: String(sweep.descriptors.length) });
      });
    }
    outbox.flush();
  }

  #build(sweep: SweepRow, script: string): string {
    const { core, feerates } = this.#deps;
    const outputs = sweep.descriptors.map((bytes) =>
      resultOf({
        result: ldk.SpendableOutputDescriptor.constructor_read(hex.decode(bytes)),
        ok: ldk.Result_SpendableOutputDescriptorDecodeErrorZ_OK,
        what: 'a spendable output',
        code: 'bad_state',
      }),
    );
    const spender = core.keys.as_OutputSpender();
    const noLocktime = ldk.Option_u32Z.constructor_none();
    const result = spender.spend_spendable_outputs(outputs, [], hex.decode(script), feerates.middle, noLocktime);
    if (result instanceof ldk.Result_TransactionNoneZ_OK) return hex.encode(result.res);
    throw new SparkleError(
      'dust',
      `${outputs.length} outputs of a closed channel are worth less than their sweep costs`,
    );
  }
}
