import { hex } from '@scure/base';
import { z } from 'zod';
import type { NetworkName } from '../../protocol/network.ts';

// proto3 JSON and this library give 64-bit numbers as decimal strings: added to a number they would be glued to it.
const int64 = z
  .string()
  .regex(/^(?:0|[1-9][0-9]{0,19})$/)
  .transform(BigInt);
const uint32 = z.number().int().nonnegative();
const bytes = z.instanceof(Uint8Array).transform((value) => hex.encode(Uint8Array.from(value)));
const scid = z.string();
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const networkNames: Readonly<Record<string, NetworkName>> = {
  mainnet: 'mainnet',
  testnet: 'testnet',
  testnet3: 'testnet',
  testnet4: 'testnet4',
  signet: 'signet',
  regtest: 'regtest',
};

const network = z.string().transform((name, context): NetworkName => {
  const known = networkNames[name];
  if (known === undefined) context.addIssue({ code: 'custom', message: 'a network this project does not know' });
  return known ?? z.NEVER;
});

/** What of LND's answers is used, and how it must look. Source: lightning.proto, invoices.proto and router.proto of LND 0.21. */
export const wire = {
  info: z.object({
    identity_pubkey: z.string().regex(/^0[23][0-9a-f]{64}$/),
    version: z.string(),
    chains: z.array(z.object({ network })).min(1),
  }),
  added: z.object({ payment_request: z.string().min(1) }),
  addedInvoice: z.object({ payment_request: z.string().min(1), r_hash: bytes }),
  nothing: z.unknown(),
  permitted: z.object({ valid: z.boolean() }),
  invoice: z.object({
    payment_request: z.string(),
    r_hash: bytes,
    r_preimage: bytes,
    state: z.enum(['OPEN', 'SETTLED', 'CANCELED', 'ACCEPTED']),
    amt_paid_msat: int64,
    htlcs: z.array(
      z.object({
        chan_id: scid,
        htlc_index: z.string(),
        amt_msat: int64,
        expiry_height: uint32,
        state: z.enum(['ACCEPTED', 'SETTLED', 'CANCELED']),
      }),
    ),
  }),
  payment: z.object({
    payment_hash: hash,
    payment_preimage: z.string(),
    // Old nodes say UNKNOWN of a payment that has just begun.
    status: z.enum(['UNKNOWN', 'INITIATED', 'IN_FLIGHT', 'SUCCEEDED', 'FAILED']),
    fee_msat: int64,
    failure_reason: z.string(),
    htlcs: z.array(
      z.object({
        status: z.enum(['IN_FLIGHT', 'SUCCEEDED', 'FAILED']),
        route: z.object({ total_time_lock: uint32 }).nullable(),
      }),
    ),
  }),
  incoming: z.object({
    channels: z.array(
      z.object({
        chan_id: scid,
        alias_scids: z.array(scid),
        zero_conf_confirmed_scid: scid,
        pending_htlcs: z.array(z.object({ incoming: z.boolean(), hash_lock: bytes, htlc_index: z.string() })),
      }),
    ),
  }),
  channelBalance: z.object({ local_balance: z.object({ msat: int64 }).nullable() }),
  channels: z.object({
    channels: z.array(
      z.object({
        active: z.boolean(),
        local_balance: int64,
        commit_fee: int64,
        fee_per_kw: int64,
        initiator: z.boolean(),
        local_constraints: z.object({ chan_reserve_sat: int64 }).nullable(),
      }),
    ),
  }),
} as const;

export type LndInvoice = z.output<typeof wire.invoice>;
export type LndIncoming = z.output<typeof wire.incoming>['channels'][number];
export type LndPayment = z.output<typeof wire.payment>;
export type LndChannel = z.output<typeof wire.channels>['channels'][number];
