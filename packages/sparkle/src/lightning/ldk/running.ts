import { SparkleError } from '../../protocol/errors.ts';
import type { LightningEvent } from '../lightning.ts';
import { ChainSync } from './chain-sync.ts';
import { channelsOf, type LdkChannel } from './channels.ts';
import { LdkCore } from './core.ts';
import type { NodeEvent } from './events.ts';
import { Invoices } from './invoices.ts';
import { FLOOR_FEERATE, loadLibrary, type Feerates } from './library.ts';
import { PeerSockets } from './net.ts';
import type { LdkNodeOptions } from './node.ts';
import { Openings } from './openings.ts';
import { Outbox } from './outbox.ts';
import { Payments } from './payments.ts';
import { LdkStore, type PeerRow } from './store.ts';
import { Turns } from './turn.ts';
import { Waits } from './waits.ts';
import { ChannelWallet } from './wallet.ts';

const PATIENCE_MILLISECONDS = 10_000;
const FLUSH_MILLISECONDS = 5_000;
const GRACE_MILLISECONDS = 100;
const SECOND = 1_000;
/** More rounds of events than any turn needs: an endless loop is a defect that must not hang the process. */
const MOST_ROUNDS = 1_000;

type Parts = { options: LdkNodeOptions; store: LdkStore; core: LdkCore; feerates: Feerates };

/** A node that runs: its turns, what happens in them, and the clockwork around them. */
export class Running {
  readonly store: LdkStore;
  readonly core: LdkCore;
  readonly invoices: Invoices;
  readonly payments: Payments;
  readonly openings: Openings;
  readonly turns: Turns;
  readonly chain: ChainSync;
  port = 0;
  readonly #options: LdkNodeOptions;
  readonly #feerates: Feerates;
  readonly #sockets: PeerSockets;
  readonly #outbox: Outbox;
  readonly #wallet: ChannelWallet;
  readonly #waits = new Waits();
  readonly #listeners = new Set<(event: LightningEvent) => void>();
  readonly #dialing = new Set<string>();
  #timers: NodeJS.Timeout[] = [];
  #complaint = '';
  /** Until its monitors are watched, the library must not be let work: it would look for them. */
  #ready = false;

  private constructor({ options, store, core, feerates }: Parts) {
    [this.#options, this.store, this.core, this.#feerates] = [options, store, core, feerates];
    const { network, blocks, fundChannel, sweepScript, warn } = options;
    const turns = new Turns({
      begin: () => store.begin(),
      workOff: () => this.#workOff(),
      save: () => this.#save(),
      commit: () => store.commit(),
      rollback: () => store.rollback(),
      died: (cause) => this.#died(cause),
    });
    this.turns = turns;
    this.#sockets = new PeerSockets({ peers: core.peers, turns });
    this.chain = new ChainSync({ source: blocks, core, turn: (work) => turns.run(work), moved: () => this.#moved() });
    const outbox = new Outbox({ source: blocks, store, warn, height: () => this.chain.tip.height });
    const wallet = new ChannelWallet({ network, store, core, turns, feerates, fundChannel, sweepScript, warn, outbox });
    [this.#outbox, this.#wallet] = [outbox, wallet];
    const checkCap = (sats: bigint): void =>
      checkAmount({ what: 'a channel', msat: sats * 1000n, capMsat: options.caps && options.caps.channelSats * 1000n });
    this.openings = new Openings({
      store,
      core,
      turns,
      wallet,
      warn,
      checkCap,
      acceptFrom: options.acceptChannelsFrom,
    });
    const shared = {
      ...{ store, core, turns, network },
      nowSeconds: () => Math.floor(options.nowMilliseconds() / 1000),
      checkCap: (msat: bigint) => checkAmount({ what: 'a payment', msat, capMsat: options.caps?.paymentMsat }),
    };
    const tell = (type: LightningEvent['type']) => (paymentHash: string) => this.#tell({ type, paymentHash });
    this.invoices = new Invoices({ ...shared, tell: tell('invoice'), reachable: () => this.#reachable() });
    this.payments = new Payments({ ...shared, tell: tell('payment'), connected: () => this.#connected() });
  }

  static async start(options: LdkNodeOptions): Promise<Running> {
    const { blocks, network, directory, seed, warn } = options;
    await loadLibrary();
    const found = await blocks.network();
    if (found !== network)
      throw new SparkleError('wrong_network', `the block source must be on ${network}; it is on ${found}`, {
        network,
        found,
      });
    const birthday = await blocks.header(await blocks.bestHash());
    if (birthday === undefined)
      throw new SparkleError('chain_unavailable', 'the block source must know its own best block; it does not');
    const store = LdkStore.open(directory);
    try {
      const feerates = { slow: FLOOR_FEERATE, middle: 500, fast: 1_000 };
      const minimumDepth = network === 'regtest' ? 1 : 3;
      const nowMilliseconds = options.nowMilliseconds();
      const core = new LdkCore({ network, seed, store, feerates, warn, minimumDepth, birthday, nowMilliseconds });
      return await new Running({ options, store, core, feerates }).#begin();
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /** Throws `lightning_unavailable` once the node has stopped or failed. */
  alive(): this {
    if (this.turns.over) throw new SparkleError('lightning_unavailable', 'the Lightning node is stopped');
    return this;
  }

  channels(): LdkChannel[] {
    return channelsOf(this.core.manager);
  }

  balance(): { spendableMsat: bigint; ownedMsat: bigint } {
    const balance = { spendableMsat: 0n, ownedMsat: 0n };
    for (const channel of this.channels()) {
      balance.ownedMsat += channel.ownedMsat;
      if (channel.usable) balance.spendableMsat += channel.spendableMsat;
    }
    return balance;
  }

  subscribe(listener: (event: LightningEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async connect({ nodeId, host, port }: PeerRow): Promise<void> {
    this.store.putPeer({ nodeId, host, port });
    await this.#sockets.dial({ nodeId, host, port });
    const isConnected = await this.#waits.until(() => this.#isConnected(nodeId), PATIENCE_MILLISECONDS);
    if (!isConnected)
      throw new SparkleError('lightning_unavailable', `the peer at ${host}:${port} does not answer as ${nodeId}`);
  }

  /** Ends in order: what is settled or given back leaves the channels first, because an unfinished removal can cost a channel. */
  async stop(): Promise<void> {
    if (this.turns.over) return;
    await this.#waits.until(() => this.turns.over || !this.#isRemovalUnfinished(), FLUSH_MILLISECONDS);
    // The peer still waits for our last revocation, which no state of ours shows.
    await new Promise((resolve) => setTimeout(resolve, GRACE_MILLISECONDS));
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all([this.chain.end(), this.#outbox.end(), this.#wallet.end()]);
    if (this.turns.over) return;
    this.turns.run(() => this.core.saveGraph());
    this.turns.end();
    await this.#sockets.finish();
    this.kill();
  }

  kill(): void {
    this.turns.end();
    for (const timer of this.#timers) clearInterval(timer);
    void Promise.all([this.chain.end(), this.#outbox.end(), this.#wallet.end()]);
    this.#sockets.close();
    this.store.close();
    this.openings.failAll('the node was stopped');
  }

  async #begin(): Promise<this> {
    try {
      await this.#readFeerates();
      for (const monitor of this.core.monitors) await this.chain.catchUpMonitor(monitor);
      this.turns.run(() => this.core.watchMonitors());
      this.#ready = true;
      await this.chain.sync();
      // Monitors of channels closed long ago would replay their claims at every start.
      this.turns.run(() => this.core.chainMonitor.archive_fully_resolved_channel_monitors());
      if (this.#options.listen !== undefined) this.port = await this.#sockets.listen(this.#options.listen);
    } catch (error) {
      this.kill();
      throw error;
    }
    this.#outbox.open();
    this.#wallet.sweep();
    this.#startTimers();
    this.#redial();
    return this;
  }

  #startTimers(): void {
    const every = (milliseconds: number, work: () => void): NodeJS.Timeout =>
      setInterval(() => {
        if (!this.turns.over) work();
      }, milliseconds);
    const isFast = this.#options.network === 'regtest';
    this.#timers = [
      every(isFast ? SECOND / 4 : 5 * SECOND, () => this.#try(() => this.chain.sync())),
      every(SECOND, () => this.#redial()),
      every(SECOND, () => this.invoices.expire()),
      every(SECOND, () => this.payments.abandonOverdue()),
      every(10 * SECOND, () => this.turns.run(() => this.core.peers.timer_tick_occurred())),
      every(60 * SECOND, () => this.#try(() => this.#readFeerates())),
      every(60 * SECOND, () => this.#upkeep()),
    ];
  }

  /** Does what the next tick does again anyway. What goes wrong is told once, not with every tick while it lasts. */
  #try(work: () => Promise<void>): void {
    work().then(
      () => (this.#complaint = ''),
      (error: unknown) => {
        if (this.#complaint !== String(error)) this.#options.warn(String(error));
        this.#complaint = String(error);
      },
    );
  }

  #workOff(): void {
    for (let round = 0; this.#ready && round < MOST_ROUNDS; round += 1) {
      const events = this.core.work();
      if (events.length === 0) return;
      for (const event of events) this.#react(event);
    }
  }

  #save(): void {
    this.core.save();
    const broadcasts = this.core.takeBroadcasts();
    for (const raws of broadcasts) this.#outbox.add(raws);
    if (broadcasts.length > 0) this.turns.afterCommit(() => this.#outbox.flush());
    this.turns.afterCommit(() => this.#waits.look());
  }

  #react(event: NodeEvent): void {
    switch (event.type) {
      case 'claimable':
        return this.invoices.claimable(event);
      case 'claimed':
        return this.invoices.claimed(event);
      case 'given_back':
        return this.invoices.givenBack(event);
      case 'sent':
        return this.payments.sent(event);
      case 'failed':
        return this.payments.failed(event);
      // Waiting some random time first would hide which payments we forward, at the cost of speed.
      case 'forwards_wait':
        return this.core.manager.process_pending_htlc_forwards();
      case 'outputs_spendable':
        this.store.addSweep(event.descriptors);
        return this.turns.afterCommit(() => this.#wallet.sweep());
      case 'channel_offered':
      case 'funding_wanted':
      case 'channel_pending':
      case 'channel_ready':
      case 'channel_closed':
        return this.#reactToChannel(event);
    }
  }

  #reactToChannel(event: ChannelEvent): void {
    switch (event.type) {
      case 'channel_offered':
        return this.openings.answer(event);
      case 'funding_wanted':
        return this.openings.fund(event);
      case 'channel_pending':
        this.openings.done(event);
        return this.store.note(event.type, {
          channelId: event.channelId,
          nodeId: event.nodeId,
          fundingTxid: event.fundingTxid,
        });
      case 'channel_ready':
        return this.store.note(event.type, { channelId: event.channelId, nodeId: event.nodeId });
      case 'channel_closed':
        this.openings.fail(event.userChannelId, event.reason);
        return this.store.note(event.type, { channelId: event.channelId, reason: event.reason });
    }
  }

  #tell(event: LightningEvent): void {
    this.turns.afterCommit(() => {
      for (const listener of this.#listeners)
        try {
          listener(event);
        } catch (error) {
          this.#options.warn(`a listener failed: ${String(error)}`);
        }
    });
  }

  #moved(): void {
    this.payments.noteExpiries();
    if (!this.#ready) return;
    this.#outbox.flush();
    this.#wallet.sweep();
  }

  #died(cause: unknown): void {
    this.#options.warn(`the Lightning node has failed and must be started again: ${String(cause)}`);
    setImmediate(() => this.kill());
  }

  #redial(): void {
    for (const peer of this.store.peers()) {
      if (this.#isConnected(peer.nodeId) || this.#dialing.has(peer.nodeId)) continue;
      this.#dialing.add(peer.nodeId);
      const done = (): void => void this.#dialing.delete(peer.nodeId);
      // A peer that is away is dialled again with the next tick.
      this.#sockets.dial(peer).then(done, done);
    }
  }

  #upkeep(): void {
    if (this.turns.over) return;
    this.turns.run(() => {
      this.core.manager.timer_tick_occurred();
      this.core.chainMonitor.rebroadcast_pending_claims();
      this.core.chainMonitor.archive_fully_resolved_channel_monitors();
      this.core.saveGraph();
    });
  }

  async #readFeerates(): Promise<void> {
    const { blocks } = this.#options;
    const perKw = async (targetBlocks: number, fallback: number): Promise<number> => {
      const feerate = await blocks.feerate(targetBlocks);
      return feerate === undefined ? fallback : Math.max(FLOOR_FEERATE, Math.ceil(feerate * 250));
    };
    const { slow, middle, fast } = this.#feerates;
    Object.assign(this.#feerates, {
      slow: await perKw(144, slow),
      middle: await perKw(12, middle),
      fast: await perKw(2, fast),
    });
  }

  #isConnected(nodeId: string): boolean {
    return this.#sockets.connected().includes(nodeId);
  }

  /** Waits for channels to come up after a start; without any, waiting makes no sense. */
  async #connected(): Promise<void> {
    if (this.channels().length > 0)
      await this.#waits.until(() => this.channels().some(({ usable }) => usable), PATIENCE_MILLISECONDS);
  }

  /** An invoice without a way to us could never be paid, and would be handed out again for the same request. */
  async #reachable(): Promise<void> {
    const isReachable = (): boolean => this.channels().some((channel) => channel.usable && channel.routable);
    const patience = this.channels().length === 0 ? 0 : PATIENCE_MILLISECONDS;
    if (!(await this.#waits.until(isReachable, patience)))
      throw new SparkleError(
        'lightning_unavailable',
        'the node has no channel that is up, so nobody could pay this invoice',
      );
  }

  /** Whether an HTLC that was settled or given back is still in a channel whose peer is there to let it go. */
  #isRemovalUnfinished(): boolean {
    return this.channels().some(
      (channel) =>
        channel.usable &&
        channel.incoming.some((htlc) =>
          ['settling', 'settled', 'canceled'].includes(this.store.invoice(htlc.paymentHash)?.state ?? ''),
        ),
    );
  }
}

type ChannelEvent = Extract<
  NodeEvent,
  { type: 'channel_offered' | 'funding_wanted' | 'channel_pending' | 'channel_ready' | 'channel_closed' }
>;

function checkAmount({ what, msat, capMsat }: { what: string; msat: bigint; capMsat: bigint | undefined }): void {
  if (capMsat === undefined || msat <= capMsat) return;
  throw new SparkleError('bad_amount', `${what} must be at most ${capMsat} msat by the operator's cap; got ${msat}`, {
    capMsat: String(capMsat),
  });
}
