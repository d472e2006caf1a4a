import { readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { aptInstall } from './apt.mjs';
import { isExecutable } from './program.mjs';

const DEBIAN = '/usr/lib/postgresql';

/** Debian keeps the server's programs off PATH, in one folder a version. */
function debianFolders() {
  try {
    return readdirSync(DEBIAN)
      .sort(new Intl.Collator('en', { numeric: true }).compare)
      .reverse();
  } catch {
    return [];
  }
}

/** The database. `dir` is the folder of its programs: `initdb`, `pg_ctl`, `postgres`. */
export const postgres = {
  name: 'postgres',
  title: 'PostgreSQL',
  lane: 'download',
  variable: 'SPARKLE_POSTGRES',
  programs: ['postgres'],
  oldest: '14',
  asks: { pattern: /^postgres \(PostgreSQL\) (\d[\d.]*)/m },
  howToGet:
    'on Debian `apt-get install postgresql` (as root `npm run parts -- postgres` does it); on macOS `brew install ' +
    'postgresql`; elsewhere put the folder that holds `initdb` and `postgres` on PATH or into SPARKLE_POSTGRES',
  named: (path) => join(path, 'postgres'),
  onMachine: () =>
    debianFolders()
      .map((version) => join(DEBIAN, version, 'bin/postgres'))
      .find(isExecutable),
  // On PATH may lie links to some of them.
  folderOf: ({ command }) => dirname(realpathSync(command)),
  installOnMachine: ({ log }) => aptInstall({ name: 'postgresql', log }),
};
