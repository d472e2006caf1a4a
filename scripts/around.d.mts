import type { Ending } from './ending.mjs';

export function runAround(options: {
  missing: string[];
  building: Promise<{ name: string; error?: Error }[]>;
  files: string[];
  usedBy: (file: string) => string[];
  run: (files: string[]) => Promise<number>;
  ending: Ending;
  log: (line: string) => void;
}): Promise<number>;
