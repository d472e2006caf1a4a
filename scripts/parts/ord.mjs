import { join } from 'node:path';
import { cargoInstall, needRust } from './build.mjs';

const OLDEST_RUST = '1.95';
const VERSION = '0.29.1';

/** The index of inscriptions. */
export const ord = {
  name: 'ord',
  title: 'ord',
  lane: 'cargo',
  variable: 'SPARKLE_ORD',
  programs: ['ord'],
  version: VERSION,
  oldest: '0.27',
  asks: { pattern: /^ord (\d\S*)/m },
  howToGet:
    `on Debian and elsewhere install Rust ${OLDEST_RUST} or newer and run \`npm run parts -- ord\`, which builds it in some ten ` +
    'minutes; on macOS `brew install ord`; or unpack a release of ord and put `ord` on PATH or its path into SPARKLE_ORD',
  fromFolder: async (dir) => ({ command: join(dir, 'bin/ord'), args: [] }),
  async fill({ dest, log }) {
    await needRust(OLDEST_RUST);
    log('compiling, which takes 6 to 10 minutes on two cores');
    await cargoInstall({ what: ['ord', '--version', VERSION], dest, log });
  },
};
