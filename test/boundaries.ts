import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** A file of the repository; `path` is relative to its root, with slashes. */
export type Source = { path: string; text: string };

const LIBRARY = 'packages/sparkle/src/';
const PORTS = [
  'chain/chain',
  'chain/wallet',
  'lightning/lightning',
  'ordinals/ordinals',
  'market/market',
  'store/store',
];
const CODECS = ['@noble/', '@scure/', 'zod'];

/** Room -> what it may import besides itself. The drawing in docs/README.md is this table; a longer name wins. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: CODECS,
  chain: ['protocol/', ...CODECS, 'node:', 'p-limit', 'zeromq'],
  lightning: ['protocol/', ...CODECS, 'node:'],
  'lightning/ldk': ['protocol/', ...CODECS, 'node:', 'lightningdevkit', 'better-sqlite3', 'chain/chain'],
  'lightning/lnd': ['protocol/', ...CODECS, 'node:', 'lightning'],
  'lightning/nwc': ['protocol/', ...CODECS, 'node:', 'nostr-tools', 'ws'],
  'lightning/spark': ['protocol/', ...CODECS, 'node:', '@buildonspark/spark-sdk'],
  ordinals: ['protocol/', ...CODECS, 'p-limit', 'chain/chain'],
  market: ['protocol/', ...CODECS],
  store: ['protocol/', 'node:', 'kysely', 'better-sqlite3', 'pg'],
  trader: ['protocol/', ...CODECS, 'node:', 'pino', ...PORTS],
  'index.ts': ['protocol/index', 'trader/'],
};

const SERVICE = 'packages/coordinator/src/';
/** The same for the rooms of the coordinator among themselves; what stands in its root puts them together. */
const SERVICE_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  config: [],
  database: [],
  access: ['database'],
  http: ['database', 'access'],
  hub: ['database', 'access'],
  books: ['database', 'exchange/sold'],
  royalties: ['database', 'books'],
  exchange: ['database', 'access', 'hub', 'royalties'],
  news: ['database', 'access', 'exchange'],
  watch: ['database', 'http', 'books', 'royalties', 'news'],
  api: ['config', 'database', 'access', 'http', 'hub', 'exchange', 'news', 'watch'],
  operate: [
    ...['config', 'database', 'access', 'http', 'hub', 'books', 'royalties', 'exchange', 'news', 'watch', 'api'],
    'version',
  ],
};

/** What a pure function never needs. Looked for as text, so that a comment cannot hide it either. */
const IMPURE = [
  ...['Date.now', 'new Date(', 'performance.', 'Math.random', 'getRandomValues', 'randomBytes', 'randomUUID'],
  ...['process.', 'globalThis', 'Buffer', 'fetch(', 'async ', 'await ', 'setTimeout', 'setInterval', 'console.'],
];

const UNFINISHED = ['TODO', 'FIXME', 'XXX', '@ts-ignore', '@ts-nocheck', 'eslint-disable', 'oxlint-disable'];
const HALF_TEST = /\b(?:test|it|describe|suite)\.(?:skip|todo|only)\(|\b(?:only|todo): *true/;
const BANNER = /^\s*(?:\/\/|\/?\*+) ?[=*#~-]{4,}/m;
const MOST_LINES = 400;

const isTest = ({ path }: Source): boolean => /\.(?:test|suite)\.ts$/.test(path);
const inLibrary = ({ path }: Source): boolean => path.startsWith(LIBRARY);
const shipped = (sources: Source[]): Source[] => sources.filter((each) => inLibrary(each) && !isTest(each));

/** The rule files name what they forbid. */
const isRule = ({ path }: Source): boolean => /^test\/boundaries(?:\.test)?\.ts$/.test(path);

/** Every module a file names, whether for its values, its types or its effects. */
function importsOf({ text }: Source): { to: string; typeOnly: boolean }[] {
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?['"]([^'"\n]+)['"]/gm);
  const calls = text.matchAll(/\bimport\(\s*['"]([^'"\n]+)['"]/g);
  return [
    ...[...statements].map(([, type, to]) => ({ to: to ?? '', typeOnly: type !== undefined })),
    ...[...calls].map(([, to]) => ({ to: to ?? '', typeOnly: false })),
  ];
}

/** Where an import leads: a room's file without its ending (`chain/chain`), a path that leaves the library, or a package. */
function targetOf(from: Source, to: string): string {
  if (!to.startsWith('.')) return to;
  const path = normalize(join(dirname(from.path), to));
  return path.startsWith(LIBRARY) ? path.slice(LIBRARY.length).replace(/\.ts$/, '') : `outside:${path}`;
}

const roomOf = ({ path }: Source): string => path.slice(LIBRARY.length).split('/')[0] ?? '';

function allowedFor(source: Source): readonly string[] {
  const within = source.path.slice(LIBRARY.length);
  const rooms = Object.keys(MAY_IMPORT).filter((room) => within === room || within.startsWith(`${room}/`));
  const room = rooms.toSorted((a, b) => b.length - a.length)[0];
  return room === undefined ? [] : (MAY_IMPORT[room] ?? []);
}

const isAllowed = (to: string, allowed: readonly string[]): boolean =>
  allowed.some((each) => (/[/:]$/.test(each) ? to.startsWith(each) : to === each || to.startsWith(`${each}/`)));

/** Imports against the arrows between the rooms. */
export const forbiddenArrows = (sources: Source[]): string[] =>
  shipped(sources).flatMap((source) =>
    importsOf(source)
      .map(({ to }) => targetOf(source, to))
      .filter((to) => to.split('/')[0] !== roomOf(source) && !isAllowed(to, allowedFor(source)))
      .map((to) => `${source.path} -> ${to}`),
  );

/** The same for the rooms of the coordinator. */
export const forbiddenInService = (sources: Source[]): string[] =>
  sources
    .filter(
      (source) => source.path.startsWith(SERVICE) && source.path.slice(SERVICE.length).includes('/') && !isTest(source),
    )
    .flatMap((source) => {
      const [room = ''] = source.path.slice(SERVICE.length).split('/');
      const allowed = [room, ...(SERVICE_MAY_IMPORT[room] ?? [])];
      return importsOf(source)
        .filter(({ to }) => to.startsWith('.'))
        .map(({ to }) => normalize(join(dirname(source.path), to)).replace(/\.ts$/, ''))
        .filter((to) => !to.startsWith(SERVICE) || !isAllowed(to.slice(SERVICE.length), allowed))
        .map((to) => `${source.path} -> ${to}`);
    });

/** Words of I/O, clock and chance in the pure room. */
export const impurities = (sources: Source[]): string[] =>
  shipped(sources)
    .filter((source) => roomOf(source) === 'protocol')
    .flatMap(({ path, text }) => IMPURE.filter((word) => text.includes(word)).map((word) => `${path}: ${word}`));

/** Packages that the library imports and its package.json does not name. */
export function undeclared(sources: Source[], dependencies: readonly string[]): string[] {
  const declared = (to: string): boolean => to.startsWith('node:') || isAllowed(to, dependencies);
  return shipped(sources).flatMap((source) =>
    importsOf(source)
      .filter(({ to }) => !to.startsWith('.') && !declared(to))
      .map(({ to }) => `${source.path} -> ${to}`),
  );
}

export const tooLong = (sources: Source[]): string[] =>
  sources
    .map(({ path, text }) => ({ path, lines: text.replace(/\n$/, '').split('\n').length }))
    .filter(({ lines }) => lines > MOST_LINES)
    .map(({ path, lines }) => `${path}: ${lines} lines`);

/** Work left open, tests that do not run, banners, files without a subject. */
export const leftovers = (sources: Source[]): string[] =>
  sources
    .filter((source) => !isRule(source))
    .flatMap(({ path, text }) => [
      ...UNFINISHED.filter((word) => text.includes(word)).map((word) => `${path}: ${word}`),
      ...(HALF_TEST.test(text) ? [`${path}: a test that does not run, or runs alone`] : []),
      ...(BANNER.test(text) ? [`${path}: banner`] : []),
      ...(/(?:^|[/-])(?:utils?|helpers?|misc|common)(?:[./-]|$)/i.test(path)
        ? [`${path}: name without a subject`]
        : []),
    ]);

/** Files of the library that load each other in a circle, each circle once. Types are erased and may refer back. */
export function cycles(sources: Source[]): string[] {
  const files = new Map(shipped(sources).map((source) => [source.path, source]));
  const found = new Set<string>();
  const finished = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.add([...trail.slice(at), path].join(' -> '));
    const source = files.get(path);
    if (at >= 0 || source === undefined || finished.has(path)) return;
    for (const { to, typeOnly } of importsOf(source))
      if (to.startsWith('.') && !typeOnly) visit(normalize(join(dirname(path), to)), [...trail, path]);
    finished.add(path);
  };
  for (const path of files.keys()) visit(path, []);
  return [...found];
}

/** Our own source text under these folders of the repository. */
export function readSources(root: string, folders: readonly string[]): Source[] {
  return folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
    )
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.(?:ts|mjs)$/.test(path) && !/(?:^|\/)(?:node_modules|dist)\//.test(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}
