import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackDebian, unpackedProgram } from '../debian.mjs';

/** Debian's package with its own Python and libraries, unpacked: it needs neither root nor a Python of this machine. */
export const electrum = {
  name: 'electrum',
  title: 'Electrum',
  lane: 'download',
  variable: 'SPARKLE_ELECTRUM',
  programs: ['electrum'],
  oldest: '4.6',
  asks: { ask: ['--offline', 'version'], folder: 'ELECTRUMDIR', pattern: /^(\d\S+)/m },
  howToGet:
    'on Debian `npm run parts -- electrum` unpacks it when the package archive can be reached, or `apt-get install -t ' +
    'trixie-backports electrum`; on macOS `brew install --cask electrum`; elsewhere install it with pip from its release, ' +
    'and put `electrum` on PATH or its path into SPARKLE_ELECTRUM',
  async fromFolder(dir) {
    const python = (await readdir(join(dir, 'usr/bin'))).find((name) => /^python3\.\d+$/.test(name));
    const program = await unpackedProgram({ dest: dir, program: join('usr/bin', String(python)) });
    const args = [...program.args, join(dir, 'usr/bin/electrum')];
    return { command: program.command, args, env: { PYTHONHOME: join(dir, 'usr'), PYTHONDONTWRITEBYTECODE: '1' } };
  },
  fill: ({ dest, log }) => unpackDebian({ name: 'electrum', dest, log }),
};
