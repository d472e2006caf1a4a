import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { build, needTool } from './build.mjs';

const OLDEST_GO = '1.25.10';
/**
 * `lowscrypt` hardens the password of LND's wallet less, which a private chain has no use for: a node starts in a tenth of
 * the processor time. It changes nothing else, and is why this build is for tests alone.
 */
const TAGS = 'signrpc walletrpc chainrpc invoicesrpc routerrpc peersrpc lowscrypt';
const COMMANDS = ['lnd', 'lncli'].map((name) => `github.com/lightningnetwork/lnd/cmd/${name}`);

/** LND and `lncli`, built from the module in the folder `lnd` beside this file, whose go.sum pins every source. */
export const lnd = {
  name: 'lnd',
  cachedAs: 'lnd-lowscrypt',
  title: 'LND',
  lane: 'go',
  variable: 'SPARKLE_LND',
  programs: ['lnd'],
  version: '0.21.0-beta',
  oldest: '0.18',
  asks: { pattern: /^lnd version (\S+)/m },
  howToGet:
    `on Debian and elsewhere install Go ${OLDEST_GO} or newer and run \`npm run parts -- lnd\`, which builds it in some ten ` +
    'minutes; on macOS `brew install lnd`; or unpack a release of LND and put `lnd` on PATH or its path into SPARKLE_LND',
  fromFolder: async (dir) => ({ command: join(dir, 'lnd'), args: [] }),
  async fill({ dest, log }) {
    await needTool({
      command: 'go',
      ask: ['version'],
      pattern: /go(\d+\.\d+(?:\.\d+)?)/,
      oldest: OLDEST_GO,
      name: 'Go',
    });
    log('compiling, which takes 6 to 10 minutes on two cores');
    await build({
      command: 'go',
      args: ['build', '-mod=readonly', '-trimpath', '-ldflags=-s -w', '-tags', TAGS, '-o', `${dest}/`, ...COMMANDS],
      cwd: fileURLToPath(new URL('lnd/', import.meta.url)),
      env: { CGO_ENABLED: '0' },
      log,
    });
  },
};
