import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../debian.mjs';
import { needTool } from './build.mjs';

const OLDEST_PYTHON = '3.10';

/** The Electrum server over LevelDB, in a Python environment of its own with the versions in `electrumx/requirements.txt`. */
export const electrumx = {
  name: 'electrumx',
  title: 'ElectrumX',
  lane: 'python',
  variable: 'SPARKLE_ELECTRUMX',
  programs: ['electrumx_server'],
  version: '1.20.0',
  oldest: '1.16',
  // Version 2 refuses nodes older than Bitcoin Core 31.
  below: '2',
  // It has no question for its version, but names it before it misses its first setting.
  asks: { ask: [], without: ['DB_DIRECTORY'], pattern: /ElectrumX server starting\. .*version=(\d[\d.]*)/ },
  howToGet:
    `install Python ${OLDEST_PYTHON} or newer (on Debian \`apt-get install python3-venv\`, on macOS \`brew install python\`) and run ` +
    '`npm run parts -- electrumx`; or put `electrumx_server` on PATH or its path into SPARKLE_ELECTRUMX',
  // Not by the first line of the script, which names the folder that it was installed into before that got its final name.
  fromFolder: async (dir) => ({ command: join(dir, 'bin/python3'), args: [join(dir, 'bin/electrumx_server')] }),
  async fill({ dest, log }) {
    await needTool({
      ...{ command: 'python3', ask: ['--version'], pattern: /^Python (\d+\.\d+)/ },
      ...{ oldest: OLDEST_PYTHON, name: 'Python' },
    });
    await run('python3', ['-m', 'venv', dest]);
    log('installing its Python packages');
    const list = fileURLToPath(new URL('electrumx/requirements.txt', import.meta.url));
    await run(join(dest, 'bin/python3'), ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', list]);
  },
};
