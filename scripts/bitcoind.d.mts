/** How a bitcoind is started: `command`, then `args`, then the node's own arguments. */
export type BitcoindProgram = {
  command: string;
  args: string[];
  version: string;
  major: number;
  knots: boolean;
  source: 'SPARKLE_BITCOIND' | 'PATH' | 'cache' | 'installed';
};

export type Rpc = <T = unknown>(method: string, params?: unknown[], wallet?: string) => Promise<T>;

export type Bitcoind = {
  rpcUrl: string;
  rpcPort: number;
  p2pPort: number;
  rpcUser: string;
  rpcPassword: string;
  cookieFile: string;
  zmq: { rawblock: string; rawtx: string; sequence: string };
  dir: string;
  version: string;
  rpc: Rpc;
  pid(): number;
  isRunning(): boolean;
  /** Ends the node gracefully and keeps its data. */
  down(): Promise<void>;
  /** Ends it as a crash would (`kill -9`): blocks and mempool that it had not written down are lost. */
  kill(): Promise<void>;
  /** Brings it back on the same ports. */
  up(): Promise<void>;
  /** Ends the node and removes the folder that was made for it; a folder that was given is kept. */
  stop(): Promise<void>;
};

export function findBitcoind(options?: {
  log?: (line: string) => void;
  install?: 'when missing' | 'never';
}): Promise<BitcoindProgram>;

export function startBitcoind(options?: {
  chain?: 'regtest' | 'signet';
  dir?: string;
  args?: string[];
  log?: (line: string) => void;
  program?: BitcoindProgram;
}): Promise<Bitcoind>;
