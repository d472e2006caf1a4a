import type { Invoice, Lightning } from '../lightning.ts';
import type { NwcEntry, NwcStore } from './serve-store.ts';
import type { NotificationType } from './wire.ts';

type BookOptions = {
  lightning: Lightning;
  store: NwcStore;
  nowSeconds: () => number;
  /** Until then after its creation a payment that the node does not know may still begin. */
  payGraceSeconds: number;
  notify: (type: NotificationType, entry: NwcEntry, held: Held | undefined) => void;
};

export type Held = Extract<Invoice, { state: 'held' }>;
/** What is known of an entry now; `preimage` where the node gives it. */
export type Looked = { entry: NwcEntry; preimage: string; held: Held | undefined };

const LEAVING_MILLISECONDS = 3_000;

/** The entries of all connections, kept equal to what the node says. */
export class Book {
  readonly #options: BookOptions;
  /** Holds that were told of: a client that missed it can look. */
  readonly #toldHeld = new Set<string>();
  /** Hashes that the node is being told to pay: until it has answered, what it says of them is of an earlier try. */
  readonly #sending = new Map<string, Promise<unknown>>();
  #looking = Promise.resolve();

  constructor(options: BookOptions) {
    this.#options = options;
  }

  /** Runs the call that sends a payment. What it reserves before and releases after is not overruled by a look meanwhile. */
  async sending<Answer>(paymentHash: string, send: () => Promise<Answer>): Promise<Answer> {
    const sent = send();
    this.#sending.set(paymentHash, sent);
    try {
      return await sent;
    } finally {
      if (this.#sending.get(paymentHash) === sent) this.#sending.delete(paymentHash);
    }
  }

  /** Waits a moment for a payment to leave or to be refused: `pending` then means that it is under way. */
  async left(paymentHash: string): Promise<void> {
    const sent = this.#sending.get(paymentHash);
    if (sent === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const impatience = new Promise((resolve) => (timer = setTimeout(resolve, LEAVING_MILLISECONDS)));
    await Promise.race([sent.catch(() => undefined), impatience]);
    clearTimeout(timer);
  }

  /** Compares an entry with the node, writes down what has ended, and tells the client of it once. */
  async look(entry: NwcEntry): Promise<Looked> {
    const looked = entry.type === 'outgoing' ? await this.#outgoing(entry) : await this.#incoming(entry);
    // Another look may have written the end meanwhile; what has ended is told once.
    const before = await this.#options.store.find(entry);
    if (looked.entry.state === entry.state || before?.state !== entry.state) return looked;
    await this.#options.store.put(looked.entry);
    if (looked.entry.state === 'settled')
      this.#options.notify(entry.type === 'outgoing' ? 'payment_sent' : 'payment_received', looked.entry, undefined);
    return looked;
  }

  /** Looks at everything that has not ended, or at what has this hash; never two rounds at once. */
  lookAll(paymentHash: string | undefined): Promise<void> {
    const round = async (): Promise<void> => {
      // A store that was closed meanwhile has nothing to look at.
      for (const entry of await this.#options.store.list().catch(() => []))
        if (entry.state === 'open' && (paymentHash === undefined || entry.paymentHash === paymentHash))
          // A node that is away is asked again with the next round.
          await this.look(entry).catch(() => undefined);
    };
    this.#looking = this.#looking.then(round);
    return this.#looking;
  }

  async #outgoing(entry: NwcEntry): Promise<Looked> {
    const payment = await this.#options.lightning.payment(entry.paymentHash);
    if (payment.state === 'settled') {
      const { preimage, feeMsat } = payment;
      const spentMsat = entry.amountMsat + feeMsat;
      return { entry: this.#settled({ ...entry, feeMsat, spentMsat }), preimage, held: undefined };
    }
    const now = payment.state === 'pending' ? reopened(entry) : this.#notUnderWay(entry, payment.state);
    return { entry: now, preimage: '', held: undefined };
  }

  #notUnderWay(entry: NwcEntry, state: 'failed' | 'unknown'): NwcEntry {
    if (this.#sending.has(entry.paymentHash)) return entry;
    const isGone = entry.createdAtSeconds + this.#options.payGraceSeconds < this.#options.nowSeconds();
    return state === 'failed' || isGone ? failed(entry) : entry;
  }

  async #incoming(entry: NwcEntry): Promise<Looked> {
    const invoice = await this.#options.lightning.invoice(entry.paymentHash);
    switch (invoice.state) {
      case 'settled':
        return { entry: this.#settled({ ...entry, amountMsat: invoice.amountMsat }), preimage: '', held: undefined };
      case 'canceled':
        return { entry: failed(entry), preimage: '', held: undefined };
      case 'held':
        this.#tellHeld(entry, invoice);
        return { entry, preimage: '', held: invoice };
      case 'open':
      case 'unknown':
        return { entry, preimage: '', held: undefined };
    }
  }

  #tellHeld(entry: NwcEntry, held: Held): void {
    if (this.#toldHeld.has(entry.paymentHash)) return;
    this.#toldHeld.add(entry.paymentHash);
    this.#options.notify('hold_invoice_accepted', entry, held);
  }

  #settled(entry: NwcEntry): NwcEntry {
    if (entry.state === 'settled') return entry;
    return { ...entry, state: 'settled', settledAtSeconds: this.#options.nowSeconds() };
  }
}

/** A payment that was given up and is under way after all takes from the budget again. */
const reopened = (entry: NwcEntry): NwcEntry =>
  entry.state === 'failed' ? { ...entry, state: 'open', spentMsat: entry.amountMsat } : entry;

const failed = (entry: NwcEntry): NwcEntry => ({ ...entry, state: 'failed', spentMsat: 0n });
