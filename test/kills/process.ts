import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Envelope } from 'sparkle-protocol/market/market';
import { until } from '../regtest/kept-process.ts';
import type { Name, NodeAccess } from '../../world/party.ts';
import type { ForSale, Order, Report } from './wire.ts';

const file = fileURLToPath(new URL('./child.ts', import.meta.url));
const flags = ['--conditions=sparkle-source', '--import', 'tsx'];

/** A trader's process as its parent sees it: it may be gone at any moment, and is then begun again. */
export class TraderProcess {
  readonly name: Name;
  readonly #given: { access: NodeAccess; dir: string };
  readonly #post: (to: string, envelope: Envelope) => void;
  /** Every letter that ever came for this trader. */
  letters: () => Envelope[] = () => [];
  readonly offers: ForSale[] = [];
  /** The last word of each trade, in the order in which they began. */
  readonly trades = new Map<string, { state: string; outcome?: string }>();
  deaths: string[] = [];
  identity: { traderId: string; nodeId: string; port: number } | undefined;
  #child: ChildProcess | undefined;
  #looks = 0;
  #answers: string[] = [];
  /** Whether its channel could be used when it last looked. */
  usable = false;

  constructor(name: Name, given: { access: NodeAccess; dir: string }, post: (to: string, envelope: Envelope) => void) {
    this.name = name;
    this.#given = given;
    this.#post = post;
  }

  get alive(): boolean {
    return this.#child !== undefined && this.identity !== undefined;
  }

  async begin(): Promise<void> {
    this.identity = undefined;
    const child = fork(file, { execArgv: flags, serialization: 'advanced' });
    this.#child = child;
    child.on('message', (report: Report) => this.#hear(report));
    child.on('exit', () => {
      if (this.#child === child) this.#child = undefined;
      this.identity = undefined;
    });
    this.tell({ order: 'begin', name: this.name, ...this.#given, offers: this.offers });
    await until(`the ${this.name} is up`, () => this.identity !== undefined || this.#child === undefined);
  }

  tell(order: Order): void {
    // A process that dies in this moment takes the order with it, as a real crash does.
    this.#child?.send(order, () => {});
  }

  /** Lets the trader look at the world; resolves early when it dies. */
  async look(): Promise<void> {
    const before = this.#looks;
    this.tell({ order: 'look' });
    await until(`the ${this.name} has looked`, () => this.#looks > before || !this.alive);
  }

  /** `undefined` when it dies over the question. */
  placeOf(inscriptionId: string): Promise<string | undefined> {
    return this.#ask({ order: 'where', inscriptionId });
  }

  paymentOf(tradeId: string): Promise<string | undefined> {
    return this.#ask({ order: 'paid', tradeId });
  }

  async #ask(order: Order): Promise<string | undefined> {
    this.#answers = [];
    this.tell(order);
    await until(`the ${this.name} has answered`, () => this.#answers.length > 0 || !this.alive);
    return this.#answers[0];
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  #hear(report: Report): void {
    switch (report.report) {
      case 'ready': {
        const { traderId, nodeId, port } = report;
        this.identity = { traderId, nodeId, port };
        return;
      }
      case 'trade': {
        const { tradeId, state, outcome } = report.trade;
        this.trades.set(tradeId, { state, ...(outcome === undefined ? {} : { outcome }) });
        return;
      }
      case 'post':
        return this.#post(report.to, report.envelope);
      case 'looked':
        this.#looks += 1;
        this.usable = report.usable;
        return;
      case 'answer':
        this.#answers.push(report.text);
        return;
      case 'dying':
        this.deaths.push(`${this.name} at ${report.at} ${report.what}`);
    }
  }
}
