import { type OrdOutput, outputAnswer, outputAnswers } from './ord-answers.ts';
import type { OrdClient } from './ord-client.ts';
import type { AtBlock, OrdHead } from './ord-head.ts';

type Answer = { answer: OrdOutput | undefined; atBlock: AtBlock };
type Waiting = { outpoint: string; resolve(answer: Answer): void; reject(error: unknown): void };

/** Outputs in one request: few enough for servers with a `--batch-limit` of a reasonable size. */
const MOST_AT_ONCE = 50;

/** Questions about outputs that come together go out together: a purse asks about forty coins at a time. */
export class OutputBatches {
  private readonly client: OrdClient;
  private readonly head: OrdHead;
  private waiting: Waiting[] = [];

  constructor(parts: { client: OrdClient; head: OrdHead }) {
    this.client = parts.client;
    this.head = parts.head;
  }

  /** What the server says of an output, `undefined` when it does not know it, and the block that this is of. */
  output(outpoint: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ outpoint, resolve, reject });
      if (this.waiting.length === 1) queueMicrotask(() => this.flush());
    });
  }

  private flush(): void {
    const all = this.waiting.splice(0);
    for (let next = 0; next < all.length; next += MOST_AT_ONCE) void this.ask(all.slice(next, next + MOST_AT_ONCE));
  }

  private async ask(some: readonly Waiting[]): Promise<void> {
    try {
      const outpoints = [...new Set(some.map(({ outpoint }) => outpoint))];
      const { answer, atBlock } = await this.head.within(() => this.outputs(outpoints));
      for (const { outpoint, resolve } of some) resolve({ answer: answer.get(outpoint), atBlock });
    } catch (error) {
      for (const { reject } of some) reject(error);
    }
  }

  private async outputs(outpoints: readonly string[]): Promise<Map<string, OrdOutput>> {
    const many = outpoints.length < 2 ? undefined : await this.client.post('/outputs', outpoints, outputAnswers);
    // One that the server does not know makes it refuse all of them; so does a batch limit.
    const each = many ?? (await Promise.all(outpoints.map((outpoint) => this.one(outpoint)))).flat();
    return new Map(each.map((output) => [output.outpoint, output]));
  }

  private async one(outpoint: string): Promise<OrdOutput[]> {
    const output = await this.client.get(`/output/${outpoint}`, outputAnswer);
    return output === undefined ? [] : [output];
  }
}
