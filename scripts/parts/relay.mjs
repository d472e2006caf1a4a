import { chmod, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run, unpackDebian, unpackedProgram } from '../debian.mjs';
import { cargoInstall, needRust } from './build.mjs';
import { onPath } from './program.mjs';

const OLDEST_RUST = '1.80';
const CRATE = 'nostr-rs-relay';
const VERSION = '0.8.12';

/** The crate's own lock names a `time` that Rust 1.80 and newer refuse. */
const RENEWED = { crate: 'time@0.3.25', version: '0.3.36' };

/** The folder of the crate's sources, unpacked by cargo for a package that depends on it; a copy, for us to change. */
async function sourcesOf({ dest }) {
  const asking = join(dest, 'asking');
  await mkdir(join(asking, 'src'), { recursive: true });
  await writeFile(join(asking, 'src/lib.rs'), '');
  const manifest = join(asking, 'Cargo.toml');
  await writeFile(
    manifest,
    `[package]\nname = "asking"\nversion = "0.0.0"\n\n[dependencies]\n${CRATE} = "=${VERSION}"\n`,
  );
  const { packages } = JSON.parse(
    await run('cargo', ['metadata', '--quiet', '--format-version', '1', '--manifest-path', manifest]),
  );
  const sources = join(dest, 'sources');
  await cp(dirname(packages.find(({ name }) => name === CRATE).manifest_path), sources, { recursive: true });
  await rm(asking, { recursive: true });
  return sources;
}

/** The compiler of protocol buffers that the crate calls: the one on PATH, else Debian's, unpacked. */
async function protocIn({ dest, log }) {
  if (onPath('protoc') !== undefined) return {};
  const unpacked = join(dest, 'protoc');
  await unpackDebian({ name: 'protobuf-compiler', dest: unpacked, log });
  const { command, args } = await unpackedProgram({ dest: unpacked, program: 'usr/bin/protoc' });
  const starter = join(unpacked, 'protoc');
  await writeFile(starter, `#!/bin/sh\nexec ${[command, ...args].map((word) => `'${word}'`).join(' ')} "$@"\n`);
  await chmod(starter, 0o755);
  return { PROTOC: starter };
}

/** A Nostr relay that is not ours. */
export const relay = {
  name: 'relay',
  title: CRATE,
  lane: 'cargo',
  variable: 'SPARKLE_RELAY',
  programs: [CRATE],
  version: VERSION,
  oldest: VERSION,
  asks: { pattern: /^nostr-rs-relay (\d\S*)/m },
  howToGet:
    `on Debian, macOS and elsewhere install Rust ${OLDEST_RUST} or newer and \`protoc\` (on macOS \`brew install protobuf\`; on ` +
    'Debian it is unpacked when missing) and run `npm run parts -- relay`, which builds it in some minutes; or put ' +
    '`nostr-rs-relay` on PATH or its path into SPARKLE_RELAY',
  fromFolder: async (dir) => ({ command: join(dir, 'bin', CRATE), args: [] }),
  async fill({ dest, log }) {
    await needRust(OLDEST_RUST);
    const protoc = await protocIn({ dest, log });
    log('fetching its sources');
    const sources = await sourcesOf({ dest });
    const manifest = join(sources, 'Cargo.toml');
    await run('cargo', [
      'update',
      '--quiet',
      '--manifest-path',
      manifest,
      '-p',
      RENEWED.crate,
      '--precise',
      RENEWED.version,
    ]);
    log('compiling, which takes some minutes');
    await cargoInstall({ what: ['--path', sources], dest, env: protoc, log });
    for (const name of ['sources', 'protoc']) await rm(join(dest, name), { recursive: true, force: true });
  },
};
