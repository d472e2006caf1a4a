import { z } from 'zod';
import { SparkleError } from '../../protocol/errors.ts';

/** NIP-47's event kinds. The old notification is encrypted with NIP-04. */
export const kinds = { info: 13194, request: 23194, response: 23195, notificationNip04: 23196, notification: 23197 };

/** NIP-47's methods that are used or served here. */
export const methods = [
  'pay_invoice',
  'make_invoice',
  'make_hold_invoice',
  'settle_hold_invoice',
  'cancel_hold_invoice',
  'lookup_invoice',
  'list_transactions',
  'get_balance',
  'get_info',
] as const;
export type Method = (typeof methods)[number];

export const notificationTypes = ['payment_received', 'payment_sent', 'hold_invoice_accepted'] as const;
export type NotificationType = (typeof notificationTypes)[number];

/** NIP-47's error codes that a service of ours answers with. */
export type WalletErrorCode =
  | 'RATE_LIMITED'
  | 'NOT_IMPLEMENTED'
  | 'INSUFFICIENT_BALANCE'
  | 'PAYMENT_FAILED'
  | 'NOT_FOUND'
  | 'QUOTA_EXCEEDED'
  | 'RESTRICTED'
  | 'UNAUTHORIZED'
  | 'INTERNAL'
  | 'UNSUPPORTED_ENCRYPTION'
  | 'OTHER';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const whole = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

export const requestSchema = z.object({ method: z.string(), params: z.unknown().optional() });

export const responseSchema = z.object({
  result_type: z.string().nullish(),
  error: z.object({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
  result: z.unknown().optional(),
});

export const notificationSchema = z.object({
  notification_type: z.string(),
  notification: z.object({ payment_hash: hex32 }),
});

export const payResultSchema = z.object({ preimage: z.string(), fees_paid: whole.nullish() });

/** `hold_expiry_margin` is ours: blocks that the service takes off an expiry to get its `settle_deadline`. */
export const infoResultSchema = z.object({
  pubkey: z.string().nullish(),
  network: z.string().nullish(),
  block_height: whole.nullish(),
  methods: z.array(z.string()),
  notifications: z.array(z.string()).nullish(),
  hold_expiry_margin: whole.nullish(),
});
export type InfoResult = z.infer<typeof infoResultSchema>;

/** `spendable` is ours, beside the NIP's `balance`. */
export const balanceResultSchema = z.object({ balance: whole, spendable: whole.nullish() });

/** A transaction as wallets tell it: Alby Hub writes '' and null where the NIP leaves a field out. */
export const transactionSchema = z.object({
  type: z.enum(['incoming', 'outgoing']),
  state: z.enum(['pending', 'settled', 'accepted', 'expired', 'failed']).nullish(),
  invoice: z.string().nullish(),
  description: z.string().nullish(),
  preimage: z.string().nullish(),
  payment_hash: hex32,
  amount: whole,
  fees_paid: whole.nullish(),
  created_at: whole.nullish(),
  expires_at: whole.nullish(),
  settled_at: whole.nullish(),
  settle_deadline: whole.nullish(),
});
export type WalletTransaction = z.infer<typeof transactionSchema>;

const description = z.string().max(639).optional();
const makeFields = { amount: whole.min(1), description, expiry: whole.min(1).optional() };

/** Parameters as a service of ours takes them; what it does not know (`metadata`) is passed over. */
export const paramsSchemas = {
  pay_invoice: z.object({ invoice: z.string().max(4096), amount: whole.optional() }),
  make_invoice: z.object(makeFields),
  make_hold_invoice: z.object({
    ...makeFields,
    payment_hash: hex32,
    min_cltv_expiry_delta: whole.min(1).optional(),
  }),
  settle_hold_invoice: z.object({ preimage: hex32 }),
  cancel_hold_invoice: z.object({ payment_hash: hex32 }),
  lookup_invoice: z.object({ payment_hash: hex32.optional(), invoice: z.string().max(4096).optional() }),
  list_transactions: z.object({
    from: whole.optional(),
    until: whole.optional(),
    limit: whole.optional(),
    offset: whole.optional(),
    unpaid: z.boolean().optional(),
    type: z.enum(['incoming', 'outgoing']).optional(),
  }),
  get_balance: z.object({}),
  get_info: z.object({}),
} satisfies Record<Method, z.ZodType>;

/** JSON that came decrypted, or `undefined`; the parser's own words would quote what may be a secret. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An amount as a JSON number. Throws `bad_amount` beyond 2^53 - 1 msat. */
export function msatNumber(msat: bigint): number {
  if (msat <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(msat);
  throw new SparkleError('bad_amount', `an amount over NWC must be at most 2^53 - 1 msat; got ${msat}`);
}
