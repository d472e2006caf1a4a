import { type ChildProcess, fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Asked, Usage } from './host.ts';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export type Host = {
  address: string;
  inscriptionId: string;
  ask<Answer>(asked: Asked): Promise<Answer>;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
};

type Said = { id: number; answer?: unknown; error?: string };

type Parent = { ask(asked: Asked): Promise<unknown>; ready: Promise<unknown> };

/** What it is asked and answers, told apart by numbers; 0 is its word that it is ready. */
function talkTo(child: ChildProcess): Parent {
  const waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  let last = 0;
  const answerTo = (id: number): Promise<unknown> =>
    new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  child.on('message', ({ id, answer, error }: Said) => {
    const asker = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asker?.resolve(answer);
    else asker?.reject(new Error(error));
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`the coordinator ended with ${code}`));
  });
  const ask = (asked: Asked): Promise<unknown> => {
    const answer = answerTo((last += 1));
    child.send({ id: last, asked });
    return answer;
  };
  return { ask, ready: answerTo(0) };
}

/** A coordinator in a process of its own that runs compiled code, as it is run in earnest. */
export async function startHost(url: string): Promise<Host> {
  const outfile = path(`../../node_modules/.cache/sparkle-bench-host-${process.pid}.mjs`);
  await build({
    ...{ entryPoints: [path('host.ts')], outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' },
    ...{ packages: 'external', alias: { 'sparkle-protocol': path('../../packages/sparkle/src') } },
  });
  // For a profile: --cpu-prof.
  const flags = process.env['BENCH_NODE_FLAGS']?.split(' ') ?? [];
  const child = fork(outfile, [url], { execArgv: ['--expose-gc', ...flags] });
  const { ask, ready } = talkTo(child);
  const { address, inscriptionId } = (await ready) as { address: string; inscriptionId: string };
  await rm(outfile, { force: true });
  return {
    ...{ address, inscriptionId, ask: ask as Host['ask'] },
    usage: async () => (await ask({ do: 'usage' })) as Usage,
    stop: async () => {
      const ended = new Promise((resolve) => child.on('exit', resolve));
      await ask({ do: 'stop' });
      await ended;
    },
  };
}
