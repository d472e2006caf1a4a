import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, KeptProcess, until } from './kept-process.ts';
import { program } from './parts.ts';

/** A relay that is not ours, nostr-rs-relay, on a free loopback port with a folder of its own. */
export async function startRealRelay(): Promise<{ url: string; stop(): Promise<void> }> {
  const { command, args } = await program('relay');
  const dir = await mkdtemp(join(tmpdir(), 'sparkle-relay-'));
  const [port = 0] = await freePorts(1);
  const config = join(dir, 'config.toml');
  const lines = [
    ...['[info]', `relay_url = "ws://127.0.0.1:${port}/"`, 'name = "test"'],
    ...['[database]', `data_directory = "${dir}"`],
    ...['[network]', 'address = "127.0.0.1"', `port = ${port}`],
  ];
  await writeFile(config, lines.join('\n'));
  const relay = new KeptProcess({ command, args: [...args, '--config', config, '--db', dir], dir });
  relay.start();
  const release = async (): Promise<void> => {
    await relay.release('SIGTERM');
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await until('nostr-rs-relay to answer', () => !relay.running || answers(port));
    if (!relay.running) throw new Error('nostr-rs-relay has ended');
  } catch (cause) {
    await release();
    throw new Error(`nostr-rs-relay could not be started: ${relay.said}`, { cause });
  }
  return { url: `ws://127.0.0.1:${port}/`, stop: release };
}

const answers = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'application/nostr+json' } }).then(
    ({ ok }) => ok,
    () => false,
  );
