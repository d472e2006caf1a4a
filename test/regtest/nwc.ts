import { rm } from 'node:fs/promises';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import type { ClientTiming } from 'sparkle-protocol/lightning/nwc/client';
import { newGrant, type NwcGrant } from 'sparkle-protocol/lightning/nwc/grant';
import { connectNwc } from 'sparkle-protocol/lightning/nwc/nwc';
import { serveNwc, type NwcService } from 'sparkle-protocol/lightning/nwc/serve';
import { fileNwcStore, type NwcStore } from 'sparkle-protocol/lightning/nwc/serve-store';
import { methods } from 'sparkle-protocol/lightning/nwc/wire';

/** Short waits, so that a test of something that never comes is over soon. */
export const quickTiming: ClientTiming = {
  relayMilliseconds: 2_000,
  firstRetryMilliseconds: 20,
  lastRetryMilliseconds: 100,
  pingMilliseconds: 5_000,
  answerMilliseconds: 5_000,
};

export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export type NwcSideOptions = {
  relays: readonly string[];
  backend: NwcBackend;
  /** Where the service keeps what it must not forget. */
  path: string;
  /** The operator's cap on every route, which a client cannot lower. */
  maxCltvBlocks: number;
};

export type NwcBackend = {
  /** A getter's worth: a restart may put another node in its place. */
  lightning: () => Lightning;
  height: () => Promise<number>;
};

/** A node, a wallet service in front of it, and a client of that over relays: one side of a world of wallets. */
export class NwcSide {
  readonly warnings: string[] = [];
  readonly connection: string;
  readonly grant: NwcGrant;
  readonly #options: NwcSideOptions;
  #store: NwcStore | undefined;
  #service: NwcService | undefined;
  #wallet: Lightning | undefined;

  constructor(options: NwcSideOptions) {
    const { relays } = options;
    const { grant, connection } = newGrant({ name: 'suite', methods, budget: 'unlimited', relays });
    this.grant = grant;
    this.connection = connection;
    this.#options = options;
  }

  get wallet(): Lightning {
    if (this.#wallet === undefined) throw new Error('the wallet is not connected');
    return this.#wallet;
  }

  async open(): Promise<void> {
    const { relays, backend, path, maxCltvBlocks } = this.#options;
    this.#store = await fileNwcStore({ path, nowSeconds: nowSeconds() });
    const shared = { timing: quickTiming, warn: (words: string) => void this.warnings.push(words) };
    this.#service = await serveNwc({
      ...{ grants: [this.grant], relays, store: this.#store, lightning: backend.lightning() },
      limits: { maxFeeMsat: () => 100_000n, maxCltvBlocks, timeoutSeconds: 30 },
      tip: async () => ({ height: await backend.height(), hash: '' }),
      ...{ nowSeconds, ...shared },
    });
    this.#wallet = await connectNwc({
      ...{ connection: this.connection, network: 'regtest', nowMilliseconds: () => Date.now() },
      ...shared,
    });
  }

  /** Ends client and service as a crash would find them: what counts is in the file. */
  async shut(): Promise<void> {
    await this.#wallet?.close();
    await this.#service?.close();
    await this.#store?.close();
  }

  async close(): Promise<void> {
    await this.shut();
    await rm(this.#options.path, { force: true });
  }
}
