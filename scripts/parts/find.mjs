import { findBitcoind } from '../bitcoind.mjs';
import { cachedPart, intoCache, missingPart, timed } from '../cache.mjs';
import { chromium } from './chromium.mjs';
import { electrum } from './electrum.mjs';
import { electrumx } from './electrumx.mjs';
import { lnd } from './lnd.mjs';
import { ord } from './ord.mjs';
import { postgres } from './postgres.mjs';
import { isBefore, onPath, versionSaid } from './program.mjs';
import { relay } from './relay.mjs';

/** The node is older than this table and finds itself. */
const bitcoind = { name: 'bitcoind', title: 'bitcoind', lane: 'download', variable: 'SPARKLE_BITCOIND' };

/** Every real part, by name. */
export const parts = Object.fromEntries(
  [bitcoind, lnd, ord, electrum, electrumx, postgres, chromium, relay].map((part) => [part.name, part]),
);

/** The named parts; throws an error with `exitCode` 2 when there is none of a name. */
export function known(names) {
  const unknown = names.find((name) => !Object.hasOwn(parts, name));
  if (unknown === undefined) return names;
  const all = Object.keys(parts).join(', ');
  throw Object.assign(new Error(`there is no part named ${unknown}; there are ${all}`), { exitCode: 2 });
}

/** Whether `SPARKLE_REQUIRE` names the part, or `all`. */
export const isRequired = (name) =>
  (process.env['SPARKLE_REQUIRE'] ?? '').split(/[\s,]+/).some((word) => word === 'all' || word === name);

const sentence = (part, problem) => `${problem}. To get ${part.title}: ${part.howToGet}.`;
const fits = (part, version) =>
  !isBefore(version, part.oldest) && (part.below === undefined || isBefore(version, part.below));
const range = ({ oldest, below }) => `${oldest} or newer${below === undefined ? '' : ` and before ${below}`}`;

/** What a finder of a part answers with. */
const found = (part, { command, args = [], env = {} }, version, source) => ({
  ...{ name: part.name, command, args, env, version, source },
  dir: part.folderOf?.({ command }),
});

async function named(part) {
  const path = process.env[part.variable];
  if (path === undefined || path === '') return undefined;
  const program = { command: part.named?.(path) ?? path };
  const version = await versionSaid(program, part.asks);
  if (version === undefined)
    throw missingPart(sentence(part, `${part.variable} names ${path}, which is not ${part.title} that runs here`));
  if (!fits(part, version))
    throw missingPart(sentence(part, `${part.variable} names ${part.title} ${version}; it must be ${range(part)}`));
  return found(part, program, version, part.variable);
}

async function onThisMachine(part, log) {
  const places = { PATH: onPath(...part.programs), Debian: part.onMachine?.() };
  for (const [source, command] of Object.entries(places)) {
    if (command === undefined) continue;
    const version = await versionSaid({ command }, part.asks);
    if (version !== undefined && fits(part, version)) return found(part, { command }, version, source);
    if (version !== undefined) log(`${command} is version ${version}, not ${range(part)}: not used`);
  }
  return undefined;
}

/** A part that is built another way than before has another name there. */
const cacheName = ({ name, cachedAs = name }) => cachedAs;

async function fromCache(part) {
  if (part.fill === undefined) return undefined;
  const cached = await cachedPart(cacheName(part), part.version);
  if (cached === undefined) return undefined;
  return found(part, await part.fromFolder(cached.dir), cached.facts.version, 'cache');
}

async function installed(part, log) {
  if (part.fill === undefined) {
    await part.installOnMachine({ log });
    const there = await onThisMachine(part, log);
    if (there === undefined) throw new Error('it was installed and is still not found');
    return { ...there, source: 'installed' };
  }
  const { dir, facts } = await intoCache({
    ...{ part: cacheName(part), version: part.version, log },
    fill: async (dest) => {
      const filled = await part.fill({ dest, log });
      const version = await versionSaid(await part.fromFolder(dest), part.asks);
      if (version === undefined) throw new Error('what was installed does not start on this machine');
      return { version, ...(filled === undefined ? {} : { package: filled }) };
    },
  });
  return found(part, await part.fromFolder(dir), facts.version, 'installed');
}

/**
 * A real part that runs here: the one its environment variable names, the one on PATH, the one in the cache, else it is
 * installed. Answers `{ name, command, args, env, version, source, dir }`; the part's own arguments come after `args`, and
 * `env` belongs into its environment. Throws an error with `exitCode` 3 and one sentence that says how to get the part.
 */
export async function findPart(name, { log = () => undefined, install = 'when missing' } = {}) {
  known([name]);
  if (name === 'bitcoind') return { name, env: {}, ...(await findBitcoind({ log, install })) };
  const part = parts[name];
  const there = (await named(part)) ?? (await onThisMachine(part, log)) ?? (await fromCache(part));
  if (there !== undefined) return there;
  if (install === 'never') throw missingPart(sentence(part, `${part.title} is not on this machine`));
  try {
    return await installed(
      part,
      timed((line) => log(`${name}: ${line}`)),
    );
  } catch (cause) {
    const reason = cause.message.trim().slice(-400);
    throw missingPart(sentence(part, `${part.title} could not be installed (${reason})`), cause);
  }
}
