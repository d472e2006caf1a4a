/** Numbers without rhyme that are the same for the same seed: the only chance a simulated world has. */
export type Chance = {
  /** 0 <= number < 1. */
  next(): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  happens(probability: number): boolean;
  oneOf<T>(items: readonly [T, ...T[]]): T;
  bytes(length: number): Uint8Array;
  /** A stream of its own: a draw more in one does not change what another draws. */
  fork(name: string): Chance;
};

/** FNV-1a: spreads a text over 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** sfc32 of PractRand: four words of state, passes every statistical test there is, seven lines. */
function sfc32(seed: string): () => number {
  let [a, b, c, counter] = [hashOf(`${seed}/a`), hashOf(`${seed}/b`), hashOf(`${seed}/c`), 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round += 1) next();
  return next;
}

export function chance(seed: string): Chance {
  const word = sfc32(seed);
  const next = (): number => word() / 2 ** 32;
  const between = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    between,
    happens: (probability) => next() < probability,
    oneOf: (items) => items[between(0, items.length - 1)] ?? items[0],
    bytes: (length) => Uint8Array.from({ length }, () => word() & 0xff),
    fork: (name) => chance(`${seed}/${name}`),
  };
}
