/** Promises for conditions that are looked at after every turn: nothing about a node changes in between. */
export class Waits {
  readonly #waiting = new Set<() => void>();

  /** Whether `isSo` became true within `milliseconds`. */
  until(isSo: () => boolean, milliseconds: number): Promise<boolean> {
    if (isSo()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (answer: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(answer);
      };
      const look = (): void => {
        if (isSo()) end(true);
      };
      const timer = setTimeout(() => end(false), milliseconds);
      this.#waiting.add(look);
    });
  }

  look(): void {
    for (const look of this.#waiting) look();
  }
}
