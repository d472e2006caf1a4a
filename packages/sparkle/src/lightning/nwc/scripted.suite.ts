import assert from 'node:assert/strict';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import { getPublicKey, type VerifiedEvent } from 'nostr-tools/pure';
import { encodeInvoice } from '../../protocol/bolt11.ts';
import type { Lightning } from '../lightning.ts';
import { startRelay, type TestRelay } from '../../../../../test/regtest/relay.ts';
import { writeConnection } from './connection.ts';
import { Conversation, type Scheme } from './conversation.ts';
import { connectNwc, type NwcOptions } from './nwc.ts';
import type { Handing } from './relay-link.ts';
import { Relays } from './relays.ts';
import { kinds, type Method } from './wire.ts';

export const timing = {
  relayMilliseconds: 2_000,
  firstRetryMilliseconds: 10,
  lastRetryMilliseconds: 50,
  pingMilliseconds: 5_000,
  answerMilliseconds: 4_000,
};

export const clientSecret = sha256(utf8.decode('a client of a scripted wallet'));
export const walletSecret = sha256(utf8.decode('a scripted wallet'));
const nodeSecret = sha256(utf8.decode('the node of a scripted wallet'));

export type Request = { method: string; params: Record<string, unknown>; event: VerifiedEvent };
/** What a script answers: a result, an error of the wallet, or nothing at all. */
export type Answer = { result: unknown } | { error: { code: string; message: string } } | 'silence';
export type Script = Partial<Record<Method, (request: Request) => Answer>>;

const allMethods =
  'pay_invoice make_hold_invoice settle_hold_invoice cancel_hold_invoice lookup_invoice get_balance get_info';
export const notFound: Answer = { error: { code: 'NOT_FOUND', message: 'no such transaction' } };

export const info = (change: Record<string, unknown> = {}): Answer => ({
  result: { network: 'regtest', block_height: 800_000, methods: allMethods.split(' '), ...change },
});

/** A wallet that answers what the test says, in whatever encryption it is old enough for. */
export class ScriptedWallet {
  readonly relay: TestRelay;
  readonly requests: Request[] = [];
  readonly conversation = new Conversation({ secretKey: walletSecret, peer: getPublicKey(clientSecret) });
  readonly warnings: string[] = [];
  readonly connection: string;
  script: Script = {};
  readonly #scheme: Scheme;
  readonly #relays: Relays;
  #wallet: Lightning | undefined;

  private constructor(relay: TestRelay, scheme: Scheme) {
    this.relay = relay;
    this.#scheme = scheme;
    const walletPubkey = this.conversation.self;
    this.connection = writeConnection({ walletPubkey, clientSecret, relays: [relay.url] });
    this.#relays = new Relays({
      urls: [relay.url],
      filters: () => [{ kinds: [kinds.request], '#p': [walletPubkey] }],
      onEvent: (event) => void this.#heard(event),
      onReady: () => undefined,
      sign: (event) => this.conversation.sign(event),
      warn: () => undefined,
      timing,
    });
  }

  static async open({ scheme }: { scheme: Scheme }): Promise<ScriptedWallet> {
    const wallet = new ScriptedWallet(await startRelay(), scheme);
    assert.ok(await wallet.#relays.ready(5_000));
    // NIP-47: without the tag a wallet reads NIP-04 only.
    const tags = scheme === 'nip04' ? [] : [['encryption', 'nip44_v2 nip04']];
    await wallet.publish({ kind: kinds.info, tags, content: allMethods });
    return wallet;
  }

  async connect(change: Partial<NwcOptions> = {}): Promise<Lightning> {
    this.script = { get_info: () => info(), ...this.script };
    this.#wallet = await connectNwc({
      ...{ connection: this.connection, network: 'regtest', timing },
      nowMilliseconds: () => Date.now(),
      warn: (words) => void this.warnings.push(words),
      ...change,
    });
    return this.#wallet;
  }

  asked(method: Method): Request[] {
    return this.requests.filter((request) => request.method === method);
  }

  async close(): Promise<void> {
    await this.#wallet?.close();
    this.#relays.close();
    await this.relay.stop();
  }

  sign(of: { kind: number; tags: string[][]; content: string }): VerifiedEvent {
    return this.conversation.sign({ ...of, created_at: Math.floor(Date.now() / 1000) });
  }

  publish(of: { kind: number; tags: string[][]; content: string }): Promise<Handing> {
    return this.#relays.publish(this.sign(of));
  }

  encrypted(body: unknown): string {
    return this.conversation.encrypt({ scheme: this.#scheme, text: JSON.stringify(body) });
  }

  notify(type: string, paymentHash: string): Promise<Handing> {
    const body = { notification_type: type, notification: { payment_hash: paymentHash } };
    const kind = this.#scheme === 'nip04' ? kinds.notificationNip04 : kinds.notification;
    return this.publish({ kind, tags: [['p', this.conversation.peer]], content: this.encrypted(body) });
  }

  reply(request: Request, answer: Exclude<Answer, 'silence'>): VerifiedEvent {
    const { event, method } = request;
    const tags = [
      ['p', this.conversation.peer],
      ['e', event.id],
    ];
    return this.sign({ kind: kinds.response, tags, content: this.encrypted({ result_type: method, ...answer }) });
  }

  async #heard(event: VerifiedEvent): Promise<void> {
    const text = this.conversation.decrypt({ scheme: this.#scheme, content: event.content });
    if (text === undefined) return;
    const request = { ...(JSON.parse(text) as { method: Method; params: Record<string, unknown> }), event };
    this.requests.push(request);
    const answer = this.script[request.method]?.(request) ?? notFound;
    if (answer !== 'silence') await this.#relays.publish(this.reply(request, answer));
  }
}

export const preimage = hex.encode(sha256(utf8.decode('a preimage of the tests')));
export const paymentHash = hex.encode(sha256(hex.decode(preimage)));
export const otherPreimage = hex.encode(sha256(utf8.decode('another preimage')));

const terms = {
  ...{ network: 'regtest', amountMsat: 5_000_000n, payeeSource: 'recovered', paymentHash },
  ...{ paymentSecret: hex.encode(sha256(utf8.decode('secret'))), description: 'one item', expirySeconds: 3_600 },
  ...{ minFinalCltv: 171, features: [8, 14], routeHints: [], fallbacks: [] },
} as const;

/** An invoice of now, by somebody's node. */
export const invoiceWith = (change: Partial<Parameters<typeof encodeInvoice>[0]> = {}): string =>
  encodeInvoice({ ...terms, timestampSeconds: Math.floor(Date.now() / 1000), ...change } as never, nodeSecret);

export const order = { maxFeeMsat: 10_000n, maxCltvBlocks: 300, timeoutSeconds: 20 };
/** For a wallet that does not answer. */
export const shortOrder = { ...order, timeoutSeconds: 1 };

/** What a look-up of a payment answers. */
export const outgoing = (change: Record<string, unknown>): Answer => ({
  result: { type: 'outgoing', payment_hash: paymentHash, amount: 5_000_000, fees_paid: 1_000, ...change },
});

export const incoming = (change: Record<string, unknown>): Answer => ({
  result: { type: 'incoming', payment_hash: paymentHash, amount: 5_000_000, ...change },
});
