import type { z } from 'zod';
import type { OrdClient } from './ord-client.ts';
import type { AtBlock, OrdHead } from './ord-head.ts';

type Answer<T> = { answer: T | undefined; atBlock: AtBlock };
type Waiting<T> = { name: string; resolve(answer: Answer<T>): void; reject(error: unknown): void };

/** What can be asked for one by one and in one request, and how an answer says which one it is about. */
export type Kind<T> = {
  one: { path(name: string): string; schema: z.ZodType<T> };
  many: { path: string; schema: z.ZodType<T[]> };
  nameOf(answer: T): string;
};

/** Things in one request: few enough for servers with a `--batch-limit` of a reasonable size. */
const MOST_AT_ONCE = 50;

/** Questions that come together go out together: a purse asks about forty coins at a time. */
export class Batches<T> {
  private readonly kind: Kind<T>;
  private readonly client: OrdClient;
  private readonly head: OrdHead;
  private waiting: Waiting<T>[] = [];

  constructor(parts: { kind: Kind<T>; client: OrdClient; head: OrdHead }) {
    this.kind = parts.kind;
    this.client = parts.client;
    this.head = parts.head;
  }

  /** What the server says of it, `undefined` when it does not know it, and the block that this is of. */
  ask(name: string): Promise<Answer<T>> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ name, resolve, reject });
      if (this.waiting.length === 1) queueMicrotask(() => this.flush());
    });
  }

  private flush(): void {
    const all = this.waiting.splice(0);
    for (let next = 0; next < all.length; next += MOST_AT_ONCE) void this.send(all.slice(next, next + MOST_AT_ONCE));
  }

  private async send(some: readonly Waiting<T>[]): Promise<void> {
    try {
      const names = [...new Set(some.map(({ name }) => name))];
      const { answer, atBlock } = await this.head.within(() => this.answers(names));
      for (const { name, resolve } of some) resolve({ answer: answer.get(name), atBlock });
    } catch (error) {
      for (const { reject } of some) reject(error);
    }
  }

  private async answers(names: readonly string[]): Promise<Map<string, T>> {
    const { many, nameOf } = this.kind;
    const together = names.length < 2 ? undefined : await this.client.post(many.path, names, many.schema);
    // One that the server does not know makes it refuse all of them; so does a batch limit.
    const each = together ?? (await Promise.all(names.map((name) => this.one(name)))).flat();
    return new Map(each.map((answer) => [nameOf(answer), answer]));
  }

  private async one(name: string): Promise<T[]> {
    const { path, schema } = this.kind.one;
    const answer = await this.client.get(path(name), schema);
    return answer === undefined ? [] : [answer];
  }
}
