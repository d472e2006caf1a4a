import type { z } from 'zod';
import { SparkleError } from '../../protocol/errors.ts';
import { htlcsShape, type SparkHtlc, type SparkWalletLike } from './wallet.ts';

/** Everything that leaves the outcome open. What the SDK itself says may hold a preimage or a key and is not repeated. */
export const sparkUnavailable = (reason: string, said: string): SparkleError =>
  new SparkleError('lightning_unavailable', `the Spark wallet must answer; ${said}`, { reason });

/** An answer in the shape of `shape`. Throws `lightning_unavailable`. */
export async function answered<T>(of: { call: string; work: Promise<unknown>; shape: z.ZodType<T> }): Promise<T> {
  const { call, work, shape } = of;
  let answer: unknown;
  try {
    answer = await work;
  } catch {
    throw sparkUnavailable('refused', `${call} failed`);
  }
  const read = shape.safeParse(answer);
  if (read.success) return read.data;
  const path = read.error.issues[0]?.path.join('.') ?? '';
  throw sparkUnavailable('garbage', `its answer to ${call} is not as expected at "${path}"`);
}

/** The payments of one hash that wait, were settled or went back. */
export async function htlcsOf(of: {
  wallet: SparkWalletLike;
  paymentHash: string;
  role: number;
}): Promise<readonly SparkHtlc[]> {
  const { wallet, paymentHash, role } = of;
  const params = { paymentHashes: [paymentHash], matchRole: role, limit: 100, offset: 0 };
  const { preimageRequests } = await answered({
    call: 'queryHTLC',
    work: wallet.queryHTLC(params),
    shape: htlcsShape,
  });
  if (preimageRequests.some((each) => each.paymentHash !== paymentHash))
    throw sparkUnavailable('garbage', 'it answers for another payment hash than it was asked for');
  return preimageRequests;
}

export const sumMsat = (htlcs: readonly SparkHtlc[]): bigint =>
  htlcs.reduce((sum, { transfer }) => sum + BigInt(transfer?.totalValue ?? 0) * 1000n, 0n);
