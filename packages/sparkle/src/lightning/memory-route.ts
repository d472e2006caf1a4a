import { SparkleError } from '../protocol/errors.ts';
import type { Invoice, Payment } from './lightning.ts';

/** One part of a payment on its way, in blocks: all are added to what the invoice asks for. */
export type PartPlan = {
  /** Added to the final CLTV. Real payers add 1 to 3 blocks, some of them 40 or more at random. */
  paddingBlocks: number;
  /** The payer sends this much later than he was asked to; the expiry counts from then. */
  lateBlocks: number;
  /** The HTLC travels this long; its expiry counts from when it was sent. */
  travelBlocks: number;
};

/** How a node sends the payments that it starts from now on. */
export type Sending = {
  parts: readonly PartPlan[];
  /** Added to the amount of the invoice; negative is an underpayment. */
  extraMsat: bigint;
  routeFeeMsat: bigint;
  /** Sum of the CLTV deltas of the routers between payer and payee. */
  routeBlocks: number;
  /** Blocks between the settlement at the payee and the payer learning of it; never beyond the last block before expiry. */
  learnsAfterBlocks: number;
  /** `stuck`: parts stay with a router until released or expired. `refused`: a router fails them. */
  fate: 'arrives' | 'stuck' | 'refused';
};

export type Terms = {
  paymentHash: string;
  amountMsat: bigint;
  finalCltv: number;
  expiresAtSeconds: number;
  /** Known from the start in a plain invoice, absent in a hold invoice. */
  preimage: string | undefined;
};

export type Part = {
  amountMsat: bigint;
  feeMsat: bigint;
  arrivalHeight: number;
  payeeExpiry: number;
  payerExpiry: number;
  learnHeight: number;
  at: 'way' | 'stuck' | 'payee' | 'settled' | 'failed';
};

export type Outgoing = {
  payer: MemoryPeer;
  payee: MemoryPeer;
  paymentHash: string;
  totalMsat: bigint;
  preimage: string;
  doomed: boolean;
  parts: Part[];
  outcome: Exclude<Payment, { state: 'unknown' }>;
};

export type Incoming = {
  terms: Terms;
  from: Outgoing | undefined;
  state: Exclude<Invoice['state'], 'unknown'>;
  receivedMsat: bigint;
};

/** A node as the network sees it. */
export type MemoryPeer = {
  nodeId: string;
  balanceMsat: bigint;
  down: boolean;
  holdExpiryMarginBlocks: number;
  /** `unchecked`: takes any amount and any expiry, to test those who must not trust their node. */
  arrivals: 'checked' | 'unchecked';
  sending: Sending;
  incoming: Map<string, Incoming>;
  outgoing: Map<string, Outgoing>;
};

/** What a payer wants: `terms` as read in the invoice, and his own limits. */
export type Order = { terms: Terms; payeeId: string; maxFeeMsat: bigint; maxCltvBlocks: number };

type Plan = Order & { payer: MemoryPeer; payee: MemoryPeer | undefined; height: number };

/** Splits a payment into parts with their expiries. Throws `no_route` when it cannot leave the payer within his limits. */
export function planPayment(plan: Plan): Outgoing {
  const { payer, payee, terms } = plan;
  const { sending } = payer;
  if (payee === undefined || payee === payer || payee.down)
    throw new SparkleError('no_route', 'no route: the payee is this node, unknown or away', { payeeId: plan.payeeId });
  const totalMsat = terms.amountMsat + sending.extraMsat;
  refuseBeyondLimits({ plan, totalMsat });
  const parts = sending.parts.map((part, index) => planPart({ plan, part, index, totalMsat }));
  const expiryHeight = Math.max(...parts.map((part) => part.payerExpiry));
  const { paymentHash } = terms;
  return {
    payer,
    payee,
    paymentHash,
    totalMsat,
    preimage: '',
    doomed: false,
    parts,
    outcome: { state: 'pending', expiryHeight },
  };
}

function refuseBeyondLimits({ plan, totalMsat }: { plan: Plan; totalMsat: bigint }): void {
  const { terms, payer, maxCltvBlocks, maxFeeMsat } = plan;
  const { sending } = payer;
  const routeBlocks =
    terms.finalCltv + sending.routeBlocks + Math.max(...sending.parts.map((part) => part.paddingBlocks));
  if (routeBlocks > maxCltvBlocks)
    throw new SparkleError('no_route', `the route needs ${routeBlocks} blocks, allowed are ${maxCltvBlocks}`, {
      routeBlocks,
    });
  if (sending.routeFeeMsat > maxFeeMsat)
    throw new SparkleError('no_route', `the route costs ${sending.routeFeeMsat} msat, allowed are ${maxFeeMsat}`);
  const neededMsat = totalMsat + sending.routeFeeMsat;
  if (neededMsat > payer.balanceMsat)
    throw new SparkleError('no_route', `the payment needs ${neededMsat} msat, the node has ${payer.balanceMsat}`);
}

function planPart(of: { plan: Plan; part: PartPlan; index: number; totalMsat: bigint }): Part {
  const { plan, part, index, totalMsat } = of;
  const { sending } = plan.payer;
  const count = BigInt(sending.parts.length);
  const sentHeight = plan.height + part.lateBlocks;
  const payeeExpiry = sentHeight + plan.terms.finalCltv + part.paddingBlocks;
  return {
    amountMsat: totalMsat / count + (index === 0 ? totalMsat % count : 0n),
    feeMsat: index === 0 ? sending.routeFeeMsat : 0n,
    arrivalHeight: sentHeight + part.travelBlocks,
    payeeExpiry,
    payerExpiry: payeeExpiry + sending.routeBlocks,
    learnHeight: Number.POSITIVE_INFINITY,
    at: sending.fate === 'stuck' ? 'stuck' : 'way',
  };
}
