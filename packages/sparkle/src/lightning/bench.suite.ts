import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { SparkleError, type ErrorCode } from '../protocol/errors.ts';
import type { HoldInvoiceRequest, Lightning, PayRequest } from './lightning.ts';

/** Two nodes with a way between them that has room for 20,000 sats, and the power to go on in time. */
export type LightningWorld = {
  /** Getters: a restart may put another object in their place. */
  readonly payer: Lightning;
  readonly payee: Lightning;
  /** Another node that can pay the payee; absent in a world of two. */
  readonly rival?: Lightning;
  /** Mines, and returns once all nodes know the new tip. */
  mine(blocks: number): Promise<void>;
  height(): Promise<number>;
  restart(which: 'payer' | 'payee'): Promise<void>;
  close(): Promise<void>;
};

/** What a world may not have. `fees`: the way from payer to payee costs something, and the payer can cap that. */
export type Extra = 'rival' | 'fees' | 'restart' | 'ownPreimage';

/** One promise of the port. Each uses hashes of its own, so that the nodes live through all of them. */
export type Case = { sentence: string; needs?: Extra; run: (bench: Bench) => Promise<void> };

export const FINAL_CLTV = 40;
/** Room for one router of 80 blocks and what payers add at random, no more: it decides how long the slowest case mines. */
export const ROUTE_CAP = FINAL_CLTV + 100;
export const AMOUNT_MSAT = 7_000_001n;
const PATIENCE_MS = 20_000;
/** Some times as long as peers on a busy machine take to agree on a new state of their channel. */
const REST_MS = 1_000;

/** Waits until `look` answers something, for at most 20 seconds. */
export async function eventually<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const sha256Of = (hexText: string): string =>
  createHash('sha256').update(Buffer.from(hexText, 'hex')).digest('hex');

/** Asserts that `work` is refused with `code`. */
export async function refusal(work: Promise<unknown>, code: ErrorCode): Promise<SparkleError> {
  const error = await work.then(
    () => assert.fail(`expected a refusal with ${code}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof SparkleError, String(error));
  assert.equal(error.code, code, error.message);
  return error;
}

/** What the cases do over and over with a world. */
export class Bench {
  readonly world: LightningWorld;
  #count = 0;

  constructor(world: LightningWorld) {
    this.world = world;
  }

  get payer(): Lightning {
    return this.world.payer;
  }

  get payee(): Lightning {
    return this.world.payee;
  }

  get rival(): Lightning {
    return this.world.rival ?? assert.fail('this case needs a rival');
  }

  secret(): { preimage: string; paymentHash: string } {
    this.#count += 1;
    const preimage = sha256Of(Buffer.from(`preimage ${this.#count}`).toString('hex'));
    return { preimage, paymentHash: sha256Of(preimage) };
  }

  terms(): Omit<HoldInvoiceRequest, 'paymentHash'> {
    return { amountMsat: AMOUNT_MSAT, finalCltv: FINAL_CLTV, expirySeconds: 3600, description: 'one item' };
  }

  order(bolt11: string, change: Partial<PayRequest> = {}): PayRequest {
    return { bolt11, maxFeeMsat: 100_000n, maxCltvBlocks: ROUTE_CAP, timeoutSeconds: 30, ...change };
  }

  paymentIs(node: Lightning, paymentHash: string, state: 'settled' | 'failed' | 'pending') {
    return eventually(`a ${state} payment`, async () => {
      const payment = await node.payment(paymentHash);
      return payment.state === state ? payment : undefined;
    });
  }

  invoiceIs(paymentHash: string, state: 'held' | 'settled' | 'canceled') {
    return eventually(`a ${state} invoice`, async () => {
      const invoice = await this.payee.invoice(paymentHash);
      return invoice.state === state ? invoice : undefined;
    });
  }

  async heldExpiry(paymentHash: string): Promise<number> {
    const held = await this.invoiceIs(paymentHash, 'held');
    return held.state === 'held' ? held.expiryHeight : assert.fail('held is held');
  }

  async owned(node: Lightning): Promise<bigint> {
    return (await node.balance()).ownedMsat;
  }

  /** What a node owns once nothing of earlier cases is on its way any more: peers agree on a settled HTLC a moment later. */
  async ownedAtRest(node: Lightning): Promise<bigint> {
    let ownedMsat = await this.owned(node);
    let since = performance.now();
    return eventually('a balance that rests', async () => {
      const now = await this.owned(node);
      if (now !== ownedMsat) since = performance.now();
      ownedMsat = now;
      return performance.now() - since > REST_MS ? ownedMsat : undefined;
    });
  }

  /** Creates a hold invoice, pays it and waits until it is held. */
  async hold(): Promise<{ preimage: string; paymentHash: string; bolt11: string }> {
    const { preimage, paymentHash } = this.secret();
    const { bolt11 } = await this.payee.createHoldInvoice({ ...this.terms(), paymentHash });
    await this.payer.pay(this.order(bolt11));
    await this.invoiceIs(paymentHash, 'held');
    return { preimage, paymentHash, bolt11 };
  }

  /** Settles what is held and waits until the payer knows. */
  async settle(of: { preimage: string; paymentHash: string }): Promise<void> {
    await this.payee.settle(of.preimage);
    const payment = await this.paymentIs(this.payer, of.paymentHash, 'settled');
    assert.ok(payment.state === 'settled' && payment.preimage === of.preimage);
  }

  /** Pays what the payee shall refuse: the payment fails, at once or later. */
  async payInVain(node: Lightning, of: { bolt11: string; paymentHash: string }): Promise<void> {
    try {
      await node.pay(this.order(of.bolt11));
    } catch (error) {
      assert.ok(error instanceof SparkleError && error.code === 'payment_failed', String(error));
      return;
    }
    await this.paymentIs(node, of.paymentHash, 'failed');
  }
}
