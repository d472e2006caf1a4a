import type { CheckoutStateWire, PreparedWire, ProofWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { decodeInvoice } from 'sparkle-protocol/protocol/bolt11';
import { rescueSeed, type TradeKeys, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import type { Answer, Asking } from '../../world/ask.ts';
import type { Owner } from '../../world/owner.ts';
import { buyerWith, checkoutBody, claimOf, listingBody, termsIn } from '../coordinator/buyer-http.ts';
import type { Inscribed } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import type { Stage } from './stage.ts';

export const ASKED_SATS = 60_000n;
const BUYER_SEED = rescueSeed('letter advice cage absurd amount doctor acoustic avoid letter advice cage above');
const PATIENCE = { patienceMilliseconds: 900_000, everyMilliseconds: 250 };
const PAY = { maxFeeMsat: 100_000n, maxCltvBlocks: 432, timeoutSeconds: 60 };

type Draw = (below: number) => number;
/** What becomes of a sale, by the people in it; `owner moves it` only if he is in time. */
export type Kind = 'hands over' | 'claims alone' | 'walks away' | 'never pays' | 'owner moves it';
type Bought = { keys: TradeKeys; checkout: PreparedWire; totalSats: bigint };

let lastKey = 0;

/** One item from its listing to its end, bought through HTTP by somebody who asks either instance and believes neither. */
export class Sale {
  readonly kind: Kind;
  /** The transaction with which the owner took what he had listed. */
  moved: string | undefined;
  #hasMoved = false;
  inscribed: Inscribed | undefined;
  payoutAddress = '';
  address = '';
  /** Every checkout that was begun: one whose invoice ran out is followed by another. */
  readonly tried: Bought[] = [];
  readonly #stage: Stage;
  readonly #draw: Draw;

  constructor(of: { stage: Stage; draw: Draw; kind: Kind }) {
    this.#stage = of.stage;
    this.#draw = of.draw;
    this.kind = of.kind;
  }

  /** Ends when the buyer has what he wants, or has done the last that he will do. */
  async run(owner: Owner, inscribed: Inscribed): Promise<void> {
    this.inscribed = inscribed;
    await this.#list(owner, inscribed);
    this.address = await this.#stage.regtest.address('buyer');
    if (this.kind === 'never pays') return this.#asked(inscribed);
    for (;;) {
      const bought = await this.#paid(inscribed, owner);
      if (bought === undefined || this.kind === 'walks away') return;
      const raw = await this.#claim(bought);
      // His money came back before the lock was in a block: he buys again what is still there.
      if (raw === undefined && this.moved !== undefined) return;
      if (raw === undefined) continue;
      return this.kind === 'claims alone' ? this.#claimAlone(bought, raw) : this.#handOver(bought, raw);
    }
  }

  /** Either instance, as a proxy in front of them would choose. */
  #ask<Body>(method: string, path: string, asking: Asking = {}): Promise<Answer<Body>> {
    return this.#stage.ask<Body>(this.#draw(2), method, path, asking);
  }

  /** Asks until it is answered; what is refused for good is a disagreement. */
  async #insist<Body>(method: string, path: string, asking: Asking): Promise<Body> {
    let last: Answer<Body> | undefined;
    const isAnswered = async () => (last = await this.#ask<Body>(method, path, asking)).status < 300 && last.status > 0;
    await until(`${method} ${path}`, isAnswered, PATIENCE).catch((error: unknown) => {
      throw new Error(`the last answer was ${last?.status} ${JSON.stringify(last?.body)}`, { cause: error });
    });
    if (last === undefined) throw new Error('nobody was asked');
    return last.body;
  }

  async #list(owner: Owner, inscribed: Inscribed): Promise<void> {
    const { psbt, payoutAddress } = await owner.list(inscribed, ASKED_SATS);
    this.payoutAddress = payoutAddress;
    const { inscriptionId } = inscribed;
    const body = listingBody({ inscriptionId, priceSats: ASKED_SATS, payoutAddress, psbt });
    await until(
      'the item is listed',
      async () => {
        const { status } = await this.#ask('POST', '/v1/trade', { body });
        // Of an answer that was lost the second says that it is there.
        return status === 201 || status === 409;
      },
      PATIENCE,
    );
  }

  async #prepared({ inscriptionId }: Inscribed): Promise<Bought | undefined> {
    const keys = tradeKeys({ seed: BUYER_SEED, network: 'regtest', index: (lastKey += 1) });
    const quote = await this.#insist<QuoteWire>('POST', '/v1/quote', { body: { inscription_id: inscriptionId } });
    const body = checkoutBody(quote, buyerWith(keys, this.address));
    const { status, body: checkout } = await this.#ask<PreparedWire>('POST', '/api/checkout/prepare', { body });
    if (status !== 200 || checkout.invoice === null) return undefined;
    const bought = { keys, checkout, totalSats: BigInt(quote.max_total_sats) };
    const { paymentHash, amountMsat } = decodeInvoice(checkout.invoice);
    if (paymentHash !== keys.paymentHash || amountMsat !== bought.totalSats * 1000n)
      throw new Error('an invoice for another hash or amount');
    this.tried.push(bought);
    return bought;
  }

  async payment({ keys }: Bought): Promise<string> {
    return (await this.#stage.buyers.payment(keys.paymentHash)).state;
  }

  async #asked(inscribed: Inscribed): Promise<void> {
    await until('a checkout', async () => (await this.#prepared(inscribed)) !== undefined, PATIENCE);
  }

  /** A checkout whose payment is held and whose item is locked; undefined when the owner has taken it back in time. */
  async #paid(inscribed: Inscribed, owner: Owner): Promise<Bought | undefined> {
    let bought: Bought | undefined;
    const isLocked = async (): Promise<boolean> => {
      bought ??= await this.#prepared(inscribed);
      if (bought === undefined) return false;
      const status = await this.#status(bought);
      if (status === 'broadcast') return true;
      const payment = await this.payment(bought);
      if (this.kind === 'owner moves it' && !this.#hasMoved && payment === 'pending') {
        this.#hasMoved = true;
        // Refused when the fill was faster.
        this.moved = await owner.moveAway(inscribed).catch(() => undefined);
      }
      if (this.moved !== undefined && payment === 'failed') {
        bought = undefined;
        return true;
      }
      // Given back, or never to be paid: what follows is another purchase.
      if (['expired', 'failed'].includes(status ?? '') && payment !== 'pending') bought = undefined;
      else if (status === 'pending_payment' && payment !== 'pending') await this.#pay(bought);
      return false;
    };
    await until('the item is locked', isLocked, PATIENCE);
    return bought;
  }

  async #handOver(bought: Bought, claim: string): Promise<void> {
    const { trade_id: tradeId, token } = bought.checkout;
    const body = { payment_preimage: bought.keys.preimage, claim };
    await this.#insist('POST', `/v1/trade/${tradeId}/finalize`, { body, token });
    await until('the checkout is confirmed', async () => (await this.#status(bought)) === 'confirmed', PATIENCE);
  }

  /** He tells the coordinator nothing: it must see his preimage on the chain. */
  async #claimAlone(bought: Bought, raw: string): Promise<void> {
    await this.#stage.regtest.rpc('sendrawtransaction', [raw]);
    await until('the payment is settled', async () => (await this.payment(bought)) === 'settled', PATIENCE);
  }

  /** Whatever becomes of it, the node tells it by the hash. */
  async #pay({ checkout }: Bought): Promise<void> {
    await this.#stage.buyers.pay({ bolt11: checkout.invoice ?? '', ...PAY }).catch(() => undefined);
  }

  async #status({ checkout }: Bought): Promise<string | undefined> {
    const body = { checkout_id: checkout.checkout_id };
    const { status, body: state } = await this.#ask<CheckoutStateWire>('POST', '/api/checkout/status', { body });
    return status === 200 ? state.status : undefined;
  }

  /** The claim, built when the lock on this side's chain is the one of the terms, worth what it must be, and in a block. */
  async #claim(bought: Bought): Promise<string | undefined> {
    const { keys, checkout } = bought;
    let terms: ReturnType<typeof termsIn>;
    let lockOutpoint = '';
    const isDeep = async (): Promise<boolean> => {
      const path = `/v1/trade/${checkout.trade_id}/proof`;
      const proof = await this.#insist<ProofWire>('GET', path, { token: checkout.token });
      terms = termsIn(proof, keys);
      if (proof.lock === undefined) return (await this.payment(bought)) === 'failed';
      lockOutpoint = proof.lock.outpoint;
      const [txid, vout] = lockOutpoint.split(':');
      type Output = { scriptPubKey: { hex: string }; confirmations: number } | null;
      const found = await this.#stage.regtest.rpc<Output>('gettxout', [txid, Number(vout)]);
      if (found === null || terms === undefined) return false;
      if (found.scriptPubKey.hex !== buildLock(terms).script) throw new Error('a lock that is not that of the terms');
      return found.confirmations > 0;
    };
    await until('the lock is in a block', isDeep, PATIENCE);
    if (terms === undefined || lockOutpoint === '') return undefined;
    return claimOf({ keys, address: this.address }, { terms, lockOutpoint });
  }
}
