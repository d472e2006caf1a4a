import { randomBytes } from 'node:crypto';
import { hex } from '@scure/base';
import * as ldk from 'lightningdevkit';
import { SparkleError } from '../../protocol/errors.ts';
import { channelsOf } from './channels.ts';
import type { LdkCore } from './core.ts';
import type { NodeEvent } from './events.ts';
import type { LdkStore } from './store.ts';
import type { Turns } from './turn.ts';
import { expectOk, reasonOf } from './values.ts';
import type { ChannelWallet } from './wallet.ts';

export type Opened = { channelId: string; fundingTxid: string };

type Deps = {
  store: LdkStore;
  core: LdkCore;
  turns: Turns;
  wallet: ChannelWallet;
  acceptFrom: 'anyone' | readonly string[];
  /** Throws for a channel above the operator's cap. */
  checkCap: (sats: bigint) => void;
  warn: (words: string) => void;
};

type Pending = { resolve: (opened: Opened) => void; reject: (error: SparkleError) => void; timer: NodeJS.Timeout };

const PATIENCE_MILLISECONDS = 60_000;

/** Channels being opened, by us and by others. */
export class Openings {
  readonly #deps: Deps;
  readonly #pending = new Map<bigint, Pending>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Throws `lightning_unavailable` when the peer or our wallet does not go along. */
  open({ nodeId, sats, pushMsat }: { nodeId: string; sats: bigint; pushMsat: bigint }): Promise<Opened> {
    const { core, turns, checkCap } = this.#deps;
    checkCap(sats);
    const id = BigInt(`0x${randomBytes(8).toString('hex')}`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.fail(id, 'the peer did not answer in time'), PATIENCE_MILLISECONDS);
      this.#pending.set(id, { resolve, reject, timer });
      turns.run(() => {
        const result = core.manager.create_channel(hex.decode(nodeId), sats, pushMsat, id, null, null);
        if (!result.is_ok()) this.fail(id, reasonOf(result));
      });
    });
  }

  /** The peer has agreed: the wallet pays, after this turn is on disk. */
  fund(wanted: NodeEvent & { type: 'funding_wanted' }): void {
    const { turns, wallet, warn } = this.#deps;
    turns.afterCommit(() => {
      wallet.fund(wanted).catch((error: unknown) => {
        warn(`a channel could not be funded: ${String(error)}`);
        wallet.giveUp(wanted);
        this.fail(wanted.userChannelId, 'it could not be funded');
      });
    });
  }

  done({ channelId, fundingTxid, userChannelId }: NodeEvent & { type: 'channel_pending' }): void {
    this.#take(userChannelId)?.resolve({ channelId, fundingTxid });
  }

  fail(userChannelId: bigint, reason: string): void {
    this.#take(userChannelId)?.reject(
      new SparkleError('lightning_unavailable', `the channel could not be opened: ${reason}`, { reason }),
    );
  }

  failAll(reason: string): void {
    for (const id of [...this.#pending.keys()]) this.fail(id, reason);
  }

  /** Throws `bad_state` for a channel that is unknown or cannot be closed now. */
  close({ channelId, how }: { channelId: string; how: 'together' | 'alone' }): void {
    const { core, turns } = this.#deps;
    const { manager } = core;
    const channel = channelsOf(manager).find((each) => each.channelId === channelId);
    if (channel === undefined) throw new SparkleError('bad_state', `no channel with id ${channelId}`, { channelId });
    turns.run(() => {
      const [id, peer] = [ldk.ChannelId.constructor_new(hex.decode(channelId)), hex.decode(channel.nodeId)];
      const result =
        how === 'together'
          ? manager.close_channel(id, peer)
          : manager.force_close_broadcasting_latest_txn(id, peer, 'closed by its operator');
      expectOk({ result, what: 'closing the channel', code: 'bad_state' });
    });
  }

  /** Answers a peer who wants a channel with us. A refusal by the library is an event too: a peer must not be able to stop us. */
  answer({ temporaryChannelId, nodeId, sats }: NodeEvent & { type: 'channel_offered' }): void {
    const { store, core, acceptFrom } = this.#deps;
    const id = ldk.ChannelId.constructor_new(hex.decode(temporaryChannelId));
    const peer = hex.decode(nodeId);
    if ((acceptFrom !== 'anyone' && !acceptFrom.includes(nodeId)) || !this.#isWithinCap(sats)) {
      core.manager.force_close_without_broadcasting_txn(id, peer, 'no channels with this node');
      store.note('channel_refused', { nodeId, reason: 'not allowed by the operator' });
      return;
    }
    const result = core.manager.accept_inbound_channel(id, peer, 0n);
    if (!result.is_ok()) store.note('channel_refused', { nodeId, reason: reasonOf(result) });
  }

  #isWithinCap(sats: bigint): boolean {
    try {
      this.#deps.checkCap(sats);
      return true;
    } catch {
      return false;
    }
  }

  #take(userChannelId: bigint): Pending | undefined {
    const pending = this.#pending.get(userChannelId);
    this.#pending.delete(userChannelId);
    clearTimeout(pending?.timer);
    return pending;
  }
}
