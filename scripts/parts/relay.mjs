import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cargoInstall } from './build.mjs';

const OLDEST_RUST = '1.75';
const VERSION = '0.8.12';

/** A Nostr relay that is not ours. */
export const relay = {
  name: 'relay',
  title: 'nostr-rs-relay',
  lane: 'cargo',
  variable: 'SPARKLE_RELAY',
  programs: ['nostr-rs-relay'],
  version: VERSION,
  oldest: '0.8.12',
  asks: { pattern: /^nostr-rs-relay (\d\S*)/m },
  howToGet:
    `on Debian, macOS and elsewhere install Rust ${OLDEST_RUST} or newer and run \`npm run parts -- relay\`, which builds it in ` +
    'some minutes; or put `nostr-rs-relay` on PATH or its path into SPARKLE_RELAY',
  fromFolder: async (dir) => ({ command: join(dir, 'bin/nostr-rs-relay'), args: [] }),
  async fill({ dest, log }) {
    const target = join(dest, 'target');
    log('compiling, which takes some minutes');
    await cargoInstall({ crate: 'nostr-rs-relay', version: VERSION, oldestRust: OLDEST_RUST, dest, target, log });
    await rm(target, { recursive: true, force: true });
  },
};
