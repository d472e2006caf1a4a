import type { VerifiedEvent } from 'nostr-tools/pure';
import type { Lightning } from '../lightning.ts';
import { readRelays } from './connection.ts';
import { Conversation, type Scheme } from './conversation.ts';
import { checkGrant, type NwcGrant } from './grant.ts';
import type { LinkTiming } from './relay-link.ts';
import { Relays } from './relays.ts';
import { Book, type Held } from './serve-book.ts';
import { Refusal, refusalOf } from './serve-error.ts';
import type { NwcEntry, NwcStore } from './serve-store.ts';
import { ServedWallet, type Client, type PayLimits } from './serve-wallet.ts';
import { unavailable } from './wallet-error.ts';
import {
  kinds,
  methods,
  notificationTypes,
  paramsSchemas,
  parseJson,
  requestSchema,
  type Method,
  type NotificationType,
} from './wire.ts';

export type ServeOptions = {
  lightning: Lightning;
  grants: readonly NwcGrant[];
  relays: readonly string[];
  /** Must outlive the process: with it no request is acted on twice and no budget is forgotten. */
  store: NwcStore;
  limits: PayLimits;
  /** The best block as the node sees it. */
  tip: () => Promise<{ height: number; hash: string }>;
  nowSeconds: () => number;
  /** Never with a secret in it. */
  warn: (words: string) => void;
  timing: LinkTiming;
};

export type NwcService = {
  /** x-only keys under which the wallet is known, in the order of the grants. */
  walletPubkeys: readonly string[];
  close(): Promise<void>;
};

/** Requests whose own clock is further from ours than this are not acted on: so long ids must be remembered. */
const MOST_SKEW_SECONDS = 600;
/** A connection cannot have more than this under way at once; a payment that is held stays so for long. */
const MOST_AT_ONCE = 64;
const MOST_PAYMENTS_AT_ONCE = 1_000;
const LOOK_MILLISECONDS = 5_000;
const PAY_GRACE_SECONDS = 60;
/** Methods that move or promise money: they are done once per request for ever. */
const LASTING: readonly Method[] = [
  'pay_invoice',
  'make_invoice',
  'make_hold_invoice',
  'settle_hold_invoice',
  'cancel_hold_invoice',
];

/**
 * A NIP-47 wallet service in front of any Lightning node of ours: each client with its own key, methods and budget.
 * Resolves once a relay listens and the wallet is announced. Throws `bad_config`, `lightning_unavailable`.
 */
export async function serveNwc(options: ServeOptions): Promise<NwcService> {
  for (const grant of options.grants) checkGrant(grant);
  const service = new Service(options);
  try {
    await service.start();
  } catch (error) {
    await service.close();
    throw error;
  }
  return service;
}

type Served = Client & { conversation: Conversation; underWay: { calls: number; payments: number } };

class Service implements NwcService {
  readonly walletPubkeys: readonly string[];
  readonly #options: ServeOptions;
  readonly #clients: Served[];
  readonly #relays: Relays;
  readonly #book: Book;
  readonly #wallet: ServedWallet;
  readonly #since: number;
  #end: () => void = () => undefined;

  constructor(options: ServeOptions) {
    const { lightning, store, nowSeconds, limits, tip, warn, timing } = options;
    this.#options = options;
    this.#since = nowSeconds();
    this.#clients = options.grants.map((grant) => {
      const conversation = new Conversation({ secretKey: grant.walletSecretKey, peer: grant.clientPubkey });
      return { wallet: conversation.self, grant, conversation, underWay: { calls: 0, payments: 0 } };
    });
    this.walletPubkeys = this.#clients.map(({ wallet }) => wallet);
    this.#book = new Book({
      ...{ lightning, store, nowSeconds },
      payGraceSeconds: limits.timeoutSeconds + PAY_GRACE_SECONDS,
      notify: (type, entry, held) => void this.#notify(type, { entry, held }),
    });
    this.#wallet = new ServedWallet({ lightning, store, book: this.#book, limits, tip, nowSeconds });
    this.#relays = new Relays({
      urls: readRelays(options.relays),
      filters: () => this.#filters(),
      onEvent: (event) => void this.#heard(event),
      onReady: () => this.#announce(),
      sign: (event) => this.#someone().sign(event),
      ...{ warn, timing },
    });
  }

  async start(): Promise<void> {
    if (!(await this.#relays.ready(this.#options.timing.relayMilliseconds * 2)))
      throw unavailable('unreachable', 'none of the relays to serve on answers');
    const { lightning } = this.#options;
    const unsubscribe = lightning.subscribe(({ paymentHash }) => void this.#book.lookAll(paymentHash));
    const timer = setInterval(() => void this.#book.lookAll(undefined), LOOK_MILLISECONDS);
    this.#end = () => {
      unsubscribe();
      clearInterval(timer);
    };
    // What has ended while nobody looked is told now.
    void this.#book.lookAll(undefined);
  }

  async close(): Promise<void> {
    this.#end();
    this.#wallet.close();
    this.#relays.close();
  }

  #someone(): Conversation {
    const [first] = this.#clients;
    if (first === undefined) throw unavailable('closed', 'a wallet service without a connection has nothing to say');
    return first.conversation;
  }

  #filters() {
    const authors = this.#clients.map(({ grant }) => grant.clientPubkey);
    return [{ kinds: [kinds.request], authors, '#p': [...this.walletPubkeys], since: this.#since - MOST_SKEW_SECONDS }];
  }

  #announce(): void {
    for (const { grant, conversation } of this.#clients)
      void this.#relays.publish(
        conversation.sign({
          kind: kinds.info,
          created_at: this.#options.nowSeconds(),
          tags: [
            ['encryption', 'nip44_v2 nip04'],
            ['notifications', notificationTypes.join(' ')],
          ],
          content: [...this.#wallet.offered(grant), 'notifications'].join(' '),
        }),
      );
  }

  async #heard(event: VerifiedEvent): Promise<void> {
    const client = this.#clientOf(event);
    if (client === undefined || !this.#isCurrent(event)) return;
    const scheme = tagOf(event, 'encryption') ?? 'nip04';
    if (scheme !== 'nip44_v2' && scheme !== 'nip04') {
      const error = { code: 'UNSUPPORTED_ENCRYPTION', message: 'nip44_v2 and nip04 are understood' };
      return this.#reply(client, { event, scheme: 'nip44_v2', body: { result_type: '', error, result: null } });
    }
    const text = client.conversation.decrypt({ scheme, content: event.content });
    const request = requestSchema.safeParse(text === undefined ? undefined : parseJson(text));
    // Whoever cannot encrypt for us cannot read an answer either.
    if (!request.success) return;
    const { method, params } = request.data;
    const body = await this.#answer(client, { event, method, params });
    if (body !== undefined) await this.#reply(client, { event, scheme, body: { result_type: method, ...body } });
  }

  /** `undefined`: there is no answer, because this request was acted on before. */
  async #answer(client: Served, of: { event: VerifiedEvent; method: string; params: unknown }) {
    const { underWay } = client;
    const kind = of.method === 'pay_invoice' ? 'payments' : 'calls';
    underWay[kind] += 1;
    try {
      if (underWay.calls > MOST_AT_ONCE || underWay.payments > MOST_PAYMENTS_AT_ONCE)
        throw new Refusal('RATE_LIMITED', 'too many requests at once');
      const method = this.#allowed(client.grant, of.method);
      if (LASTING.includes(method) && !(await this.#claim(of.event))) return undefined;
      return { error: null, result: await this.#act(client, { method, params: of.params ?? {} }) };
    } catch (error) {
      return { error: refusalOf(error), result: null };
    } finally {
      underWay[kind] -= 1;
    }
  }

  #allowed(grant: NwcGrant, name: string): Method {
    const method = methods.find((each) => each === name);
    if (method === undefined) throw new Refusal('NOT_IMPLEMENTED', 'this wallet does not know the method');
    if (!grant.methods.includes(method)) throw new Refusal('RESTRICTED', `this connection may not ask ${method}`);
    if (!this.#wallet.offered(grant).includes(method))
      throw new Refusal('NOT_IMPLEMENTED', `the node behind this wallet cannot do ${method}`);
    return method;
  }

  #claim({ id, created_at }: VerifiedEvent): Promise<boolean> {
    return this.#options.store.claim({ id, untilSeconds: created_at + 2 * MOST_SKEW_SECONDS });
  }

  async #act<M extends Method>(client: Served, { method, params }: { method: M; params: unknown }) {
    const read = paramsSchemas[method].safeParse(params);
    if (!read.success) {
      const fields = [...new Set(read.error.issues.map(({ path }) => path.join('.')))].join(', ');
      throw new Refusal('OTHER', `parameters of ${method} are not what NIP-47 says: ${fields}`);
    }
    const handle = this.#wallet.handlers[method] as (
      client: Client,
      params: unknown,
    ) => Promise<Record<string, unknown>>;
    return handle(client, read.data);
  }

  /** A relay may keep requests and deliver them late, or again after any time. */
  #isCurrent(event: VerifiedEvent): boolean {
    const now = this.#options.nowSeconds();
    const expiration = Number(tagOf(event, 'expiration') ?? Infinity);
    return now < expiration && Math.abs(now - event.created_at) <= MOST_SKEW_SECONDS;
  }

  #clientOf(event: VerifiedEvent): Served | undefined {
    const wallet = tagOf(event, 'p');
    return this.#clients.find((client) => client.grant.clientPubkey === event.pubkey && client.wallet === wallet);
  }

  async #reply(
    client: Served,
    of: { event: VerifiedEvent; scheme: Scheme; body: Record<string, unknown> },
  ): Promise<void> {
    const { event, scheme, body } = of;
    const tags = [
      ['p', client.grant.clientPubkey],
      ['e', event.id],
    ];
    await this.#say(client, { kind: kinds.response, scheme, tags, body });
  }

  /** Clients of either age listen: each gets the notification in its own encryption. */
  async #notify(type: NotificationType, { entry, held }: { entry: NwcEntry; held: Held | undefined }): Promise<void> {
    const client = this.#clients.find(({ wallet }) => wallet === entry.wallet);
    if (client === undefined) return;
    const notification = this.#wallet.transaction({ entry, preimage: '', held });
    const body = { notification_type: type, notification };
    const tags = [['p', client.grant.clientPubkey]];
    await this.#say(client, { kind: kinds.notification, scheme: 'nip44_v2', tags, body });
    await this.#say(client, { kind: kinds.notificationNip04, scheme: 'nip04', tags, body });
  }

  /** What is not heard is looked up by the client: nothing is said twice. */
  async #say(client: Served, of: { kind: number; scheme: Scheme; tags: string[][]; body: unknown }): Promise<void> {
    const { kind, scheme, tags, body } = of;
    const content = client.conversation.encrypt({ scheme, text: JSON.stringify(body) });
    const created_at = this.#options.nowSeconds();
    await this.#relays.publish(client.conversation.sign({ kind, created_at, tags, content }));
  }
}

const tagOf = ({ tags }: VerifiedEvent, name: string): string | undefined => tags.find(([each]) => each === name)?.[1];
