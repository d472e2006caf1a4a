/** Who did what: one step of a story, with what the chain says about it. */
export type Step = {
  story: string;
  who: 'world' | 'seller' | 'buyer';
  what: string;
  txid?: string;
  vsize?: number;
  feeSats?: number;
  block?: number;
  millis: number;
};

/** What a story came to; every value is read from the chain and the two Lightning nodes when it is over. */
export type StoryReport = {
  name: string;
  outcome: 'traded' | 'refunded';
  inscription: string;
  satpointBefore: string;
  satpointAfter: string;
  lockTxid: string;
  claimTxid?: string;
  refundTxid?: string;
  vsize: number;
  feeSats: number;
  buyerPaidMsat: number;
  sellerReceivedMsat: number;
  millis: number;
};

/** One line of what a side had before and after, in sats, counted from chain and channels. */
export type Holding = {
  story: string;
  who: 'seller' | 'buyer';
  inscription: [string, string];
  lightningMsat: [bigint, bigint];
};

export interface Printer {
  step(step: Step): void;
  /** Says what is being waited for; on a terminal a spinner turns beside it. */
  waiting(what: string): void;
  summary(report: { stories: StoryReport[]; holdings: Holding[]; millis: number }): void;
  note(line: string): void;
  stop(): void;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const write = (text: string) => process.stdout.write(text);
const tidy = (value: unknown) =>
  JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? Number(item) : item));

/** One JSON object a line; the last is the summary. */
export const jsonPrinter = (): Printer => ({
  step: (step) => void write(`${tidy({ step })}\n`),
  waiting: () => {},
  note: (line) => void write(`${tidy({ note: line })}\n`),
  summary: ({ stories }) => void write(`${tidy({ summary: { stories } })}\n`),
  stop: () => {},
});

/** Lines for a reader; a spinner where there is a terminal. */
export function textPrinter({ terminal }: { terminal: boolean }): Printer {
  let frame = 0;
  let wait = '';
  const clear = () => (terminal ? void write('\r\x1b[2K') : undefined);
  const spin = () => {
    if (!terminal || wait === '') return;
    frame = (frame + 1) % FRAMES.length;
    write(`\r\x1b[2K${FRAMES[frame]} ${wait}`);
  };
  const timer = terminal ? setInterval(spin, 80) : undefined;
  const line = (text: string) => {
    clear();
    write(`${text}\n`);
  };
  return {
    step: (step) => line(stepLine(step)),
    waiting: (what) => {
      wait = what;
      spin();
    },
    note: line,
    summary: ({ stories, holdings, millis }) => {
      wait = '';
      line(
        [
          '',
          ...table(stories, holdings),
          '',
          `${stories.length === 1 ? '1 story' : `${stories.length} stories`} finished in ${(millis / 1000).toFixed(1)} s`,
        ].join('\n'),
      );
    },
    stop: () => {
      clearInterval(timer);
      clear();
    },
  };
}

function stepLine({ who, what, txid, vsize, feeSats, block, millis }: Step): string {
  const facts = [
    txid === undefined ? '' : `${txid.slice(0, 16)}…`,
    vsize === undefined ? '' : `${vsize} vB`,
    feeSats === undefined ? '' : `fee ${feeSats} sats`,
    block === undefined ? '' : `block ${block}`,
  ].filter((fact) => fact !== '');
  return `${`${millis} ms`.padStart(9)}  ${who.padEnd(6)}  ${what.padEnd(58)} ${facts.join('  ')}`.trimEnd();
}

const sats = (msat: bigint) => `${(Number(msat) / 1000).toLocaleString('en-US')} sats`;

function table(stories: StoryReport[], holdings: Holding[]): string[] {
  const head = ['story', 'who', 'inscription before', 'after', 'in channels before', 'after'];
  const rows = holdings.map(({ story, who, inscription, lightningMsat }) => [
    story,
    who,
    ...inscription,
    sats(lightningMsat[0]),
    sats(lightningMsat[1]),
  ]);
  const widths = head.map((title, column) => Math.max(...[head, ...rows].map((row) => (row[column] ?? title).length)));
  const lay = (row: string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const ends = stories.map(
    ({ name, outcome, vsize, feeSats, satpointAfter }) =>
      `${name}: ${outcome}, the inscription is at ${satpointAfter} (last spend ${vsize} vB, fee ${feeSats} sats)`,
  );
  return [lay(head), lay(widths.map((width) => '-'.repeat(width))), ...rows.map(lay), '', ...ends];
}
