/** Remembers the last `limit` words that were added. */
export class Recently {
  private readonly words = new Set<string>();
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  has(word: string): boolean {
    return this.words.has(word);
  }

  add(word: string): void {
    this.words.add(word);
    for (const oldest of this.words) {
      if (this.words.size <= this.limit) return;
      this.words.delete(oldest);
    }
  }

  delete(word: string): boolean {
    return this.words.delete(word);
  }
}
