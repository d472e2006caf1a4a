import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../../scripts/ports.mjs';
import { KeptProcess, newFolder } from './kept-process.ts';
import { program } from './parts.ts';

/** A relay that is not ours, nostr-rs-relay, on a free loopback port with a folder of its own. */
export async function startRealRelay(): Promise<{ url: string; stop(): Promise<void> }> {
  const { command, args } = await program('relay');
  const dir = await newFolder('relay');
  const [port = 0] = await freePorts(1);
  const config = join(dir, 'config.toml');
  const lines = [
    ...['[info]', `relay_url = "ws://127.0.0.1:${port}/"`, 'name = "test"'],
    ...['[database]', `data_directory = "${dir}"`],
    ...['[network]', 'address = "127.0.0.1"', `port = ${port}`],
  ];
  await writeFile(config, lines.join('\n'));
  const own = [...args, '--config', config, '--db', dir];
  const relay = new KeptProcess({ title: 'nostr-rs-relay', command, args: own, dir });
  await relay.begin(() => relay.up(() => answers(port)));
  return { url: `ws://127.0.0.1:${port}/`, stop: () => relay.release() };
}

const answers = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'application/nostr+json' } }).then(
    ({ ok }) => ok,
    () => false,
  );
