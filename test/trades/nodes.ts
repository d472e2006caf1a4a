import { getChannels } from 'lightning';
import type { LdkNode } from 'sparkle-protocol/lightning/ldk/node';
import { openNode } from '../../world/lightning.ts';
import type { Nodes, OpenNodes, WorldNode } from '../../world/nodes.ts';
import { accessOf, type Name } from '../../world/party.ts';
import type { Regtest } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { type Lnd, lndChannelBack, lndSynced, openLndChannel, startLnd } from '../regtest/lnd.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { lndToLdk, ldkToLnd } from './channels.ts';
import type { Said } from './said.ts';

export type Place = Parameters<OpenNodes>[0];

const CHANNEL_SATS = 2_000_000n;
const PUSH_SATS = 10_000n;

/** LND processes of a world, which a test may take away and bring back. Blocks wait for those only that are there. */
export class LndProcesses {
  readonly #nodes = new Map<string, Lnd>();
  readonly #away = new Set<string>();
  #regtest: Regtest | undefined;

  /** The node of this name. */
  node(name: string): Lnd {
    const found = this.#nodes.get(name);
    if (found === undefined) throw new Error(`no LND called ${name} was started`);
    return found;
  }

  async start({ regtest, onStop }: Place, { name, args = [] }: { name: string; args?: string[] }): Promise<Lnd> {
    const node = await startLnd({ regtest, name, args });
    onStop(() => node.stop());
    this.#regtest = regtest;
    this.#nodes.set(name, node);
    return node;
  }

  isAway(name: string): boolean {
    return this.#away.has(name);
  }

  /** `kill -9`. */
  async kill(name: string): Promise<void> {
    this.#away.add(name);
    await this.node(name).kill();
  }

  async down(name: string): Promise<void> {
    this.#away.add(name);
    await this.node(name).down();
  }

  async up(name: string): Promise<void> {
    await this.node(name).up();
    this.#away.delete(name);
  }

  async synced(): Promise<void> {
    const there = [...this.#nodes].filter(([name]) => !this.#away.has(name)).map(([, node]) => node);
    if (this.#regtest !== undefined) await lndSynced(this.#regtest, there);
  }

  /** Puts a driver over a node that is running. */
  over(name: string, said: Said): WorldNode {
    return { lightning: driverOver(this.node(name), said.warn), synced: () => this.synced() };
  }
}

const sides: readonly Name[] = ['seller', 'buyer'];

/** An LND on each side, with as many channels as `channelsSats` has. */
export class LndPair {
  readonly lnds = new LndProcesses();
  readonly #said: Said;
  readonly #channelsSats: readonly bigint[];
  readonly #args: Partial<Record<Name, string[]>>;
  #channels: string[] = [];

  constructor(of: { said: Said; channelsSats?: readonly bigint[]; args?: Partial<Record<Name, string[]>> }) {
    this.#said = of.said;
    this.#channelsSats = of.channelsSats ?? [CHANNEL_SATS];
    this.#args = of.args ?? {};
  }

  readonly open: OpenNodes = async (place) => {
    const start = (name: Name) => this.lnds.start(place, { name, args: this.#args[name] ?? [] });
    const [to, from] = await Promise.all([start('seller'), start('buyer')]);
    for (const sats of this.#channelsSats)
      this.#channels.push(await openLndChannel(place.regtest, { from, to, sats, pushSats: PUSH_SATS, kind: 'public' }));
    return { seller: this.lnds.over('seller', this.#said), buyer: this.lnds.over('buyer', this.#said) };
  };

  /** Returns once no HTLC is under way between the two. */
  async atRest(): Promise<void> {
    const pendingOf = async (side: Name) => {
      const { channels } = await getChannels({ lnd: this.lnds.node(side).lnd });
      return channels.flatMap(({ pending_payments }) => pending_payments);
    };
    const isAtRest = async () => (await Promise.all(sides.map(pendingOf))).flat().length === 0;
    await until('the channels to be at rest', isAtRest);
  }

  /** Brings a node back and returns once both can use their channels again. */
  async up(name: Name): Promise<void> {
    await this.lnds.up(name);
    const [payee, payer] = [this.lnds.node('seller'), this.lnds.node('buyer')];
    for (const txid of this.#channels) await lndChannelBack({ txid, payer, payee });
  }
}

/** Three LNDs in a row: the buyer's reaches the seller's over that of the one between them, and knows nothing of it. */
export class LndRow {
  readonly lnds = new LndProcesses();
  readonly #said: Said;
  #channels: { txid: string; payer: string; payee: string }[] = [];

  constructor(said: Said) {
    this.#said = said;
  }

  readonly open: OpenNodes = async (place) => {
    const start = (name: string) => this.lnds.start(place, { name });
    const [seller, middle, buyer] = await Promise.all(['seller', 'middle', 'buyer'].map(start));
    if (seller === undefined || middle === undefined || buyer === undefined) throw new Error('a node is missing');
    const terms = { sats: CHANNEL_SATS, pushSats: PUSH_SATS } as const;
    for (const [from, to, kind] of [
      [buyer, middle, 'public'],
      [middle, seller, 'private'],
    ] as const) {
      const txid = await openLndChannel(place.regtest, { from, to, kind, ...terms });
      this.#channels.push({ txid, payer: from.name, payee: to.name });
    }
    return { seller: this.lnds.over('seller', this.#said), buyer: this.lnds.over('buyer', this.#said) };
  };

  /** Brings a node back and returns once all channels can be used again. */
  async up(name: string): Promise<void> {
    await this.lnds.up(name);
    for (const { txid, payer, payee } of this.#channels)
      await lndChannelBack({ txid, payer: this.lnds.node(payer), payee: this.lnds.node(payee) });
  }
}

const embedded = (name: Name, { regtest, dir }: Place): Promise<LdkNode> =>
  openNode({ name, access: accessOf(regtest), dir });

const worldNode = (node: LdkNode): WorldNode => ({ lightning: node, synced: () => node.sync() });

/** An LND on one side and an embedded node on the other; the buyer's paid for the channel. */
export const mixedNodes =
  (lndSide: Name, said: Said): OpenNodes =>
  async (place) => {
    const lnds = new LndProcesses();
    const ldkSide: Name = lndSide === 'buyer' ? 'seller' : 'buyer';
    const [node, ldk] = await Promise.all([lnds.start(place, { name: lndSide }), embedded(ldkSide, place)]);
    const open = lndSide === 'buyer' ? lndToLdk : ldkToLnd;
    await open(place.regtest, { lnd: node, ldk, sats: CHANNEL_SATS });
    return { [lndSide]: lnds.over(lndSide, said), [ldkSide]: worldNode(ldk) } as Nodes;
  };

/** The buyer's LND reaches the seller's embedded node through an LND that is neither's. */
export const twoHopNodes =
  (said: Said): OpenNodes =>
  async (place) => {
    const { regtest } = place;
    const lnds = new LndProcesses();
    const start = (name: string) => lnds.start(place, { name });
    const [from, router, ldk] = await Promise.all([start('buyer'), start('router'), embedded('seller', place)]);
    await openLndChannel(regtest, { from, to: router, sats: CHANNEL_SATS, pushSats: PUSH_SATS, kind: 'public' });
    await lndToLdk(regtest, { lnd: router, ldk, sats: CHANNEL_SATS });
    return { seller: worldNode(ldk), buyer: lnds.over('buyer', said) };
  };
