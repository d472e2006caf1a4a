import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { decodeInvoice, encodeInvoice } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import { readInvoice, writeInvoice } from '../memory-invoice.ts';
import type { Outgoing } from '../memory-route.ts';
import { FAKE_NETWORK, type FakeClnNode } from './fake-node.suite.ts';

type Params = Readonly<Record<string, unknown>>;
type Method = (node: FakeClnNode, params: Params) => unknown;

/** What the node answers with HTTP 500 (or 404 for an unknown method). */
export class FakeRefusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** The plugin answers every failure with this code: only the message tells them apart. */
const pluginRefusal = (message: string): FakeRefusal => new FakeRefusal(-32700, message);

function text(params: Params, name: string): string {
  const value = params[name];
  if (typeof value === 'string') return value;
  throw new FakeRefusal(-32602, `missing required parameter: ${name}`);
}

function number(params: Params, name: string): number {
  const value = params[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new FakeRefusal(-32602, `${name}: should be an integer: invalid token`);
}

function msat(params: Params, name: string): bigint {
  const digits = /^([0-9]+)(?:msat)?$/.exec(String(params[name]))?.[1];
  if (digits === undefined) throw new FakeRefusal(-32602, `${name}: should be a millisatoshi amount: invalid token`);
  return BigInt(digits);
}

const hashOf = (preimage: string): string => hex.encode(sha256(hex.decode(preimage)));

const getinfo: Method = ({ key, network }) => ({
  id: key.nodeId,
  alias: 'FAKE',
  color: key.nodeId.slice(0, 6),
  num_peers: 1,
  version: 'v26.06.6',
  blockheight: network.core.height,
  network: FAKE_NETWORK,
  fees_collected_msat: 0,
  'lightning-dir': '/nowhere',
  address: [],
});

const listconfigs: Method = (node, params) => {
  const config = text(params, 'config');
  if (config !== 'hold-expiry-deadline' || node.injectName === undefined || node.configs === 'silent')
    throw new FakeRefusal(-32602, `config: Unknown config option '${config}'`);
  const value = { value_int: node.peer.holdExpiryMarginBlocks, source: 'default', plugin: '/plugins/hold' };
  return { configs: { [config]: value } };
};

const listpeerchannels: Method = (node) => {
  const incoming = [...node.peer.incoming.keys()].flatMap((paymentHash) =>
    node.standing(paymentHash).map((part) => ({
      direction: 'in',
      id: node.idOf(part),
      amount_msat: Number(part.amountMsat),
      expiry: part.payeeExpiry,
      payment_hash: paymentHash,
      state: 'RCVD_ADD_ACK_REVOCATION',
    })),
  );
  const outgoing = node.attempts.flatMap(({ outgoing: { parts, paymentHash } }) =>
    parts
      .filter(({ at }) => at === 'way' || at === 'stuck' || at === 'payee')
      .map((part) => ({
        direction: 'out',
        id: node.idOf(part),
        amount_msat: Number(part.amountMsat + part.feeMsat),
        expiry: part.payerExpiry,
        payment_hash: paymentHash,
        state: 'SENT_ADD_ACK_REVOCATION',
      })),
  );
  return { channels: [{ ...channelOf(node), htlcs: [...incoming, ...outgoing] }] };
};

const channelOf = (node: FakeClnNode) => ({
  peer_id: `02${'79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}`,
  peer_connected: true,
  state: 'CHANNELD_NORMAL',
  opener: 'local',
  features: ['option_static_remotekey'],
  private: node.channels === 'private',
  short_channel_id: '103x1x0',
  alias: { local: '16000000x1x1', remote: '16000001x2x3' },
  updates: {
    remote: { fee_base_msat: 1, fee_proportional_millionths: 10, cltv_expiry_delta: 6, htlc_minimum_msat: 0 },
  },
  to_us_msat: Number(node.peer.balanceMsat),
  spendable_msat: Number(node.peer.balanceMsat),
  receivable_msat: 1_000_000_000,
});

const signinvoice: Method = (node, params) => {
  try {
    return { bolt11: encodeInvoice(decodeInvoice(text(params, 'invstring')), node.key.secretKey) };
  } catch (error) {
    if (error instanceof FakeRefusal) throw error;
    throw new FakeRefusal(-32602, `Unparsable invoice '${String(params['invstring'])}': bad bech32 string`);
  }
};

const inject: Method = (node, params) => {
  const bolt11 = text(params, 'invoice');
  const { paymentHash, payee } = decodeInvoice(bolt11);
  if (payee !== node.key.nodeId) throw pluginRefusal('invoice is not related to us');
  if (node.holds.has(paymentHash)) throw pluginRefusal('UNIQUE constraint failed: invoices.payment_hash');
  node.holds.set(paymentHash, { id: node.nextId(), invoice: bolt11, frozen: undefined });
  node.issue(bolt11, undefined);
  return {};
};

const listholdinvoices: Method = (node, params) => {
  const paymentHash = text(params, 'payment_hash');
  const row = node.holds.get(paymentHash);
  if (row === undefined) return { holdinvoices: [] };
  const htlcs = node.holdHtlcs(paymentHash).map((htlc) => ({
    id: htlc.id,
    invoice_id: row.id,
    state: htlc.state,
    scid: '103x1x0',
    channel_id: htlc.id,
    msat: Number(htlc.msat),
    cltv_expiry: htlc.expiry,
    created_at: '2026-11-21T10:00:00.123456789',
  }));
  const state = node.holdState(paymentHash);
  const common = { id: row.id, payment_hash: paymentHash, invoice: row.invoice, state, htlcs };
  return { holdinvoices: [{ ...common, created_at: '2026-11-21T10:00:00.123456789' }] };
};

const settleholdinvoice: Method = (node, params) => {
  const preimage = text(params, 'preimage');
  const paymentHash = hashOf(preimage);
  const row = node.holds.get(paymentHash);
  if (row === undefined) throw pluginRefusal('invoice not found');
  const state = node.holdState(paymentHash);
  if (state === 'paid') return {};
  const parts = node.standing(paymentHash);
  if (row.frozen !== undefined || !node.replayed || parts.length === 0) throw pluginRefusal('no HTLCs to settle');
  if (state === 'unpaid') {
    node.settledInParts.push(paymentHash);
    throw pluginRefusal('invoice state transition (unpaid -> paid)');
  }
  node.network.core.settle(node.peer, preimage);
  node.network.changed();
  return {};
};

const cancelholdinvoice: Method = (node, params) => {
  const paymentHash = text(params, 'payment_hash');
  const row = node.holds.get(paymentHash);
  if (row === undefined) throw pluginRefusal('invoice not found');
  if (node.holdState(paymentHash) === 'paid')
    throw pluginRefusal('could not update invoice in database: state paid is final');
  if (row.frozen !== undefined) row.frozen.state = 'cancelled';
  else node.network.core.cancel(node.peer, paymentHash);
  node.network.changed();
  return {};
};

const invoice: Method = (node, params) => {
  const label = text(params, 'label');
  const preimage = text(params, 'preimage');
  const paymentHash = hashOf(preimage);
  const amountMsat = msat(params, 'amount_msat');
  const description = text(params, 'description');
  const expirySeconds = number(params, 'expiry');
  const finalCltv = number(params, 'cltv');
  if ([...node.plains.values()].some((row) => row.label === label))
    throw new FakeRefusal(900, `Duplicate label '${label}'`);
  if (node.plains.has(paymentHash)) throw new FakeRefusal(901, 'preimage already used');
  const bolt11 = writeInvoice({
    request: { paymentHash, amountMsat, description, expirySeconds, finalCltv },
    network: FAKE_NETWORK,
    nowSeconds: node.network.core.nowSeconds,
    key: node.key,
  });
  node.plains.set(paymentHash, { id: node.nextId(), label, bolt11, preimage });
  node.issue(bolt11, preimage);
  return {
    payment_hash: paymentHash,
    bolt11,
    expires_at: node.network.core.nowSeconds + expirySeconds,
    created_index: 1,
  };
};

const listinvoices: Method = (node, params) => {
  const paymentHash = text(params, 'payment_hash');
  const row = node.plains.get(paymentHash);
  const known = node.incoming(paymentHash);
  if (row === undefined || known === undefined) return { invoices: [] };
  const status = known.state === 'settled' ? 'paid' : known.state === 'canceled' ? 'expired' : 'unpaid';
  const paid = { amount_received_msat: Number(known.receivedMsat), payment_preimage: row.preimage, paid_at: 1 };
  const common = { label: row.label, payment_hash: paymentHash, bolt11: row.bolt11, status, created_index: row.id };
  return { invoices: [status === 'paid' ? { ...common, ...paid } : common] };
};

const delinvoice: Method = (node, params) => {
  const label = text(params, 'label');
  const found = [...node.plains].find(([, row]) => row.label === label);
  if (found === undefined) throw new FakeRefusal(905, 'Unknown invoice');
  const [paymentHash] = found;
  const paid = node.incoming(paymentHash)?.state === 'settled';
  if (paid !== (text(params, 'status') === 'paid'))
    throw new FakeRefusal(906, `Invoice status is ${paid ? 'paid' : 'unpaid'} not ${text(params, 'status')}`);
  node.plains.delete(paymentHash);
  node.network.core.cancel(node.peer, paymentHash);
  node.network.changed();
  return {};
};

const attemptsFor = (node: FakeClnNode, paymentHash: string) =>
  node.attempts.filter(({ outgoing }) => outgoing.paymentHash === paymentHash);

const xpay: Method = async (node, params) => {
  const { core } = node.network;
  const { terms, payeeId } = readInvoice({ bolt11: text(params, 'invstring'), network: FAKE_NETWORK });
  const states = attemptsFor(node, terms.paymentHash).map(({ outgoing }) => outgoing.outcome.state);
  if (states.includes('settled')) throw new FakeRefusal(219, 'Already paid');
  if (states.includes('pending')) throw new FakeRefusal(-3, 'Payment with this payment_hash still in progress');
  if (core.nowSeconds > terms.expiresAtSeconds) throw new FakeRefusal(207, 'Invoice expired');
  try {
    const caps = { maxFeeMsat: msat(params, 'maxfee'), maxCltvBlocks: number(params, 'maxdelay') };
    core.pay(node.peer, { terms, payeeId, ...caps });
  } catch (error) {
    if (error instanceof SparkleError) throw new FakeRefusal(205, `Failed: ${error.message}`);
    throw error;
  }
  const outgoing = node.peer.outgoing.get(terms.paymentHash);
  if (outgoing === undefined) throw new Error('a payment that was started is known');
  node.attempts.push({ outgoing, createdAt: core.nowSeconds });
  node.network.changed();
  return xpayAnswer(await node.until(() => ending(node, outgoing)));
};

const ending = (node: FakeClnNode, outgoing: Outgoing): Outgoing | undefined => {
  const { state } = outgoing.outcome;
  return state === 'settled' || (state === 'failed' && node.xpay === 'ends') ? outgoing : undefined;
};

function xpayAnswer({ outcome, totalMsat }: Outgoing): unknown {
  if (outcome.state !== 'settled')
    throw new FakeRefusal(203, "Destination said it doesn't know invoice: incorrect_or_unknown_payment_details");
  return {
    payment_preimage: outcome.preimage,
    amount_msat: Number(totalMsat),
    amount_sent_msat: Number(totalMsat + outcome.feeMsat),
    failed_parts: 0,
    successful_parts: 1,
  };
}

const listpays: Method = (node, params) => {
  const paymentHash = text(params, 'payment_hash');
  return { pays: attemptsFor(node, paymentHash).map(({ outgoing, createdAt }) => payRow(outgoing, createdAt)) };
};

function payRow({ outcome, paymentHash, totalMsat, payee }: Outgoing, createdAt: number): unknown {
  const common = { payment_hash: paymentHash, destination: payee.nodeId, created_at: createdAt, created_index: 1 };
  switch (outcome.state) {
    case 'settled':
      return {
        ...common,
        status: 'complete',
        preimage: outcome.preimage,
        amount_msat: Number(totalMsat),
        amount_sent_msat: Number(totalMsat + outcome.feeMsat),
      };
    case 'failed':
      return { ...common, status: 'failed', amount_sent_msat: Number(totalMsat) };
    case 'pending':
      return { ...common, status: 'pending', amount_sent_msat: Number(totalMsat) };
  }
}

const OF_LIGHTNINGD: ReadonlyMap<string, Method> = new Map(
  Object.entries({
    getinfo,
    listconfigs,
    listpeerchannels,
    signinvoice,
    invoice,
    listinvoices,
    delinvoice,
    xpay,
    listpays,
  }),
);
const OF_PLUGIN: ReadonlyMap<string, Method> = new Map(
  Object.entries({ listholdinvoices, settleholdinvoice, cancelholdinvoice }),
);

/** Runs one RPC of the node. Throws `FakeRefusal`. */
export async function fakeRpc(node: FakeClnNode, call: { method: string; params: Params }): Promise<unknown> {
  const { method, params } = call;
  const ofPlugin = method === node.injectName ? inject : OF_PLUGIN.get(method);
  const found = OF_LIGHTNINGD.get(method) ?? (node.injectName === undefined ? undefined : ofPlugin);
  if (found === undefined) throw new FakeRefusal(-32601, `Unknown command '${method}'`);
  return found(node, params);
}
