import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { decodeInvoice } from 'sparkle-protocol/protocol/bolt11';
import type { WorldNode } from '../../world/nodes.ts';
import { openNode } from '../../world/lightning.ts';
import { accessOf } from '../../world/party.ts';
import { until } from '../regtest/kept-process.ts';
import { type Lnd, openLndChannel } from '../regtest/lnd.ts';
import { lndToLdk } from './channels.ts';
import { LndProcesses, type Place } from './nodes.ts';
import { Said } from './said.ts';

/** How a payment differs from what its invoice asks for; `blocks` are added to the final CLTV. */
export type Oddity = { extraMsat: bigint; blocks: number };

type Channel = { remote_pubkey: string; chan_id: string; capacity: string };
type Attempt = { status: string; failure: { code: string } | null };
type Answer<Response> = (error: { details: string } | null, response: Response) => void;

const CHANNEL_SATS = 2_000_000n;
const PUSH_SATS = 10_000n;

const ask = <Response>(call: (answer: Answer<Response>) => void): Promise<Response> =>
  new Promise((resolve, reject) => {
    call((error, response) => (error === null ? resolve(response) : reject(new Error(error.details))));
  });

/**
 * Pays an invoice of a neighbour over the channel to it, by a route that LND would not make itself. Resolves when the
 * HTLC has ended, with how LND calls that: `SUCCEEDED`, or the code of the failure that came back (BOLT 4).
 */
export async function payOddly(payer: Lnd, { bolt11, oddity }: { bolt11: string; oddity: Oddity }): Promise<string> {
  const { paymentHash, paymentSecret, payee, amountMsat = 0n, minFinalCltv } = decodeInvoice(bolt11);
  const { lnd } = payer;
  const { channels } = await ask<{ channels: Channel[] }>((answer) => lnd.default.listChannels({}, answer));
  const { block_height: height } = await ask<{ block_height: number }>((answer) => lnd.default.getInfo({}, answer));
  const channel = channels.find(({ remote_pubkey }) => remote_pubkey === payee);
  if (channel === undefined) throw new Error(`${payer.name} has no channel to the payee`);
  const msat = String(amountMsat + oddity.extraMsat);
  const expiry = height + minFinalCltv + oddity.blocks;
  const hop = {
    ...{ chan_id: channel.chan_id, chan_capacity: channel.capacity, pub_key: payee, expiry, tlv_payload: true },
    ...{ amt_to_forward_msat: msat, fee_msat: '0' },
    // Without it the payee takes the HTLC for one of a payer who does not know the invoice.
    mpp_record: { payment_addr: Buffer.from(paymentSecret, 'hex'), total_amt_msat: msat },
  };
  const route = { hops: [hop], total_amt_msat: msat, total_fees_msat: '0', total_time_lock: expiry };
  const order = { payment_hash: Buffer.from(paymentHash, 'hex'), route };
  const attempt = await ask<Attempt>((answer) => lnd.router.sendToRouteV2(order, answer));
  return attempt.failure?.code ?? attempt.status;
}

/** A seller with two neighbours: the buyer, who pays as he is told to, and a stranger who has come by an invoice. */
export class OddWorld {
  readonly said = new Said();
  oddity: Oddity = { extraMsat: 0n, blocks: 0 };
  /** How the buyer's last payment ended. */
  ended: Promise<string> = Promise.resolve('nothing was paid');
  readonly #lnds = new LndProcesses();
  readonly #seller: 'LND' | 'embedded';
  #stranger: Lightning | undefined;

  constructor({ seller }: { seller: 'LND' | 'embedded' }) {
    this.#seller = seller;
  }

  readonly open = async (place: Place): Promise<{ seller: WorldNode; buyer: WorldNode }> => {
    const start = (name: string) => this.#lnds.start(place, { name });
    const payers = await Promise.all([start('buyer'), start('stranger')]);
    const seller = this.#seller === 'LND' ? await this.#lnd(place, payers) : await this.#embedded(place, payers);
    const { lightning } = this.#lnds.over('stranger', this.said);
    this.#stranger = lightning;
    place.onStop(() => lightning.close());
    return { seller, buyer: this.#odd(this.#lnds.over('buyer', this.said)) };
  };

  node(name: string): Lnd {
    return this.#lnds.node(name);
  }

  get stranger(): Lightning {
    if (this.#stranger === undefined) throw new Error('the stranger has not started');
    return this.#stranger;
  }

  /** The stranger pays exactly what the invoice asks for; answers how that ended. */
  strangerPays(bolt11: string): Promise<string> {
    return payOddly(this.node('stranger'), { bolt11, oddity: { extraMsat: 0n, blocks: 0 } });
  }

  async #lnd(place: Place, payers: readonly Lnd[]): Promise<WorldNode> {
    const to = await this.#lnds.start(place, { name: 'seller' });
    for (const from of payers)
      await openLndChannel(place.regtest, { from, to, sats: CHANNEL_SATS, pushSats: PUSH_SATS, kind: 'public' });
    return this.#lnds.over('seller', this.said);
  }

  async #embedded({ regtest, dir }: Place, payers: readonly Lnd[]): Promise<WorldNode> {
    const ldk = await openNode({ name: 'seller', access: accessOf(regtest), dir });
    for (const lnd of payers) await lndToLdk(regtest, { lnd, ldk, sats: CHANNEL_SATS });
    return { lightning: ldk, synced: () => ldk.sync() };
  }

  /** Returns, as a driver does, once the payment is under way or has ended. */
  #odd({ lightning, synced }: WorldNode): WorldNode {
    const pay: Lightning['pay'] = async ({ bolt11 }) => {
      const { paymentHash } = decodeInvoice(bolt11);
      this.ended = payOddly(this.node('buyer'), { bolt11, oddity: this.oddity });
      let isOver = false;
      void this.ended.finally(() => (isOver = true)).catch(() => {});
      const isKnown = async () => isOver || (await lightning.payment(paymentHash)).state !== 'unknown';
      await until('LND to know of the payment', isKnown);
    };
    const get = (target: Lightning, name: string | symbol): unknown => {
      const found: unknown = name === 'pay' ? pay : Reflect.get(target, name);
      return typeof found === 'function' ? found.bind(target) : found;
    };
    return { lightning: new Proxy(lightning, { get }), synced };
  }
}
