import { schnorr } from '@noble/curves/secp256k1.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { p2tr } from '@scure/btc-signer/payment.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { taprootTweakPrivKey } from '@scure/btc-signer/utils.js';
import { decodeTransaction, withWitness } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import { networks, type NetworkName } from '../protocol/network.ts';
import type { MemoryChain } from './memory.ts';
import type { Wallet } from './wallet.ts';

/** `secret` is all there is to the wallet: opened again with it on the same chain, it has the same coins. */
export type MemoryWalletOptions = { chain: MemoryChain; network: NetworkName; secret: Uint8Array };

type Key = { script: string; address: string; secret: Uint8Array };

/** So many unused addresses are watched ahead, for those that were given out before the wallet was opened again. */
const LOOK_AHEAD = 20;

class MemoryKeys {
  private readonly options: MemoryWalletOptions;
  private readonly keys: Key[] = [];
  private given = 0;

  constructor(options: MemoryWalletOptions) {
    this.options = options;
  }

  next(): Key {
    this.catchUp();
    const key = this.at(this.given);
    this.given += 1;
    return key;
  }

  /** Every key that somebody may have paid to, by its script. */
  all(): ReadonlyMap<string, Key> {
    this.catchUp();
    return this.known();
  }

  private known(): ReadonlyMap<string, Key> {
    for (let index = 0; index < this.given + LOOK_AHEAD; index += 1) this.at(index);
    return new Map(this.keys.map((key) => [key.script, key]));
  }

  private catchUp(): void {
    for (;;) {
      const known = this.known();
      const coins = this.options.chain.control.coinsOf(new Set(known.keys()));
      const last = Math.max(-1, ...coins.map(({ script }) => this.keys.findIndex((key) => key.script === script)));
      if (last < this.given) return;
      this.given = last + 1;
    }
  }

  private at(index: number): Key {
    const known = this.keys[index];
    if (known !== undefined) return known;
    const { secret: root, network } = this.options;
    const secret = hmac(sha256, root, new TextEncoder().encode(`memory wallet key ${index}`));
    const payment = p2tr(schnorr.getPublicKey(secret), undefined, networks[network].address);
    const key = { script: hex.encode(payment.script), address: payment.address, secret: taprootTweakPrivKey(secret) };
    this.keys[index] = key;
    return key;
  }
}

type Spent = { valueSats: bigint; script: string };

function signInput(signing: { raw: string; index: number; spent: readonly Spent[]; secret: Uint8Array }): string {
  const { raw, index, spent, secret } = signing;
  const parsed = Transaction.fromRaw(hex.decode(raw), {
    ...{ allowUnknownInputs: true, allowUnknownOutputs: true, disableScriptCheck: true },
  });
  const scripts = spent.map(({ script }) => hex.decode(script));
  const values = spent.map(({ valueSats }) => valueSats);
  const message = parsed.preimageWitnessV1(index, scripts, 0, values);
  return withWitness(raw, index, [schnorr.sign(message, secret, new Uint8Array(32))]);
}

/** A wallet on a memory chain: Taproot keys derived from one secret, every signature the same each time it is made. */
export function memoryWallet(options: MemoryWalletOptions): Wallet {
  const keys = new MemoryKeys(options);
  return {
    address: async () => keys.next().address,
    coins: async () => options.chain.control.coinsOf(new Set(keys.all().keys())),
    async sign(raw, spent) {
      const { inputs } = decodeTransaction(raw);
      if (inputs.length !== spent.length) {
        const sentence = `spent must name every input: ${inputs.length} were expected; got ${spent.length}`;
        throw new SparkleError('bad_transaction', sentence, { inputs: inputs.length, spent: spent.length });
      }
      const owned = keys.all();
      return spent.reduce((signed, { script }, index) => {
        const key = owned.get(script);
        return key === undefined ? signed : signInput({ raw: signed, index, spent, secret: key.secret });
      }, raw);
    },
  };
}
