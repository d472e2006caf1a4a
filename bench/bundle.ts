import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const protocol = fileURLToPath(new URL('../packages/sparkle/src/protocol/', import.meta.url));

const allModules = (): string[] =>
  readdirSync(protocol, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts') && !/\.(?:test|suite)\.ts$/.test(file));

/**
 * Modules of the `protocol` room as one minified script for a browser. An import that a browser does not have (`node:`
 * and the like) cannot be resolved there, and throws.
 */
async function bundle(modules: string[]): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: {
      contents: modules.map((file, index) => `export * as m${index} from './${file}';`).join('\n'),
      resolveDir: protocol,
      loader: 'ts',
    },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error('esbuild answered without a file');
  return file.contents;
}

/** The whole room with all it imports, nothing shaken off. */
export const bundleProtocol = (): Promise<Uint8Array> => bundle(allModules());

export type BundleSize = { name: string; minifiedBytes: number; gzipBytes: number };

/** What a page pays for the whole room, and for the parts that pages import alone. */
export async function benchBundle(): Promise<BundleSize[]> {
  const parts = [
    { name: 'protocol, everything', modules: allModules() },
    { name: 'protocol/trade/step: the machines', modules: ['trade/step.ts'] },
    { name: 'protocol/lock, protocol/claim: address, claim', modules: ['lock.ts', 'claim.ts'] },
    { name: 'protocol/bolt11: read and check an invoice', modules: ['bolt11.ts'] },
  ];
  return Promise.all(
    parts.map(async ({ name, modules }) => {
      const code = await bundle(modules);
      return { name, minifiedBytes: code.length, gzipBytes: gzipSync(code, { level: 9 }).length };
    }),
  );
}
