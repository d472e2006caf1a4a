import { randomBytes } from 'node:crypto';
import { hex } from '@scure/base';
import * as ldk from 'lightningdevkit';
import { SparkleError } from '../../protocol/errors.ts';
import type { NetworkName } from '../../protocol/network.ts';
import { readEvent, type NodeEvent } from './events.ts';
import { feerateFor, libraryNetwork, userConfig, type Feerates } from './library.ts';
import type { LdkStore } from './store.ts';
import { displayHash, internalHash, resultOf } from './values.ts';

type CoreOptions = {
  network: NetworkName;
  seed: Uint8Array;
  store: LdkStore;
  feerates: Feerates;
  minimumDepth: number;
  nowMilliseconds: number;
  /** Best block when the node is made for the first time. */
  birthday: { hash: string; height: number; timeSeconds: number };
  warn: (words: string) => void;
};

const MONITOR = 'monitor/';
const PAYMENT_LOG = 'lightning::ln::outbound_payment';

/**
 * The library's objects of one node, read from its directory or made new. Its callbacks only append to `events`,
 * `broadcasts` and the monitors to be written: nothing is called back into the library, and nothing throws, from there.
 */
export class LdkCore {
  readonly keys: ldk.KeysManager;
  readonly chainMonitor: ldk.ChainMonitor;
  readonly manager: ldk.ChannelManager;
  readonly peers: ldk.PeerManager;
  readonly nodeId: string;
  readonly broadcaster: ldk.BroadcasterInterface;
  readonly feeEstimator: ldk.FeeEstimator;
  readonly logger: ldk.Logger;
  /** Read from disk, still at the heights they were written at, and not yet watched. */
  readonly monitors: ldk.ChannelMonitor[];
  readonly #options: CoreOptions;
  readonly #handler: ldk.EventHandler;
  readonly #sources: ldk.EventsProvider[];
  readonly #listeners: ldk.Listen[];
  readonly #watch: ldk.Watch;
  readonly #graph: ldk.NetworkGraph;
  readonly #finder: ldk.DefaultRouter;
  /** The library holds our objects weakly: what nobody else refers to is kept alive here. */
  readonly #kept: object[] = [];
  #events: NodeEvent[] = [];
  #broadcasts: string[][] = [];
  /** A new manager does not count itself as changed; unwritten, the node would forget which chain it was born on. */
  #unwritten = false;
  #monitorChanges = new Map<string, Uint8Array | 'archived'>();

  constructor(options: CoreOptions) {
    this.#options = options;
    const { store, seed, nowMilliseconds } = options;
    this.feeEstimator = ldk.FeeEstimator.new_impl({
      get_est_sat_per_1000_weight: (target) => feerateFor(target, options.feerates),
    });
    this.broadcaster = ldk.BroadcasterInterface.new_impl({
      broadcast_transactions: (raws) => void this.#broadcasts.push(raws.map((raw) => hex.encode(raw))),
    });
    this.logger = this.#makeLogger();
    this.#handler = this.#makeHandler();
    // Its entropy must never repeat between starts, and two starts may fall into one second.
    const nowSeconds = BigInt(Math.floor(nowMilliseconds / 1000));
    this.keys = ldk.KeysManager.constructor_new(Uint8Array.from(seed), nowSeconds, this.#countStart());
    this.nodeId = this.#identity();
    this.chainMonitor = ldk.ChainMonitor.constructor_new(
      ldk.Option_FilterZ.constructor_none(),
      this.broadcaster,
      this.logger,
      this.feeEstimator,
      this.#makePersister(),
    );
    this.#watch = this.chainMonitor.as_Watch();
    this.#graph = this.#readGraph();
    this.#finder = this.#makeFinder();
    this.monitors = store.list(MONITOR).map((bytes) => this.#readMonitor(bytes));
    this.manager = this.#readManager();
    this.peers = this.#makePeerManager();
    this.#listeners = [this.manager.as_Listen(), this.chainMonitor.as_Listen()];
    this.#sources = [this.manager.as_EventsProvider(), this.chainMonitor.as_EventsProvider()];
  }

  /** The block up to which the channel manager has seen the chain. */
  bestBlock(): { hash: string; height: number } {
    const best = this.manager.current_best_block();
    return { hash: displayHash(best.get_block_hash()), height: best.get_height() };
  }

  /** Hands the monitors over to be watched, once each has been brought up to the manager's block. */
  watchMonitors(): void {
    for (const monitor of this.monitors)
      resultOf({
        result: this.#watch.watch_channel(monitor.get_funding_txo().get_a(), monitor),
        ok: ldk.Result_ChannelMonitorUpdateStatusNoneZ_OK,
        what: 'watching a channel',
        code: 'bad_state',
      });
    this.monitors.length = 0;
  }

  connectBlock(block: { raw: Uint8Array; height: number }): void {
    for (const listener of this.#listeners) listener.block_connected(block.raw, block.height);
  }

  disconnectBlock(block: { header: Uint8Array; height: number }): void {
    for (const listener of this.#listeners) listener.block_disconnected(block.header, block.height);
  }

  /** Whether there is a way for such a payment now; nothing is sent. */
  hasRoute(route: ldk.RouteParameters): boolean {
    const { manager } = this;
    const inFlight = manager.compute_inflight_htlcs();
    const found = this.#finder
      .as_Router()
      .find_route(hex.decode(this.nodeId), route, manager.list_usable_channels(), inFlight);
    return Boolean(found.is_ok());
  }

  /** Sends and receives peer messages, and returns the events that came of it. */
  work(): NodeEvent[] {
    this.peers.process_events();
    for (const source of this.#sources) source.process_pending_events(this.#handler);
    const events = this.#events;
    this.#events = [];
    return events;
  }

  takeBroadcasts(): string[][] {
    const broadcasts = this.#broadcasts;
    this.#broadcasts = [];
    return broadcasts;
  }

  /** Writes what changed since the last time into the store's open transaction. */
  save(): void {
    const { store } = this.#options;
    for (const [key, change] of this.#monitorChanges)
      if (change === 'archived') store.rename({ from: MONITOR + key, to: `archived/${key}` });
      else store.put(MONITOR + key, change);
    this.#monitorChanges = new Map();
    const isChanged = Boolean(this.manager.get_and_clear_needs_persistence());
    if (isChanged || this.#unwritten) store.put('manager', this.manager.write());
    this.#unwritten = false;
  }

  /** What peers told of the network: convenience, so not in every turn. */
  saveGraph(): void {
    this.#options.store.put('graph', this.#graph.write());
  }

  #countStart(): number {
    const { store } = this.#options;
    const starts = Number(store.get('starts')?.toString() ?? '0') + 1;
    store.put('starts', Buffer.from(String(starts)));
    return starts % 1_000_000_000;
  }

  /** The node's id. Refuses a directory that was made with another seed or for another network. */
  #identity(): string {
    const { store, network } = this.#options;
    const nodeId = hex.encode(
      resultOf({
        result: this.keys.as_NodeSigner().get_node_id(ldk.Recipient.LDKRecipient_Node),
        ok: ldk.Result_PublicKeyNoneZ_OK,
        what: 'the node key',
        code: 'bad_config',
      }),
    );
    const [known, mine] = [store.get('identity')?.toString(), `${network} ${nodeId}`];
    if (known === undefined) store.put('identity', Buffer.from(mine));
    else if (known !== mine)
      throw new SparkleError(
        'bad_config',
        `the directory belongs to the node ${known}, the seed and network given are of ${mine}`,
      );
    return nodeId;
  }

  #makeLogger(): ldk.Logger {
    return ldk.Logger.new_impl({
      log: (record) => {
        // Below errors the library speaks of what peers do, and how payments end is told by `payment`.
        if (record.get_level() < ldk.Level.LDKLevel_Error || record.get_module_path() === PAYMENT_LOG) return;
        this.#options.warn(`${record.get_module_path()}: ${record.get_args()}`);
      },
    });
  }

  #makeHandler(): ldk.EventHandler {
    return ldk.EventHandler.new_impl({
      handle_event: (event) => {
        const read = readEvent(event);
        if (read !== undefined) this.#events.push(read);
        return ldk.Result_NoneReplayEventZ.constructor_ok();
      },
    });
  }

  /** Truthfully `Completed`: nothing leaves the process before the turn that calls this is on disk. */
  #makePersister(): ldk.Persist {
    const keep = (funding: ldk.OutPoint, monitor: ldk.ChannelMonitor): ldk.ChannelMonitorUpdateStatus => {
      this.#monitorChanges.set(keyOf(funding), monitor.write());
      return ldk.ChannelMonitorUpdateStatus.LDKChannelMonitorUpdateStatus_Completed;
    };
    const persister = ldk.Persist.new_impl({
      persist_new_channel: keep,
      update_persisted_channel: (funding, _update, monitor) => keep(funding, monitor),
      archive_persisted_channel: (funding) => void this.#monitorChanges.set(keyOf(funding), 'archived'),
    });
    this.#kept.push(persister);
    return persister;
  }

  #readMonitor(bytes: Uint8Array): ldk.ChannelMonitor {
    const [entropy, signers] = [this.keys.as_EntropySource(), this.keys.as_SignerProvider()];
    const pair = resultOf({
      result: ldk.UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelMonitorZ_read(
        Uint8Array.from(bytes),
        entropy,
        signers,
      ),
      ok: ldk.Result_C2Tuple_ThirtyTwoBytesChannelMonitorZDecodeErrorZ_OK,
      what: 'reading a channel monitor',
      code: 'bad_state',
    });
    this.#kept.push(pair);
    return pair.get_b();
  }

  #readGraph(): ldk.NetworkGraph {
    const bytes = this.#options.store.get('graph');
    if (bytes === undefined)
      return ldk.NetworkGraph.constructor_new(libraryNetwork(this.#options.network), this.logger);
    const result = ldk.NetworkGraph.constructor_read(Uint8Array.from(bytes), this.logger);
    return resultOf({
      result,
      ok: ldk.Result_NetworkGraphDecodeErrorZ_OK,
      what: 'reading the network graph',
      code: 'bad_state',
    });
  }

  #makeFinder(): ldk.DefaultRouter {
    const decay = ldk.ProbabilisticScoringDecayParameters.constructor_default();
    const scorer = ldk.ProbabilisticScorer.constructor_new(decay, this.#graph, this.logger);
    const score = ldk.MultiThreadedLockableScore.constructor_new(scorer.as_Score());
    const fees = ldk.ProbabilisticScoringFeeParameters.constructor_default();
    const entropy = this.keys.as_EntropySource();
    this.#kept.push(scorer, score, entropy);
    return ldk.DefaultRouter.constructor_new(this.#graph, this.logger, entropy, score.as_LockableScore(), fees);
  }

  #readManager(): ldk.ChannelManager {
    const { store, network, birthday } = this.#options;
    const [entropy, signer, signers] = [
      this.keys.as_EntropySource(),
      this.keys.as_NodeSigner(),
      this.keys.as_SignerProvider(),
    ];
    const messages = ldk.DefaultMessageRouter.constructor_new(this.#graph, entropy);
    const [router, messageRouter, config] = [
      this.#finder.as_Router(),
      messages.as_MessageRouter(),
      userConfig(this.#options),
    ];
    this.#kept.push(entropy, signer, signers, messages, router, messageRouter);
    const bytes = store.get('manager');
    const { feeEstimator, broadcaster, logger } = this;
    if (bytes === undefined) {
      const best = ldk.BestBlock.constructor_new(internalHash(birthday.hash), birthday.height);
      const params = ldk.ChainParameters.constructor_new(libraryNetwork(network), best);
      const { timeSeconds } = birthday;
      this.#unwritten = true;
      return ldk.ChannelManager.constructor_new(
        ...([feeEstimator, this.#watch, broadcaster, router, messageRouter, logger] as const),
        ...([entropy, signer, signers, config, params, timeSeconds] as const),
      );
    }
    const result = ldk.UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelManagerZ_read(
      ...([Uint8Array.from(bytes), entropy, signer, signers, feeEstimator, this.#watch, broadcaster] as const),
      ...([router, messageRouter, logger, config, this.monitors] as const),
    );
    const ok = ldk.Result_C2Tuple_ThirtyTwoBytesChannelManagerZDecodeErrorZ_OK;
    const pair = resultOf({ result, ok, what: 'reading the channel manager', code: 'bad_state' });
    this.#kept.push(pair);
    return pair.get_b();
  }

  #makePeerManager(): ldk.PeerManager {
    const gossip = ldk.P2PGossipSync.constructor_new(
      this.#graph,
      ldk.Option_UtxoLookupZ.constructor_none(),
      this.logger,
    );
    const ignoring = ldk.IgnoringMessageHandler.constructor_new();
    this.#kept.push(gossip, ignoring);
    return ldk.PeerManager.constructor_new(
      this.manager.as_ChannelMessageHandler(),
      gossip.as_RoutingMessageHandler(),
      ignoring.as_OnionMessageHandler(),
      ignoring.as_CustomMessageHandler(),
      Math.floor(this.#options.nowMilliseconds / 1000),
      Uint8Array.from(randomBytes(32)),
      this.logger,
      this.keys.as_NodeSigner(),
    );
  }
}

const keyOf = (funding: ldk.OutPoint): string => `${displayHash(funding.get_txid())}:${funding.get_index()}`;
