import { z } from 'zod';
import { decodeTransaction } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import { readOutpoint } from '../protocol/inscription.ts';
import { bitcoindRpc, hex32, hexBytes, sats, type BitcoindRpc, type BitcoindRpcOptions } from './bitcoind-rpc.ts';
import type { Coin, Wallet } from './wallet.ts';

/** A wallet that lives in a Bitcoin node, by its name there. It must be loaded. */
export type BitcoindWalletOptions = BitcoindRpcOptions & { wallet: string };

/** rpc/protocol.h: RPC_WALLET_NOT_FOUND. */
const NO_SUCH_WALLET = -18;
const MAX_CONFIRMATIONS = 9_999_999;

const coinsShape = z.array(
  z.object({
    ...{ txid: hex32, vout: z.number().int(), amount: sats, scriptPubKey: hexBytes },
    ...{ confirmations: z.number().int(), spendable: z.boolean(), solvable: z.boolean() },
  }),
);
const signedShape = z.object({
  hex: hexBytes,
  complete: z.boolean(),
  errors: z.array(z.object({ txid: hex32, vout: z.number().int(), error: z.string() })).default([]),
});
const scriptShape = z.object({ address: z.string().optional() });
const ownerShape = z.object({ ismine: z.boolean() });

type Spent = { valueSats: bigint; script: string };
type Signed = z.infer<typeof signedShape>;

/** The node reads a decimal string as an amount; a number would pass through a binary fraction. */
const inCoins = (value: bigint): string => `${value / 100_000_000n}.${String(value % 100_000_000n).padStart(8, '0')}`;

async function ownsScript(rpc: BitcoindRpc, script: string): Promise<boolean> {
  const { address } = await rpc.call('decodescript', [script], scriptShape);
  if (address === undefined) return false;
  return (await rpc.call('getaddressinfo', [address], ownerShape)).ismine;
}

async function askToSign(
  rpc: BitcoindRpc,
  request: { raw: string; inputs: (Spent & { outpoint: string })[] },
): Promise<Signed> {
  // Given whole, so that an input whose parent is not even broadcast yet can be signed (BIP 341 commits to all of them).
  const known = request.inputs.map(({ outpoint, valueSats, script }) => ({
    ...readOutpoint(outpoint),
    ...{ scriptPubKey: script, amount: inCoins(valueSats) },
  }));
  const answer = await rpc.ask('signrawtransactionwithwallet', [request.raw, known]);
  if ('refusal' in answer) {
    const { code, reason } = answer.refusal;
    const unavailable = code === NO_SUCH_WALLET;
    const sentence = `the node's wallet must sign the transaction; it refused: ${reason}`;
    throw new SparkleError(unavailable ? 'chain_unavailable' : 'bad_transaction', sentence, { reason });
  }
  const { data } = signedShape.safeParse(answer.result);
  if (data !== undefined) return data;
  throw new SparkleError('chain_unavailable', "the node's answer to signrawtransactionwithwallet has another shape");
}

async function sign(rpc: BitcoindRpc, raw: string, spent: Spent[]): Promise<string> {
  const { inputs } = decodeTransaction(raw);
  if (inputs.length !== spent.length) {
    const sentence = `spent must name every input: ${inputs.length} were expected; got ${spent.length}`;
    throw new SparkleError('bad_transaction', sentence, { inputs: inputs.length, spent: spent.length });
  }
  const named = spent.map((output, index) => ({ ...output, outpoint: inputs[index]?.outpoint ?? '' }));
  const signed = await askToSign(rpc, { raw, inputs: named });
  for (const { txid, vout, error } of signed.errors) {
    const input = named.find(({ outpoint }) => outpoint === `${txid}:${vout}`);
    // What belongs to others they sign themselves.
    if (input === undefined || !(await ownsScript(rpc, input.script))) continue;
    const sentence = `the node's wallet must sign its input ${input.outpoint}; it could not: ${error}`;
    throw new SparkleError('bad_transaction', sentence, { outpoint: input.outpoint, reason: error });
  }
  return signed.hex;
}

/** The wallet of a Bitcoin node. Addresses are Taproot (bech32m). Coins that the node's owner has locked are not offered. */
export function bitcoindWallet({ wallet, ...options }: BitcoindWalletOptions): Wallet {
  const rpc = bitcoindRpc({ ...options, url: `${options.url}/wallet/${encodeURIComponent(wallet)}` });
  return {
    address: () => rpc.call('getnewaddress', ['', 'bech32m'], z.string()),
    async coins() {
      const coins = await rpc.call('listunspent', [1, MAX_CONFIRMATIONS], coinsShape);
      return coins
        .filter(({ spendable, solvable }) => spendable && solvable)
        .map(({ txid, vout, amount, scriptPubKey, confirmations }): Coin => ({
          ...{ outpoint: `${txid}:${vout}`, valueSats: amount, script: scriptPubKey, confirmations },
        }));
    },
    sign: (raw, spent) => sign(rpc, raw, spent),
  };
}
