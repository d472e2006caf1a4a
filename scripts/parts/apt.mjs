import { run } from '../debian.mjs';

const QUIET = { DEBIAN_FRONTEND: 'noninteractive' };

/** Installs a Debian package on this machine, which only root may do. */
export async function aptInstall({ name, log }) {
  if (process.platform !== 'linux' || process.getuid() !== 0)
    throw new Error('only root on Debian can have it installed by this command');
  log('asking the Debian archive what there is');
  await run('apt-get', ['-q', 'update'], { env: QUIET });
  log(`installing the Debian package ${name}`);
  await run('apt-get', ['-q', 'install', '-y', '--no-install-recommends', name], { env: QUIET });
}
