import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import { readHex32 } from '../protocol/json.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { HoldInvoiceRequest, Lightning, LightningCapabilities, LightningEvent, PayRequest } from './lightning.ts';
import { invoiceKey, readInvoice, writeInvoice, type InvoiceKey } from './memory-invoice.ts';
import { HtlcNetwork } from './memory-network.ts';
import type { MemoryPeer, Sending } from './memory-route.ts';
import { checkHoldInvoiceRequest, checkInvoiceRequest, checkPayRequest } from './requests.ts';

/** A call of the port that a test can make fail. */
export type BreakableCall =
  | 'createHoldInvoice'
  | 'createInvoice'
  | 'pay'
  | 'payment'
  | 'invoice'
  | 'settle'
  | 'cancel'
  | 'balance';

/** One node in memory and what a test may do to it. */
export type MemoryNode = {
  readonly name: string;
  readonly lightning: Lightning;
  /** Changes how payments that start from now on are sent. */
  setSending(change: Partial<Sending>): void;
  /** `unchecked`: takes any amount and any expiry, as a careless node would. */
  setArrivals(arrivals: MemoryPeer['arrivals']): void;
  /** Blocks before the expiry of a held HTLC at which this node cancels it; 0 leaves it to the expiry itself. */
  setHoldExpiryMargin(blocks: number): void;
  /** The next `call` throws `lightning_unavailable`, without having done anything (`before`) or after having done it. */
  breakNext(breakage: { call: BreakableCall; when: 'before' | 'after' }): void;
  /** Every event is told this many times from now on; 0 loses them. */
  setEventCopies(copies: number): void;
  /** Every call throws `lightning_unavailable` and HTLCs wait, until `restart`. */
  crash(): void;
  restart(): void;
  /** Lets the stuck parts of an outgoing payment go on to the payee, or back to this node. */
  release(payment: { paymentHash: string; to: 'payee' | 'payer' }): void;
  balanceMsat(): bigint;
};

/** Several Lightning nodes in one process, driven block by block and second by second by whoever holds this. */
export type MemoryNetwork = {
  /** Adds a node that owns `balanceMsat` in its channels. */
  addNode(node: { name: string; balanceMsat: bigint }): MemoryNode;
  height(): number;
  /** Deadlines fall on the way up; going down is a reorg and leaves HTLCs alone. */
  setHeight(height: number): void;
  nowSeconds(): number;
  setTime(nowSeconds: number): void;
  /** Where every msat is; the sum of the three never changes. */
  totals(): { nodesMsat: bigint; inFlightMsat: bigint; routersMsat: bigint };
};

// What LND 0.21 does: HTLCs get 3 blocks more than asked for, held ones are canceled 18 blocks before they expire.
const LND_PADDING_BLOCKS = 3;
const LND_HOLD_EXPIRY_MARGIN_BLOCKS = 18;

const plainSending: Sending = {
  parts: [{ paddingBlocks: LND_PADDING_BLOCKS, lateBlocks: 0, travelBlocks: 0 }],
  extraMsat: 0n,
  routeFeeMsat: 0n,
  routeBlocks: 0,
  learnsAfterBlocks: 0,
  fate: 'arrives',
};

/**
 * Lightning without a network: real signed invoices, real hashes, HTLCs with expiry heights, and every way in which a
 * payment can go wrong, at the command of a test. Deterministic: the same `seed` and calls give the same bytes.
 */
export function memoryNetwork(options: {
  network: NetworkName;
  seed: string;
  height: number;
  nowSeconds: number;
}): MemoryNetwork {
  const core = new HtlcNetwork(options);
  const nodes = new Map<MemoryPeer, MemoryNodeDriver>();
  const tell = (): void => {
    for (const { peer, type, paymentHash } of core.takeTold()) nodes.get(peer)?.tell({ type, paymentHash });
  };
  return {
    addNode({ name, balanceMsat }) {
      const key = invoiceKey({ seed: options.seed, name });
      const node = new MemoryNodeDriver({ name, key, balanceMsat, core, tell, network: options.network });
      nodes.set(node.peer, node);
      return node;
    },
    height: () => core.height,
    setHeight(height) {
      core.setHeight(height);
      tell();
    },
    nowSeconds: () => core.nowSeconds,
    setTime(nowSeconds) {
      core.setTime(nowSeconds);
      tell();
    },
    totals: () => core.totals(),
  };
}

type DriverOptions = {
  name: string;
  key: InvoiceKey;
  balanceMsat: bigint;
  core: HtlcNetwork;
  tell: () => void;
  network: NetworkName;
};

class MemoryNodeDriver implements MemoryNode {
  readonly name: string;
  readonly lightning: Lightning;
  readonly peer: MemoryPeer;
  readonly #options: DriverOptions;
  readonly #issued = new Map<string, { bolt11: string; kind: 'hold' | 'plain'; request: HoldInvoiceRequest }>();
  readonly #listeners = new Set<(event: LightningEvent) => void>();
  readonly #breakages: { call: BreakableCall; when: 'before' | 'after' }[] = [];
  #copies = 1;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.name = options.name;
    this.peer = {
      nodeId: options.key.nodeId,
      balanceMsat: options.balanceMsat,
      down: false,
      holdExpiryMarginBlocks: LND_HOLD_EXPIRY_MARGIN_BLOCKS,
      arrivals: 'checked',
      sending: plainSending,
      incoming: new Map(),
      outgoing: new Map(),
    };
    options.core.add(this.peer);
    this.lightning = this.#port();
  }

  setSending(change: Partial<Sending>): void {
    this.peer.sending = { ...this.peer.sending, ...change };
  }

  setArrivals(arrivals: MemoryPeer['arrivals']): void {
    this.peer.arrivals = arrivals;
  }

  setHoldExpiryMargin(blocks: number): void {
    this.peer.holdExpiryMarginBlocks = blocks;
  }

  breakNext(breakage: { call: BreakableCall; when: 'before' | 'after' }): void {
    this.#breakages.push(breakage);
  }

  setEventCopies(copies: number): void {
    this.#copies = copies;
  }

  crash(): void {
    this.peer.down = true;
  }

  restart(): void {
    this.#options.core.restart(this.peer);
    this.#options.tell();
  }

  release({ paymentHash, to }: { paymentHash: string; to: 'payee' | 'payer' }): void {
    this.#options.core.release(this.peer, { paymentHash, to });
    this.#options.tell();
  }

  balanceMsat(): bigint {
    return this.peer.balanceMsat;
  }

  tell(event: LightningEvent): void {
    if (this.peer.down) return;
    for (let copy = 0; copy < this.#copies; copy += 1) for (const listener of this.#listeners) listener(event);
  }

  /** Runs one call of the port: as a whole, or not at all, or with its answer lost. */
  #run<Answer>(call: BreakableCall, work: () => Answer): Answer {
    this.#refuseWhenDown();
    if (this.#broken(call, 'before')) throw unavailable();
    const answer = work();
    this.#options.tell();
    if (this.#broken(call, 'after')) throw unavailable();
    return answer;
  }

  #refuseWhenDown(): void {
    if (this.peer.down) throw unavailable();
  }

  #broken(call: BreakableCall, when: 'before' | 'after'): boolean {
    const index = this.#breakages.findIndex((each) => each.call === call && each.when === when);
    if (index < 0) return false;
    this.#breakages.splice(index, 1);
    return true;
  }

  #port(): Lightning {
    const { core, network } = this.#options;
    const { peer } = this;
    const hash = (text: string): string => readHex32(text, 'paymentHash');
    return {
      capabilities: this.#capabilities(),
      network: async () => (this.#refuseWhenDown(), network),
      nodeId: async () => (this.#refuseWhenDown(), peer.nodeId),
      createHoldInvoice: async (request) =>
        this.#run('createHoldInvoice', () => {
          checkHoldInvoiceRequest(request);
          return this.#issue({ kind: 'hold', request, preimage: undefined });
        }),
      createInvoice: async ({ preimage, ...terms }) =>
        this.#run('createInvoice', () => {
          checkInvoiceRequest({ preimage, ...terms });
          const paymentHash = hex.encode(sha256(hex.decode(preimage)));
          return this.#issue({ kind: 'plain', request: { ...terms, paymentHash }, preimage });
        }),
      pay: async (request) => this.#run('pay', () => this.#pay(request)),
      payment: async (paymentHash) => this.#run('payment', () => core.payment(peer, hash(paymentHash))),
      invoice: async (paymentHash) => this.#run('invoice', () => core.invoice(peer, hash(paymentHash))),
      settle: async (preimage) => this.#run('settle', () => core.settle(peer, readHex32(preimage, 'preimage'))),
      cancel: async (paymentHash) => this.#run('cancel', () => core.cancel(peer, hash(paymentHash))),
      balance: async () =>
        this.#run('balance', () => ({ spendableMsat: peer.balanceMsat, ownedMsat: peer.balanceMsat })),
      subscribe: (listener) => this.#subscribe(listener),
      close: async () => this.#listeners.clear(),
    };
  }

  #subscribe(listener: (event: LightningEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #capabilities(): LightningCapabilities {
    const { peer } = this;
    return {
      pay: true,
      routeCap: true,
      feeCap: true,
      hold: true,
      cancel: true,
      holdDeadline: true,
      finalCltv: true,
      ownPreimage: true,
      get holdExpiryMarginBlocks() {
        return peer.holdExpiryMarginBlocks;
      },
    };
  }

  #issue(of: { kind: 'hold' | 'plain'; request: HoldInvoiceRequest; preimage: string | undefined }): {
    bolt11: string;
  } {
    const { kind, request, preimage } = of;
    const { core, key, network } = this.#options;
    const known = this.#issued.get(request.paymentHash);
    if (known !== undefined) {
      if (known.kind === kind && isSameRequest(known.request, request)) return { bolt11: known.bolt11 };
      const { paymentHash } = request;
      throw new SparkleError('invoice_exists', `an invoice with other terms exists for payment hash ${paymentHash}`, {
        paymentHash,
      });
    }
    const bolt11 = writeInvoice({ request, network, nowSeconds: core.nowSeconds, key });
    this.#issued.set(request.paymentHash, { bolt11, kind, request });
    const { paymentHash, amountMsat, finalCltv } = request;
    core.issue(this.peer, {
      paymentHash,
      amountMsat,
      finalCltv,
      expiresAtSeconds: core.nowSeconds + request.expirySeconds,
      preimage,
    });
    return { bolt11 };
  }

  #pay(request: PayRequest): void {
    checkPayRequest(request);
    const { core, network } = this.#options;
    const { terms, payeeId } = readInvoice({ bolt11: request.bolt11, network });
    const { maxFeeMsat, maxCltvBlocks } = request;
    if (core.nowSeconds >= terms.expiresAtSeconds && core.payment(this.peer, terms.paymentHash).state === 'unknown')
      throw new SparkleError('too_late', `the invoice expired at ${terms.expiresAtSeconds}, it is ${core.nowSeconds}`);
    core.pay(this.peer, { terms, payeeId, maxFeeMsat, maxCltvBlocks });
  }
}

const unavailable = (): SparkleError => new SparkleError('lightning_unavailable', 'the Lightning node does not answer');

const isSameRequest = (one: HoldInvoiceRequest, other: HoldInvoiceRequest): boolean =>
  one.amountMsat === other.amountMsat &&
  one.finalCltv === other.finalCltv &&
  one.expirySeconds === other.expirySeconds &&
  one.description === other.description;
