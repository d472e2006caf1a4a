/** What a quote said of the chain's part, and until when (Unix seconds) it holds. */
export type Given = { l1FeeSats: bigint; reserveSats: bigint; expiresAt: number };

/** The quotes that still hold. Anybody asks for as many as he likes: those of one offer at one fee are one, and what holds no more is forgotten. */
export class GivenQuotes {
  /** The offer that was quoted last stands last. */
  readonly #given = new Map<string, Given[]>();

  /** How many are remembered. */
  get size(): number {
    return [...this.#given.values()].reduce((sum, { length }) => sum + length, 0);
  }

  standing(offerId: string, nowSeconds: number): Given[] {
    return (this.#given.get(offerId) ?? []).filter(({ expiresAt }) => expiresAt > nowSeconds);
  }

  note(offerId: string, given: Given, nowSeconds: number): void {
    const others = this.standing(offerId, nowSeconds).filter(({ l1FeeSats }) => l1FeeSats !== given.l1FeeSats);
    this.#given.delete(offerId);
    this.#given.set(offerId, [...others, given]);
    for (const oldest of this.#given.keys()) {
      if (this.standing(oldest, nowSeconds).length > 0) return;
      this.#given.delete(oldest);
    }
  }
}
