import { decodeInvoice } from '../../protocol/bolt11.ts';
import { invoiceKey, type InvoiceKey } from '../memory-invoice.ts';
import { HtlcNetwork } from '../memory-network.ts';
import type { Incoming, MemoryPeer, Outgoing, Part } from '../memory-route.ts';

export const FAKE_NETWORK = 'regtest';
const SEED = 'fake core lightning';

type HoldState = 'unpaid' | 'accepted' | 'paid' | 'cancelled';
/** `frozen`: what the plugin still says after it was stopped and its HTLCs went back. */
type HoldRow = { id: number; invoice: string; frozen: { state: HoldState; htlcs: HoldHtlc[] } | undefined };
type HoldHtlc = { id: number; state: HoldState; msat: bigint; expiry: number };
type PlainRow = { id: number; label: string; bolt11: string; preimage: string };
type Attempt = { outgoing: Outgoing; createdAt: number };

const STATES: Readonly<Record<Incoming['state'], HoldState>> = {
  open: 'unpaid',
  held: 'accepted',
  settled: 'paid',
  canceled: 'cancelled',
};

/**
 * Core Lightning nodes of ours: HTLCs move in the network in memory, and each node says of them what lightningd 26.06
 * and the plugin `hold` 0.3.3 were measured to say, in their words.
 */
export class FakeClnNetwork {
  readonly core: HtlcNetwork;
  readonly nodes: FakeClnNode[] = [];

  constructor(start: { height: number; nowSeconds: number }) {
    this.core = new HtlcNetwork(start);
  }

  addNode(of: { name: string; balanceMsat: bigint; holdExpiryDeadline: number }): FakeClnNode {
    const node = new FakeClnNode({ ...of, network: this });
    this.core.add(node.peer);
    this.nodes.push(node);
    return node;
  }

  setHeight(height: number): void {
    this.core.setHeight(height);
    this.changed();
  }

  /** Commands that waited for what has just happened are answered. */
  changed(): void {
    this.core.takeTold();
    for (const node of this.nodes) node.wake();
  }
}

/** One node: what it knows, and what a test may do to it. */
export class FakeClnNode {
  readonly network: FakeClnNetwork;
  readonly key: InvoiceKey;
  readonly peer: MemoryPeer;
  readonly holds = new Map<string, HoldRow>();
  readonly plains = new Map<string, PlainRow>();
  readonly attempts: Attempt[] = [];
  /** Hashes of which the plugin was told to settle only some parts: money lost. */
  readonly settledInParts: string[] = [];
  /** The name under which the plugin takes invoices; `undefined`: there is no plugin. */
  injectName: string | undefined = 'injectholdinvoice';
  /** `silent`: the node does not tell the options of the plugin. */
  configs: 'told' | 'silent' = 'told';
  /** `announced`: payers find the channels by themselves. */
  channels: 'announced' | 'private' = 'announced';
  /** `retrying`: `xpay` goes on looking for routes after its attempts have failed. */
  xpay: 'ends' | 'retrying' = 'ends';
  /** After a restart the plugin has not seen its HTLCs again yet. */
  replayed = true;
  readonly #ids = new WeakMap<Part, number>();
  #waiting: (() => void)[] = [];
  #lastId = 0;

  constructor(of: { name: string; balanceMsat: bigint; holdExpiryDeadline: number; network: FakeClnNetwork }) {
    this.network = of.network;
    this.key = invoiceKey({ seed: SEED, name: of.name });
    this.peer = {
      nodeId: this.key.nodeId,
      balanceMsat: of.balanceMsat,
      down: false,
      holdExpiryMarginBlocks: of.holdExpiryDeadline,
      arrivals: 'checked',
      sending: {
        parts: [{ paddingBlocks: 1, lateBlocks: 0, travelBlocks: 0 }],
        extraMsat: 0n,
        routeFeeMsat: 0n,
        routeBlocks: 0,
        learnsAfterBlocks: 0,
        fate: 'arrives',
      },
      incoming: new Map(),
      outgoing: new Map(),
    };
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  idOf(part: Part): number {
    const id = this.#ids.get(part) ?? this.nextId();
    this.#ids.set(part, id);
    return id;
  }

  incoming(paymentHash: string): Incoming | undefined {
    return this.peer.incoming.get(paymentHash);
  }

  /** Parts of an incoming payment that stand in a channel of this node. */
  standing(paymentHash: string): Part[] {
    return this.incoming(paymentHash)?.from?.parts.filter(({ at }) => at === 'payee') ?? [];
  }

  holdState(paymentHash: string): HoldState {
    const row = this.holds.get(paymentHash);
    return row?.frozen?.state ?? STATES[this.incoming(paymentHash)?.state ?? 'open'];
  }

  holdHtlcs(paymentHash: string): HoldHtlc[] {
    const row = this.holds.get(paymentHash);
    const parts = this.incoming(paymentHash)?.from?.parts ?? [];
    const live = parts.flatMap((part) => this.#holdHtlc(part));
    return row?.frozen?.htlcs ?? live;
  }

  #holdHtlc(part: Part): HoldHtlc[] {
    if (part.at !== 'payee' && part.at !== 'settled') return [];
    const state = part.at === 'settled' ? 'paid' : 'accepted';
    return [{ id: this.idOf(part), state, msat: part.amountMsat, expiry: part.payeeExpiry }];
  }

  /** The plugin is stopped: its HTLCs are failed back, and started again it still says `accepted`. */
  killPlugin(): void {
    for (const [paymentHash, row] of this.holds) {
      if (this.holdState(paymentHash) !== 'accepted') continue;
      row.frozen = { state: 'accepted', htlcs: this.holdHtlcs(paymentHash) };
      this.network.core.cancel(this.peer, paymentHash);
    }
    this.network.changed();
  }

  /** Waits until `look` answers something, asked again whenever anything has happened. */
  until<Found>(look: () => Found | undefined): Promise<Found> {
    return new Promise((resolve) => {
      const ask = (): void => {
        const found = look();
        if (found === undefined) this.#waiting.push(ask);
        else resolve(found);
      };
      ask();
    });
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const ask of waiting) ask();
  }

  /** lightningd is stopped and started: its commands are forgotten, its HTLCs and the plugin's rows are not. */
  forgetCommands(): void {
    this.#waiting = [];
  }

  /** The terms of an invoice of this node, for the network. */
  issue(bolt11: string, preimage: string | undefined): void {
    const { paymentHash, amountMsat = 0n, minFinalCltv, timestampSeconds, expirySeconds } = decodeInvoice(bolt11);
    const expiresAtSeconds = timestampSeconds + expirySeconds;
    this.network.core.issue(this.peer, {
      paymentHash,
      amountMsat,
      finalCltv: minFinalCltv,
      expiresAtSeconds,
      preimage,
    });
  }
}
