import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { p2tr } from '@scure/btc-signer/payment.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { taprootTweakPrivKey } from '@scure/btc-signer/utils.js';
import type { MemoryChain } from 'sparkle-protocol/chain/memory';
import type { Wallet } from 'sparkle-protocol/chain/wallet';
import { decodeTransaction, withWitness } from 'sparkle-protocol/protocol/draft';
import { networks } from 'sparkle-protocol/protocol/network';

type Key = { script: string; address: string; secret: Uint8Array };

/** So many addresses somebody has; from then on they come again. */
const KEYS = 12;

const rings = new Map<string, readonly Key[]>();

/** The keys of somebody: the same in every world, and made once only, because making them takes longer than a trade. */
export function keyRing(owner: string): readonly Key[] {
  const known = rings.get(owner);
  if (known !== undefined) return known;
  // A coin or a lot has one address, people have many.
  const length = /^(?:coin|lot|rich)/.test(owner) ? 1 : KEYS;
  const made = Array.from({ length }, (_, index) => {
    const secret = sha256(new TextEncoder().encode(`simulated purse of ${owner}, key ${index}`));
    const { script, address } = p2tr(schnorr.getPublicKey(secret), undefined, networks.regtest.address);
    return { script: hex.encode(script), address, secret: taprootTweakPrivKey(secret) };
  });
  rings.set(owner, made);
  return made;
}

type Spent = { valueSats: bigint; script: string };

function sighash({ raw, index, spent }: { raw: string; index: number; spent: readonly Spent[] }): Uint8Array {
  const lax = { allowUnknownInputs: true, allowUnknownOutputs: true, disableScriptCheck: true };
  return Transaction.fromRaw(hex.decode(raw), lax).preimageWitnessV1(
    index,
    spent.map(({ script }) => hex.decode(script)),
    0,
    spent.map(({ valueSats }) => valueSats),
  );
}

/** A wallet that lives in its world only. Signs by key path what is its own, the same each time. */
export class Purse implements Wallet {
  readonly #chain: MemoryChain;
  readonly #keys: ReadonlyMap<string, Key>;
  readonly #addresses: readonly string[];
  #given = 0;

  /** Gives out addresses of the first of its owners only. */
  constructor({ chain, owners }: { chain: MemoryChain; owners: readonly string[] }) {
    this.#chain = chain;
    this.#keys = new Map(owners.flatMap(keyRing).map((key) => [key.script, key]));
    this.#addresses = owners
      .slice(0, 1)
      .flatMap(keyRing)
      .map(({ address }) => address);
  }

  owns(script: string): boolean {
    return this.#keys.has(script);
  }

  /** The first script of somebody whose keys these are too. */
  scriptOf(owner: string): string {
    return keyRing(owner)[0]?.script ?? '';
  }

  async address(): Promise<string> {
    return this.nextAddress();
  }

  nextAddress(): string {
    const address = this.#addresses[this.#given % this.#addresses.length] ?? '';
    this.#given += 1;
    return address;
  }

  async coins() {
    return this.#chain.control.coinsOf(new Set(this.#keys.keys()));
  }

  async sign(raw: string, spent: Spent[]): Promise<string> {
    return this.signNow(raw, spent);
  }

  signNow(raw: string, spent: readonly Spent[]): string {
    return spent.reduce((signed: string, { script }, index) => {
      const key = this.#keys.get(script);
      if (key === undefined) return signed;
      const signature = schnorr.sign(sighash({ raw, index, spent }), key.secret, new Uint8Array(32));
      return withWitness(signed, index, [signature]);
    }, raw);
  }

  /** Everything that it has, unconfirmed or not, but for outputs in `but`. */
  async worthSats(but: ReadonlySet<string>): Promise<bigint> {
    const { control } = this.#chain;
    const confirmed = (await this.coins()).filter(({ outpoint }) => !but.has(outpoint));
    const waiting = await Promise.all(control.mempool().map((txid) => this.#chain.transaction(txid)));
    const outputs = waiting.flatMap((found) =>
      found === undefined
        ? []
        : decodeTransaction(found.raw).outputs.map((output, vout) => ({
            ...output,
            outpoint: `${found.txid}:${vout}`,
          })),
    );
    const unspent = await Promise.all(
      outputs
        .filter(({ script, outpoint }) => this.owns(script) && !but.has(outpoint))
        .map(({ outpoint }) => this.#chain.unspent(outpoint)),
    );
    return [...confirmed, ...unspent].reduce((sum, coin) => sum + (coin?.valueSats ?? 0n), 0n);
  }
}
