import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SUITES = ['trixie', 'trixie-backports'];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Runs a program to its end and returns what it printed; its last words are in the error when it fails. */
export function run(command, args, { timeoutMilliseconds = 10 * 60_000, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    // Not the option of spawn: its timer goes on when the program does not exist, and keeps this process waiting.
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMilliseconds);
    let output = '';
    let words = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (words = (words + chunk).slice(-2000)));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${code ?? signal}: ${(words || output).trim().slice(-600)}`));
    });
  });
}

/** The archive this machine already uses, so that a mirror or a proxy set up by its owner is kept. */
async function archive() {
  const lines = (await run('apt-get', ['indextargets', '--format', '$(REPO_URI)'])).split('\n');
  const found = lines.find((line) => /\/debian\/?$/.test(line));
  if (found === undefined) throw new Error('apt names no Debian archive on this machine');
  return found;
}

async function aptOptions(work) {
  const uri = await archive();
  const signed = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
  await Promise.all(['lists/partial', 'archives/partial'].map((dir) => mkdir(join(work, dir), { recursive: true })));
  await writeFile(join(work, 'status'), '');
  await writeFile(join(work, 'sources.list'), SUITES.map((suite) => `deb ${signed}${uri} ${suite} main\n`).join(''));
  const options = {
    'Dir::Etc::sourcelist': join(work, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State': work,
    'Dir::State::lists': join(work, 'lists'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': work,
    'Dir::Cache::archives': join(work, 'archives'),
    'APT::Install-Recommends': 'false',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    // Else an archive that cannot be reached is only a warning, and the next step fails with an error about something else.
    'APT::Update::Error-Mode': 'any',
    'Debug::NoLocking': '1',
    // Only root can drop to apt's own user, and that user could not read our folder.
    ...(process.getuid?.() === 0 ? { 'APT::Sandbox::User': 'root' } : {}),
  };
  return ['-q', ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])];
}

/** Unpacks a Debian package and every library it needs into `dest`, without root. Returns the package's version. */
export async function unpackDebian({ name, dest, log }) {
  const work = await mkdtemp(join(tmpdir(), 'sparkle-apt-'));
  try {
    const options = await aptOptions(work);
    log('asking the Debian archive what there is');
    await run('apt-get', [...options, 'update']);
    log(`downloading ${name} and the libraries it needs`);
    // From an empty status apt works out the whole closure: what is unpacked fits itself, whatever the host runs.
    await run('apt-get', [...options, 'install', '--download-only', '-y', '-t', SUITES.at(-1), name]);
    const archives = join(work, 'archives');
    const debs = (await readdir(archives)).filter((file) => file.endsWith('.deb'));
    log(`unpacking ${debs.length} packages`);
    for (const deb of debs) await run('dpkg', ['-x', join(archives, deb), dest]);
    const own = debs.find((file) => file.startsWith(`${name}_`));
    if (own === undefined) throw new Error(`apt downloaded no package named ${name}`);
    return (await run('dpkg-deb', ['-f', join(archives, own), 'Version'])).trim();
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * How a program unpacked into `dest` is started: through the loader that came with it, with the libraries that came
 * with it. `{ command, args }`; the program's own arguments come after `args`.
 */
export async function unpackedProgram({ dest, program }) {
  for (const folder of ['usr/lib64', 'usr/lib']) {
    const names = await readdir(join(dest, folder)).catch(() => []);
    const loader = names.find((name) => /^ld-linux.*\.so\.\d+$/.test(name));
    if (loader === undefined) continue;
    const libraries = await readdir(join(dest, 'usr/lib'));
    const paths = libraries.filter((name) => /-linux-gnu/.test(name)).map((name) => join(dest, 'usr/lib', name));
    return { command: join(dest, folder, loader), args: ['--library-path', paths.join(':'), join(dest, program)] };
  }
  throw new Error(`no loader among the unpacked files in ${dest}`);
}
