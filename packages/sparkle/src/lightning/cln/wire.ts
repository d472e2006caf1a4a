import { z } from 'zod';

/** `1000`, or `"1000msat"` as Core Lightning wrote it before 23.08. A number beyond 2^53 has been rounded by JSON: refused. */
const msat = z.union([
  z.int().nonnegative().transform(BigInt),
  z
    .string()
    .regex(/^(?:0|[1-9][0-9]{0,18})msat$/)
    .transform((text) => BigInt(text.slice(0, -'msat'.length))),
]);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const nodeId = z.string().regex(/^0[23][0-9a-f]{64}$/);
const height = z.int().nonnegative();

/** Everything a node says beyond these members is passed over: it says more with every version. */
export const getinfoShape = z.object({ id: nodeId, network: z.string(), blockheight: height, version: z.string() });

export const HOLD_EXPIRY_OPTION = 'hold-expiry-deadline';

export const listconfigsShape = z.object({
  configs: z.object({ [HOLD_EXPIRY_OPTION]: z.object({ value_int: height }).optional() }),
});

export const bolt11Shape = z.object({ bolt11: z.string() });

/** `channel_id` is what BOLT 2 calls the id of an HTLC. Times are passed over: they carry no zone. */
const holdHtlcShape = z.object({
  state: z.enum(['unpaid', 'accepted', 'paid', 'cancelled']),
  channel_id: z.int().nonnegative(),
  msat,
  cltv_expiry: height.nullish(),
});

export const listholdinvoicesShape = z.object({
  holdinvoices: z.array(
    z.object({
      payment_hash: hash,
      invoice: z.string(),
      state: z.enum(['unpaid', 'accepted', 'paid', 'cancelled']),
      htlcs: z.array(holdHtlcShape),
    }),
  ),
});
export type HoldInvoiceRow = z.infer<typeof listholdinvoicesShape>['holdinvoices'][number];

export const listinvoicesShape = z.object({
  invoices: z.array(
    z.object({
      label: z.string(),
      payment_hash: hash,
      status: z.enum(['unpaid', 'paid', 'expired']),
      bolt11: z.string().optional(),
      amount_received_msat: msat.optional(),
    }),
  ),
});
export type InvoiceRow = z.infer<typeof listinvoicesShape>['invoices'][number];

const channelUpdateShape = z.object({
  fee_base_msat: msat,
  fee_proportional_millionths: z.int().nonnegative(),
  cltv_expiry_delta: z.int().nonnegative(),
});

const channelHtlcShape = z.object({
  direction: z.enum(['in', 'out']),
  id: z.int().nonnegative(),
  amount_msat: msat,
  expiry: height,
  payment_hash: hash,
  state: z.string(),
});

export const listpeerchannelsShape = z.object({
  channels: z.array(
    z.object({
      peer_id: nodeId,
      peer_connected: z.boolean(),
      state: z.string(),
      private: z.boolean().optional(),
      short_channel_id: z.string().optional(),
      alias: z.object({ remote: z.string().optional() }).optional(),
      updates: z.object({ remote: channelUpdateShape.optional() }).optional(),
      to_us_msat: msat.optional(),
      spendable_msat: msat.optional(),
      receivable_msat: msat.optional(),
      htlcs: z.array(channelHtlcShape).optional(),
    }),
  ),
});
export type Channel = z.infer<typeof listpeerchannelsShape>['channels'][number];
export type ChannelHtlc = z.infer<typeof channelHtlcShape>;

/** One row for each attempt to pay. */
export const listpaysShape = z.object({
  pays: z.array(
    z.discriminatedUnion('status', [
      z.object({ status: z.literal('pending'), payment_hash: hash }),
      z.object({ status: z.literal('failed'), payment_hash: hash }),
      z.object({
        status: z.literal('complete'),
        payment_hash: hash,
        preimage: hash,
        amount_msat: msat,
        amount_sent_msat: msat,
      }),
    ]),
  ),
});
export type PayRow = z.infer<typeof listpaysShape>['pays'][number];
