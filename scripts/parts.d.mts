export type PartName = 'bitcoind' | 'lnd' | 'ord' | 'electrum' | 'electrumx' | 'postgres' | 'chromium' | 'relay';

/** How a real part is started: `command`, then `args`, then its own arguments, with `env` in its environment. */
export type Part = {
  name: PartName;
  command: string;
  args: string[];
  env: Record<string, string>;
  version: string;
  /** The environment variable that names it, `PATH`, `Debian`, `cache` or `installed`. */
  source: string;
  /** Of PostgreSQL: the folder of its programs. */
  dir?: string | undefined;
};

export function findPart(
  name: PartName,
  options?: { log?: (line: string) => void; install?: 'when missing' | 'never' },
): Promise<Part>;

/** Whether `SPARKLE_REQUIRE` names the part, or `all`. */
export function isRequired(name: PartName): boolean;
