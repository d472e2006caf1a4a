import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from '../../protocol/errors.ts';
import { readHex32 } from '../../protocol/json.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { Lightning, LightningCapabilities } from '../lightning.ts';
import { checkHoldInvoiceRequest, checkInvoiceRequest, checkPayRequest } from '../requests.ts';
import { excessivePowers } from './admin.ts';
import { balanceOf } from './balance.ts';
import type { LndUse } from './calls.ts';
import { readAccess, readMargin, readSocket, type LndSettings } from './credentials.ts';
import { LndInvoices } from './invoices.ts';
import { grpcLink } from './link.ts';
import { LndPayments } from './payments.ts';
import { known, LndRpc, type LndLink } from './rpc.ts';
import { LndWatch } from './watch.ts';
import { wire } from './wire.ts';

/** How long one answer of LND may take. Adding an invoice or a look-up takes it milliseconds. */
const PATIENCE_MILLISECONDS = 15_000;

export type LndOptions = LndSettings & {
  /** `named`: invoices show private channels as a way to the node, without which a node that has no others cannot be paid. */
  privateChannels: 'named' | 'kept secret';
  nowMilliseconds: () => number;
  /** Told in one sentence what an operator should know. Never contains a secret. */
  warn: (words: string) => void;
};

/** A Lightning node that is asked over LND's gRPC. */
export interface LndNode extends Lightning {
  /**
   * Asks LND who it is. Every call does so first, once; who wants to know before anything depends on it calls this.
   * Throws `bad_config` for credentials that cannot be read or allow too much, `not_supported` for an LND that is too
   * old, `lightning_unavailable` while it does not answer.
   */
  ready(): Promise<LndIdentity>;
}

export type LndIdentity = { nodeId: string; network: NetworkName; version: string };

/**
 * A driver for LND 0.18 or newer. Nothing is asked before the first call, so that a trader can begin, and see to its
 * locks on the chain, while LND is down. Throws `bad_config` for an address or a margin that cannot be.
 */
export function lnd(options: LndOptions): LndNode {
  const { access } = options;
  return lndOver(options, {
    link: grpcLink(access),
    macaroon: async () => Buffer.from((await readAccess(access)).macaroon, 'base64'),
    patienceMilliseconds: PATIENCE_MILLISECONDS,
  });
}

/** What stands below the driver; tests put something else there. */
type LndBelow = { link: LndLink; macaroon: () => Promise<Uint8Array>; patienceMilliseconds: number };

export function lndOver(options: LndOptions, below: LndBelow): LndNode {
  readSocket(options.access.socket);
  const holdExpiryMarginBlocks = readMargin(options.holdExpiryMarginBlocks);
  const { uses, privateChannels, nowMilliseconds, warn } = options;
  const rpc = new LndRpc(below);
  const identity = once(() => meet({ options, rpc, macaroon: below.macaroon }));
  const watch = new LndWatch({ rpc, warn, probe: () => rpc.ask('getInfo', {}, wire.info) });
  const common = { rpc, identity, watch };
  const invoices = new LndInvoices({ ...common, holdExpiryMarginBlocks, privateChannels });
  const payments = new LndPayments({ ...common, nowMilliseconds });
  return portOf({
    identity,
    invoices,
    payments,
    rpc,
    watch,
    capabilities: lndCapabilities(uses, holdExpiryMarginBlocks),
  });
}

type Parts = {
  identity: () => Promise<LndIdentity>;
  invoices: LndInvoices;
  payments: LndPayments;
  rpc: LndRpc;
  watch: LndWatch;
  capabilities: LightningCapabilities;
};

function portOf({ identity, invoices, payments, rpc, watch, capabilities }: Parts): LndNode {
  const hash = (text: string): string => readHex32(text, 'paymentHash');
  const receiving = gate({ identity, isOpen: capabilities.hold, use: 'receive', part: invoices });
  const paying = gate({ identity, isOpen: capabilities.pay, use: 'pay', part: payments });
  return {
    capabilities,
    ready: identity,
    network: async () => (await identity()).network,
    nodeId: async () => (await identity()).nodeId,
    async createHoldInvoice(request) {
      checkHoldInvoiceRequest(request);
      return (await receiving()).create({ kind: 'hold', request, preimage: undefined });
    },
    async createInvoice({ preimage, ...terms }) {
      checkInvoiceRequest({ preimage, ...terms });
      const request = { ...terms, paymentHash: hex.encode(sha256(hex.decode(preimage))) };
      return (await receiving()).create({ kind: 'plain', request, preimage });
    },
    async pay(request) {
      checkPayRequest(request);
      await (await paying()).pay(request);
    },
    payment: async (paymentHash) => (await paying()).lookup(hash(paymentHash)),
    invoice: async (paymentHash) => (await receiving()).lookup(hash(paymentHash)),
    settle: async (preimage) => (await receiving()).settle(readHex32(preimage, 'preimage')),
    cancel: async (paymentHash) => (await receiving()).cancel(hash(paymentHash)),
    async balance() {
      await identity();
      return known(balanceOf(rpc));
    },
    subscribe: (listener) => watch.subscribe(listener),
    async close() {
      watch.close();
      rpc.close();
    },
  };
}

/** Lets nobody to a part that this node was not given for, nor to any before LND has said who it is. */
function gate<Part>(of: { identity: () => Promise<LndIdentity>; isOpen: boolean; use: LndUse; part: Part }) {
  const { identity, isOpen, use, part } = of;
  return async (): Promise<Part> => {
    if (!isOpen) throw new SparkleError('not_supported', `this node was not given to ${use} with`, { use });
    await identity();
    return part;
  };
}

/** What an LND promises to whoever holds a macaroon for these uses. */
export const lndCapabilities = (uses: readonly LndUse[], holdExpiryMarginBlocks: number): LightningCapabilities => {
  const [pay, receive] = [uses.includes('pay'), uses.includes('receive')];
  return Object.freeze({
    ...{ pay, routeCap: pay, feeCap: pay },
    ...{ hold: receive, cancel: receive, holdDeadline: receive, finalCltv: receive, ownPreimage: receive },
    holdExpiryMarginBlocks,
  });
};

/** Remembers an answer, and asks again after a failure. */
function once<Answer>(ask: () => Promise<Answer>): () => Promise<Answer> {
  let answer: Promise<Answer> | undefined;
  return () => {
    answer ??= ask().catch((error: unknown) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}

type Meeting = { options: LndOptions; rpc: LndRpc; macaroon: () => Promise<Uint8Array> };

async function meet({ options, rpc, macaroon }: Meeting): Promise<LndIdentity> {
  const info = await known(rpc.ask('getInfo', {}, wire.info));
  const [chain] = info.chains;
  if (chain === undefined || isTooOld(info.version))
    throw new SparkleError('not_supported', `LND must be 0.18 or newer; this one is ${info.version}`);
  const powers = await excessivePowers(rpc, await macaroon());
  if (powers.length > 0) judgeAdmin(options, powers);
  return { nodeId: info.identity_pubkey, network: chain.network, version: info.version };
}

/** The calls this driver makes are there since 0.18; a version that cannot be read is given the benefit of the doubt. */
const isTooOld = (version: string): boolean => {
  const [, major, minor] = /^(\d+)\.(\d+)\./.exec(version) ?? [];
  return major === '0' && Number(minor) < 18;
};

function judgeAdmin({ adminMacaroon, warn, uses }: LndOptions, powers: readonly string[]): void {
  const sentence =
    `the macaroon allows ${powers.join(' and ')}, which this needs for nothing: make one for ` +
    `${uses.join(' and ')} with the bakemacaroon line of this driver`;
  if (adminMacaroon === 'refused') throw new SparkleError('bad_config', sentence, { field: 'macaroon', powers });
  warn(sentence);
}
