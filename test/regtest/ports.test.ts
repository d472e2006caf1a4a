import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { freePorts } from '../../scripts/ports.mjs';

const PROCESSES = 3;
const EACH = 1_000;

/** Asks for ports in another process and lets it live until all have asked. */
const asked = `
  import { freePorts } from ${JSON.stringify(new URL('../../scripts/ports.mjs', import.meta.url).href)};
  const ports = await freePorts(${EACH});
  process.stdout.write(JSON.stringify(ports));
  await new Promise((resolve) => process.stdin.once('end', resolve).resume());
`;

async function inAnotherProcess(): Promise<{ ports: number[]; end: () => Promise<unknown> }> {
  const args = ['--input-type=module', '--eval', asked];
  const running = promisify(execFile)(process.execPath, args);
  const said = await new Promise<string>((resolve, reject) => {
    running.child.stdout?.once('data', (chunk: string) => resolve(chunk));
    running.catch(reject);
  });
  return { ports: JSON.parse(said) as number[], end: () => (running.child.stdin?.end(), running) };
}

test('no two processes that live are given the same port, and none that a connection could take', async () => {
  const others = await Promise.all(Array.from({ length: PROCESSES }, inAnotherProcess));
  const ports = [...(await freePorts(EACH)), ...others.flatMap((other) => other.ports)];
  await Promise.all(others.map(({ end }) => end()));
  assert.equal(new Set(ports).size, (PROCESSES + 1) * EACH);
  assert.ok(ports.every((port) => port >= 20_000 && port < 32_000));
});
