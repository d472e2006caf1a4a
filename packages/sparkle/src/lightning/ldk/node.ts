import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from '../../protocol/errors.ts';
import { readHex32 } from '../../protocol/json.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { Lightning, LightningCapabilities } from '../lightning.ts';
import { checkHoldInvoiceRequest, checkInvoiceRequest, checkPayRequest } from '../requests.ts';
import type { BlockSource } from './block-source.ts';
import type { LdkChannel } from './channels.ts';
import { HOLD_EXPIRY_MARGIN_BLOCKS } from './invoices.ts';
import { Running } from './running.ts';
import type { JournalEntry } from './store.ts';
import type { FundChannel, SweepScript } from './wallet.ts';

export type LdkNodeOptions = {
  /** Holds everything the node knows. One node at a time; never restore an older copy: its channels would be lost. */
  directory: string;
  network: NetworkName;
  /** 32 bytes. The same directory must be opened with the same seed. */
  seed: Uint8Array;
  blocks: BlockSource;
  /** Where peers can reach the node; port 0 lets the system choose. Absent: the node only calls others. */
  listen?: { host: string; port: number };
  fundChannel: FundChannel;
  sweepScript: SweepScript;
  /** Node ids that may open channels to this node. */
  acceptChannelsFrom: 'anyone' | readonly string[];
  /** Demanded on mainnet, where this library's version has known defects: what the operator is ready to lose. */
  caps?: { paymentMsat: bigint; channelSats: bigint };
  nowMilliseconds: () => number;
  /** Told in one sentence what an operator should know. Never contains a secret. */
  warn: (words: string) => void;
};

/** An embedded Lightning node: the port, and what an operator does with it. */
export interface LdkNode extends Lightning {
  /** The port it listens on, 0 when it does not. */
  readonly port: number;
  /** Connects now, remembers the peer and stays connected. */
  connect(peer: { nodeId: string; host: string; port: number }): Promise<void>;
  /** Opens a private channel and returns once its funding transaction is on its way. */
  openChannel(channel: {
    nodeId: string;
    sats: bigint;
    pushMsat: bigint;
  }): Promise<{ channelId: string; fundingTxid: string }>;
  channels(): LdkChannel[];
  /** `together`: with the peer, after pending HTLCs. `alone`: publishes our last state; our part comes back later. */
  closeChannel(channel: { channelId: string; how: 'together' | 'alone' }): Promise<void>;
  /** Height up to which the node has seen the chain. */
  height(): number;
  /** Catches up with the chain now instead of at the next poll. */
  sync(): Promise<void>;
  journal(afterId: number): JournalEntry[];
  /** Ends the node as a crash would: nothing more is written or sent. */
  kill(): void;
}

/** What an embedded node promises. */
export const ldkCapabilities: LightningCapabilities = Object.freeze({
  pay: true,
  routeCap: true,
  feeCap: true,
  hold: true,
  cancel: true,
  holdDeadline: true,
  finalCltv: true,
  ownPreimage: true,
  holdExpiryMarginBlocks: HOLD_EXPIRY_MARGIN_BLOCKS,
});

/**
 * Starts a node from its directory, or a new one in an empty directory, and returns when it has caught up with the
 * chain. Throws `wrong_network` when `blocks` are of another chain than the node's, `bad_config` for another seed than
 * the directory's or mainnet without caps, `bad_state` while another node uses the directory.
 */
export async function startLdkNode(options: LdkNodeOptions): Promise<LdkNode> {
  checkOptions(options);
  return portOf(await Running.start(options), options.network);
}

function checkOptions({ seed, network, caps }: LdkNodeOptions): void {
  if (seed.length !== 32)
    throw new SparkleError('bad_config', `seed must be 32 bytes; got ${seed.length}`, { field: 'seed' });
  if (network === 'mainnet' && caps === undefined)
    throw new SparkleError('bad_config', 'caps must be given on mainnet: this node is for sums that may be lost', {
      field: 'caps',
    });
}

function portOf(node: Running, network: NetworkName): LdkNode {
  const hash = (text: string): string => readHex32(text, 'paymentHash');
  return {
    capabilities: ldkCapabilities,
    port: node.port,
    network: async () => network,
    nodeId: async () => node.core.nodeId,
    async createHoldInvoice(request) {
      checkHoldInvoiceRequest(request);
      return node.alive().invoices.create({ kind: 'hold', request, preimage: undefined });
    },
    async createInvoice({ preimage, ...terms }) {
      checkInvoiceRequest({ preimage, ...terms });
      const request = { ...terms, paymentHash: hex.encode(sha256(hex.decode(preimage))) };
      return node.alive().invoices.create({ kind: 'plain', request, preimage });
    },
    async pay(request) {
      checkPayRequest(request);
      await node.alive().payments.pay(request);
    },
    payment: async (paymentHash) => node.alive().payments.lookup(hash(paymentHash)),
    invoice: async (paymentHash) => node.alive().invoices.lookup(hash(paymentHash)),
    settle: async (preimage) => node.alive().invoices.settle(readHex32(preimage, 'preimage')),
    cancel: async (paymentHash) => node.alive().invoices.cancel(hash(paymentHash)),
    balance: async () => node.alive().balance(),
    subscribe: (listener) => node.subscribe(listener),
    close: () => node.stop(),
    connect: (peer) => node.alive().connect(peer),
    openChannel: async (channel) => node.alive().openings.open(channel),
    channels: () => node.alive().channels(),
    closeChannel: async (channel) => node.alive().openings.close(channel),
    height: () => node.chain.tip.height,
    sync: async () => node.alive().chain.sync(),
    journal: (afterId) => node.alive().store.journal(afterId),
    kill: () => node.kill(),
  };
}
