import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The fenced blocks of a page that begin with their file name: `// name.mjs` in the first line. */
export function programsOf(page: string): Map<string, string> {
  const text = readFileSync(join(root, page), 'utf8');
  const blocks = text.matchAll(/^```(?:js|ts)\n\/\/ ([\w.]+)\n([\s\S]*?)^```$/gm);
  return new Map([...blocks].map(([, name = '', code = '']) => [name, code]));
}

/** The fenced block of a page, of any language, that follows a sentence; without its fences. */
export function blockAfter(page: string, sentence: string): string {
  const text = readFileSync(join(root, page), 'utf8');
  const start = text.indexOf(sentence);
  const found = /```\w*\n([\s\S]*?)```/.exec(text.slice(start));
  if (start < 0 || found?.[1] === undefined) throw new Error(`${page} has no block after "${sentence}"`);
  return found[1];
}

/**
 * A project folder beside ours that has the library installed. `run` resolves with what a program printed, `shell` with what
 * the lines of a reader's shell did.
 */
export function project(files: Record<string, string>) {
  const dir = mkdtempSync(join(tmpdir(), 'sparkle-docs-'));
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'), 'junction');
  for (const [name, text] of Object.entries({ 'package.json': '{"type":"module"}', ...files }))
    writeFileSync(join(dir, name), text);
  const flags = ['--conditions=sparkle-source', '--import', import.meta.resolve('tsx')];
  const env = { ...process.env, NODE_OPTIONS: flags.join(' ') };
  return {
    shell: async (lines: string): Promise<string> =>
      (await promisify(execFile)('sh', ['-euc', lines], { cwd: dir, env })).stdout.trim(),
    run: (program: string, args: string[], input: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const child = execFile(process.execPath, [...flags, program, ...args], { cwd: dir }, (error, printed, said) => {
          if (error === null) resolve(printed.trim());
          else reject(new Error(`${program} ended with ${error.code}: ${said}`));
        });
        child.stdin?.end(input);
      }),
    remove: (): void => rmSync(dir, { recursive: true, force: true }),
  };
}
