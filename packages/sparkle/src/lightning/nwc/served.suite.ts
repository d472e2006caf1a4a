import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import type { VerifiedEvent } from 'nostr-tools/pure';
import { startRelay, type TestRelay } from '../../../../../test/regtest/relay.ts';
import { eventually } from '../bench.suite.ts';
import { memoryNetwork, type MemoryNetwork, type MemoryNode } from '../memory.ts';
import { parseConnection } from './connection.ts';
import type { Conversation, Scheme } from './conversation.ts';
import { newGrant, type NwcGrant } from './grant.ts';
import type { Handing } from './relay-link.ts';
import { Relays } from './relays.ts';
import { timing } from './scripted.suite.ts';
import { fileNwcStore, type NwcStore } from './serve-store.ts';
import { serveNwc, type NwcService } from './serve.ts';
import { kinds, methods } from './wire.ts';

type Body = { result_type: string; error: { code: string; message: string } | null; result: Record<string, unknown> };
export type Told = { kind: number; notification_type: string; notification: Record<string, unknown> };

/** A client that says exactly what a test wants said. */
export class RawClient {
  readonly told: Told[] = [];
  readonly infos: VerifiedEvent[] = [];
  readonly answers = new Map<string, { scheme: Scheme; body: Body }>();
  readonly conversation: Conversation;
  readonly #relays: Relays;

  constructor(connection: string) {
    const { conversation, relays } = parseConnection(connection);
    this.conversation = conversation;
    this.#relays = new Relays({
      urls: relays,
      filters: () => [
        { kinds: [kinds.info], authors: [conversation.peer] },
        { kinds: [kinds.response, kinds.notification, kinds.notificationNip04], '#p': [conversation.self] },
      ],
      onEvent: (event) => this.#heard(event),
      onReady: () => undefined,
      sign: (event) => conversation.sign(event),
      warn: () => undefined,
      timing,
    });
  }

  async ready(): Promise<this> {
    assert.ok(await this.#relays.ready(5_000));
    return this;
  }

  request(method: string, params: unknown, change: { tags?: string[][]; created_at?: number; scheme?: Scheme } = {}) {
    const { scheme = 'nip44_v2', created_at = Math.floor(Date.now() / 1000) } = change;
    const tags = [['p', this.conversation.peer], ...(change.tags ?? [['encryption', scheme]])];
    const content = this.conversation.encrypt({ scheme, text: JSON.stringify({ method, params }) });
    return this.conversation.sign({ kind: kinds.request, created_at, tags, content });
  }

  send(event: VerifiedEvent): Promise<Handing> {
    return this.#relays.publish(event);
  }

  answer({ id }: VerifiedEvent): Promise<Body> {
    return eventually('an answer', async () => this.answers.get(id)?.body);
  }

  async ask(method: string, params: unknown = {}): Promise<Body> {
    const event = this.request(method, params);
    await this.send(event);
    return this.answer(event);
  }

  close(): void {
    this.#relays.close();
  }

  #heard(event: VerifiedEvent): void {
    if (event.kind === kinds.info) return void this.infos.push(event);
    for (const scheme of ['nip44_v2', 'nip04'] as const) {
      const text = this.conversation.decrypt({ scheme, content: event.content });
      if (text === undefined || !text.startsWith('{')) continue;
      const body = JSON.parse(text) as Body & Told;
      const id = event.tags.find(([name]) => name === 'e')?.[1] ?? '';
      if (event.kind === kinds.response) this.answers.set(id, { scheme, body });
      else this.told.push({ ...body, kind: event.kind });
    }
  }
}

/** A served node of its own, another node to trade with, and the service's file. */
export class Served {
  readonly network: MemoryNetwork;
  readonly node: MemoryNode;
  readonly other: MemoryNode;
  readonly relay: TestRelay;
  readonly home: string;
  readonly warnings: string[] = [];
  grants: NwcGrant[] = [];
  aheadSeconds = 0;
  /** The node's height does not come, as when it hangs. */
  tipStalls = false;
  #service: NwcService | undefined;
  #store: NwcStore | undefined;
  #clients: RawClient[] = [];
  #count = 0;

  private constructor(relay: TestRelay, home: string) {
    this.relay = relay;
    this.home = home;
    this.network = memoryNetwork({ network: 'regtest', seed: 'served', height: 800_000, nowSeconds: this.now() });
    this.node = this.network.addNode({ name: 'served', balanceMsat: 1_000_000_000n });
    this.other = this.network.addNode({ name: 'other', balanceMsat: 1_000_000_000n });
  }

  static async open(): Promise<Served> {
    return new Served(await startRelay(), await mkdtemp(join(tmpdir(), 'sparkle-serve-')));
  }

  now(): number {
    return Math.floor(Date.now() / 1000) + this.aheadSeconds;
  }

  get path(): string {
    return join(this.home, 'service');
  }

  get walletPubkeys(): readonly string[] {
    return this.#service?.walletPubkeys ?? [];
  }

  /** A connection for one more client; the service has to be started, again if need be, before it is heard. */
  grant(change: Partial<Pick<NwcGrant, 'methods' | 'budget'>> = {}): string {
    const wishes = { name: 'client', methods, budget: 'unlimited', relays: [this.relay.url], ...change } as const;
    const { grant, connection } = newGrant(wishes);
    this.grants.push(grant);
    return connection;
  }

  async start(): Promise<void> {
    this.#store = await fileNwcStore({ path: this.path, nowSeconds: this.now() });
    this.#service = await serveNwc({
      ...{ lightning: this.node.lightning, grants: this.grants, relays: [this.relay.url], store: this.#store, timing },
      limits: { maxFeeMsat: () => 1_000n, maxCltvBlocks: 140, timeoutSeconds: 30 },
      tip: async () =>
        this.tipStalls ? new Promise(() => undefined) : { height: this.network.height(), hash: 'aa'.repeat(32) },
      nowSeconds: () => this.now(),
      warn: (words) => void this.warnings.push(words),
    });
  }

  async stop(): Promise<void> {
    await this.#service?.close();
    await this.#store?.close();
  }

  async client(connection: string): Promise<RawClient> {
    const client = await new RawClient(connection).ready();
    this.#clients.push(client);
    return client;
  }

  /** One client of a service that runs. */
  async only(change: Partial<Pick<NwcGrant, 'methods' | 'budget'>> = {}): Promise<RawClient> {
    const connection = this.grant(change);
    await this.start();
    return this.client(connection);
  }

  secret(): { preimage: string; paymentHash: string } {
    this.#count += 1;
    const bytes = sha256(utf8.decode(`served ${this.#count}`));
    return { preimage: hex.encode(bytes), paymentHash: hex.encode(sha256(bytes)) };
  }

  /** An invoice of the other node. */
  async invoice(amountMsat: bigint): Promise<{ bolt11: string; preimage: string; paymentHash: string }> {
    const { preimage, paymentHash } = this.secret();
    const terms = { amountMsat, finalCltv: 40, expirySeconds: 3_600, description: 'x' };
    return { ...(await this.other.lightning.createInvoice({ preimage, ...terms })), preimage, paymentHash };
  }

  async holdInvoice(amountMsat: bigint): Promise<{ bolt11: string; preimage: string; paymentHash: string }> {
    const { preimage, paymentHash } = this.secret();
    const terms = { amountMsat, finalCltv: 40, expirySeconds: 3_600, description: 'x' };
    return { ...(await this.other.lightning.createHoldInvoice({ paymentHash, ...terms })), preimage, paymentHash };
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.stop();
    await this.relay.stop();
    await rm(this.home, { recursive: true, force: true });
  }
}
