/** The names of the real parts that a test file uses, itself or through what it imports; the path is from the root. */
export function partsUsedBy(file: string): string[];

/** The parts that any test uses. */
export function partsThatTestsUse(): string[];
