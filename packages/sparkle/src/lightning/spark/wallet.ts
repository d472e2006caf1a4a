import { hex } from '@scure/base';
import { z } from 'zod';
import { SparkleError } from '../../protocol/errors.ts';
import type { NetworkName } from '../../protocol/network.ts';

/**
 * What this driver uses of a `SparkWallet` (@buildonspark/spark-sdk 0.8), so that the package need not be installed to
 * compile or test. Answers are read where they come in.
 */
export type SparkWalletLike = {
  createLightningHodlInvoice(params: {
    amountSats: number;
    paymentHash: string;
    memo: string;
    expirySeconds: number;
    includeSparkAddress: boolean;
    includeSparkInvoice: boolean;
  }): Promise<unknown>;
  payLightningInvoice(params: {
    invoice: string;
    maxFeeSats: number;
    preferSpark: boolean;
    idempotencyKey: string;
  }): Promise<unknown>;
  claimHTLC(preimage: string): Promise<unknown>;
  queryHTLC(params: { paymentHashes: string[]; matchRole: number; limit: number; offset: number }): Promise<unknown>;
  getBalance(): Promise<unknown>;
  cleanupConnections(): Promise<void>;
};

/** How the SDK opens a wallet. `mnemonicOrSeed` is a secret: it is handed on and kept nowhere. */
export type SparkWalletOptions = { mnemonicOrSeed: string | Uint8Array; accountNumber: number; network: NetworkName };

/** spark.proto, PreimageRequestRole and PreimageRequestStatus. */
export const ROLE = { receiver: 0, sender: 1 } as const;
const STATUS = ['waiting', 'shared', 'returned'] as const;

const bytes = z.instanceof(Uint8Array).transform((value) => hex.encode(value));

export const receiveShape = z.object({ invoice: z.object({ encodedInvoice: z.string() }) });
/** A WalletTransfer instead of it: the money went over Spark, without a preimage. */
export const sendShape = z.object({ id: z.string(), encodedInvoice: z.string() });
export const balanceShape = z.object({ balance: z.bigint().nonnegative() });
export const htlcsShape = z.object({
  preimageRequests: z.array(
    z.object({
      paymentHash: bytes,
      status: z.union([z.literal(0), z.literal(1), z.literal(2)]).transform((status) => STATUS[status]),
      preimage: bytes.optional(),
      transfer: z.object({ totalValue: z.int().nonnegative() }).optional(),
    }),
  ),
});
export type SparkHtlc = z.infer<typeof htlcsShape>['preimageRequests'][number];

const PACKAGE = '@buildonspark/spark-sdk';

const NETWORK_OF: Readonly<Partial<Record<NetworkName, string>>> = {
  mainnet: 'MAINNET',
  testnet: 'TESTNET',
  signet: 'SIGNET',
  regtest: 'REGTEST',
};

const sdkShape = z.object({ SparkWallet: z.custom<Sdk>((value) => typeof value === 'function') });
type Sdk = {
  initialize(of: {
    mnemonicOrSeed: string | Uint8Array;
    accountNumber: number;
    options: { network: string };
  }): Promise<{ wallet: SparkWalletLike }>;
};

/** Opens a wallet with the SDK where it is installed. Throws `not_supported` where it is not. */
export async function openSparkWallet(of: SparkWalletOptions): Promise<SparkWalletLike> {
  const network = NETWORK_OF[of.network];
  if (network === undefined) throw new SparkleError('wrong_network', `Spark has no network ${of.network}`);
  const { SparkWallet } = await loadSdk(PACKAGE);
  const { mnemonicOrSeed, accountNumber } = of;
  const { wallet } = await SparkWallet.initialize({ mnemonicOrSeed, accountNumber, options: { network } });
  return wallet;
}

/** The name is a variable: the package is optional, and compilers and bundlers must not look for it. */
async function loadSdk(name: string): Promise<{ SparkWallet: Sdk }> {
  try {
    return sdkShape.parse(await import(name));
  } catch {
    throw new SparkleError('not_supported', `Spark needs the package ${name} beside this one: npm install ${name}`);
  }
}
