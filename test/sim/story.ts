/** What happened in one trade. Written out only when somebody wants to read it; counted always. */
export class Story {
  readonly lines: string[] = [];
  readonly faults: string[] = [];
  readonly counts = new Map<string, number>();
  readonly #isTold: boolean;
  readonly #stamp: () => string;

  constructor(options: { told: 'in full' | 'not at all'; stamp: () => string }) {
    this.#isTold = options.told === 'in full';
    this.#stamp = options.stamp;
  }

  /** For sentences that cost something to make. */
  say(sentence: () => string): void {
    if (this.#isTold) this.lines.push(`${this.#stamp()}  ${sentence()}`);
  }

  note(sentence: string): void {
    this.say(() => sentence);
  }

  fault(sentence: string): void {
    this.faults.push(sentence);
    this.note(`FAULT ${sentence}`);
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}
