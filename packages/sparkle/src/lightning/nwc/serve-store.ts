import { open, readFile, rename, writeFile, type FileHandle } from 'node:fs/promises';
import { SparkleError } from '../../protocol/errors.ts';
import { decodeState, encodeState } from '../../protocol/json.ts';

/** A payment or an invoice that a connection has asked for. No preimage is ever in here. */
export type NwcEntry = {
  /** The wallet key of the connection, x-only hex. */
  wallet: string;
  type: 'incoming' | 'outgoing';
  paymentHash: string;
  bolt11: string;
  description: string;
  amountMsat: bigint;
  createdAtSeconds: number;
  expiresAtSeconds: number;
  state: 'open' | 'settled' | 'failed';
  /** What it takes from the budget: amount and most fee while open, what was paid once settled, 0 when failed. */
  spentMsat: bigint;
  feeMsat: bigint;
  settledAtSeconds: number;
};

type NwcEntryKey = Pick<NwcEntry, 'wallet' | 'type' | 'paymentHash'>;

/** What a wallet service must not forget. A write is durable before it resolves. */
export interface NwcStore {
  /** `true` the first time: whoever gets it may act on the request, now and after any restart. */
  claim(request: { id: string; untilSeconds: number }): Promise<boolean>;
  put(entry: NwcEntry): Promise<void>;
  find(key: NwcEntryKey): Promise<NwcEntry | undefined>;
  list(): Promise<NwcEntry[]>;
  close(): Promise<void>;
}

const keyOf = ({ wallet, type, paymentHash }: NwcEntryKey): string => `${wallet}:${type}:${paymentHash}`;

type Line = { claim: { id: string; untilSeconds: number } } | { entry: NwcEntry };

/** For tests, and for a service whose clients may do no more than look. */
export function memoryNwcStore(): NwcStore {
  return new Rows(async () => undefined);
}

class Rows implements NwcStore {
  readonly claims = new Map<string, number>();
  readonly entries = new Map<string, NwcEntry>();
  readonly #write: (line: Line) => Promise<void>;

  constructor(write: (line: Line) => Promise<void>) {
    this.#write = write;
  }

  async claim(request: { id: string; untilSeconds: number }): Promise<boolean> {
    if (this.claims.has(request.id)) return false;
    this.claims.set(request.id, request.untilSeconds);
    await this.#write({ claim: request });
    return true;
  }

  async put(entry: NwcEntry): Promise<void> {
    this.entries.set(keyOf(entry), entry);
    await this.#write({ entry });
  }

  async find(key: NwcEntryKey): Promise<NwcEntry | undefined> {
    return this.entries.get(keyOf(key));
  }

  async list(): Promise<NwcEntry[]> {
    return [...this.entries.values()];
  }

  async close(): Promise<void> {}
}

/**
 * The same in a file of lines that only its owner may read: appended and synced, and written anew when it is opened,
 * without the requests that are too old to come again. One process at a time. Throws `bad_state` for a file that was
 * changed by something else.
 */
export async function fileNwcStore(of: { path: string; nowSeconds: number }): Promise<NwcStore> {
  const { path, nowSeconds } = of;
  let file: FileHandle | undefined;
  let last = Promise.resolve();
  const rows = new Rows((line) => {
    // One after the other: two appends at once could mix, and a promise that was kept must be on disk.
    last = last.then(async () => {
      if (file === undefined) throw new SparkleError('bad_state', 'the file of the wallet service is closed');
      await file.appendFile(`${encodeState(line)}\n`);
      await file.datasync();
    });
    return last;
  });
  for (const line of linesOf(await readFile(path, 'utf8').catch(whenMissing))) {
    if ('entry' in line) rows.entries.set(keyOf(line.entry), line.entry);
    else if (line.claim.untilSeconds >= nowSeconds) rows.claims.set(line.claim.id, line.claim.untilSeconds);
  }
  await rewrite(path, rows);
  file = await open(path, 'a', 0o600);
  rows.close = async () => {
    await last.catch(() => undefined);
    await file?.close();
    file = undefined;
  };
  return rows;
}

const whenMissing = (error: NodeJS.ErrnoException): string => {
  if (error.code === 'ENOENT') return '';
  throw error;
};

function linesOf(text: string): Line[] {
  // What stands after the last end of line is a write that a crash cut short: nobody was told that it was done.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter((line) => line !== '')
    .map(readLine);
}

function readLine(text: string): Line {
  const line = decodeState(text) as Line;
  if (typeof line === 'object' && line !== null && ('entry' in line || 'claim' in line)) return line;
  throw new SparkleError('bad_state', 'a line of the wallet service file must be a claim or an entry');
}

async function rewrite(path: string, { claims, entries }: Rows): Promise<void> {
  const lines: Line[] = [
    ...[...claims].map(([id, untilSeconds]) => ({ claim: { id, untilSeconds } })),
    ...[...entries.values()].map((entry) => ({ entry })),
  ];
  await writeFile(`${path}.new`, lines.map((line) => `${encodeState(line)}\n`).join(''), { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
}
