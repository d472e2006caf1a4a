import { buildListing, readListing } from 'sparkle-protocol/protocol/listing';
import type { Fill } from 'sparkle-protocol/protocol/trade/terms';
import { type Inscribed, type Regtest, scriptOf } from '../test/regtest/bitcoind.ts';
import type { World } from './world.ts';

/** An inscription that its owner has listed: whoever sells it fills his listing. */
export type Listed = { inscribed: Inscribed; fill: Fill };

type Processed = { psbt: string; complete: boolean };

/** Somebody with a wallet and nothing else: no Lightning, no program of ours, and not there when his inscription is sold. */
export class Owner {
  readonly #regtest: Regtest;
  readonly #wallet: string;

  private constructor(regtest: Regtest, wallet: string) {
    this.#regtest = regtest;
    this.#wallet = wallet;
  }

  static async open({ regtest }: Pick<World, 'regtest'>, wallet: string): Promise<Owner> {
    return new Owner(regtest, await regtest.fundedWallet({ name: wallet, sats: 1_000_000n }));
  }

  address(): Promise<string> {
    return this.#regtest.rpc<string>('getnewaddress', ['', 'bech32m'], this.#wallet);
  }

  async inscribe(text: string, postageSats = 10_000n): Promise<Inscribed> {
    return this.#regtest.inscribe({ body: text, contentType: 'text/plain', to: await this.address(), postageSats });
  }

  /** What he signs with any wallet and hands out: the listing as base64, and where he is paid. */
  async list(inscribed: Inscribed, priceSats: bigint): Promise<{ psbt: string; payoutAddress: string }> {
    const { inscriptionId, outpoint, valueSats } = inscribed;
    const [txid, vout] = outpoint.split(':');
    const { scriptPubKey } = await this.#regtest.rpc<{ scriptPubKey: { address: string } }>('gettxout', [
      txid,
      Number(vout),
    ]);
    const payoutAddress = await this.address();
    const { network } = this.#regtest;
    const unsigned = buildListing({
      ...{ network, inscriptionId, offsetSats: 0n, priceSats, payoutAddress },
      source: { outpoint, valueSats, script: scriptOf(scriptPubKey.address, network) },
    });
    const process = [unsigned, true, 'SINGLE|ANYONECANPAY', true, true];
    const { psbt } = await this.#regtest.rpc<Processed>('walletprocesspsbt', process, this.#wallet);
    return { psbt, payoutAddress };
  }

  /** A listing as a coordinator that fills it holds it. */
  async listed({ text, priceSats }: { text: string; priceSats: bigint }): Promise<Listed & { payoutAddress: string }> {
    const inscribed = await this.inscribe(text);
    const { psbt, payoutAddress } = await this.list(inscribed, priceSats);
    return {
      inscribed,
      payoutAddress,
      fill: { listing: readListing({ psbt, network: this.#regtest.network }), payouts: [] },
    };
  }

  /** Moves what he has listed: the listing is good for nothing from now on. */
  async moveAway(inscribed: Inscribed): Promise<string> {
    return this.#regtest.rpc<string>('sendrawtransaction', [await this.movingAway(inscribed)]);
  }

  /** The same, signed and not sent. */
  async movingAway({ outpoint, valueSats }: Inscribed): Promise<string> {
    const [txid = '', vout] = outpoint.split(':');
    const outputs = [{ [await this.address()]: Number(valueSats - 1_000n) / 1e8 }];
    const { rpc } = this.#regtest;
    const raw = await rpc<string>('createrawtransaction', [[{ txid, vout: Number(vout) }], outputs]);
    const { hex } = await rpc<{ hex: string }>('signrawtransactionwithwallet', [raw], this.#wallet);
    return hex;
  }

  /** Sats that reached an address of his. */
  async receivedSats(address: string): Promise<bigint> {
    const coins = await this.#regtest.rpc<number>('getreceivedbyaddress', [address], this.#wallet);
    return BigInt(Math.round(coins * 1e8));
  }
}
