import { constants } from 'node:os';
import { pathToFileURL } from 'node:url';
import { MISSING_PART } from './cache.mjs';
import { findPart, isRequired, known, parts } from './parts/find.mjs';
import { installParts } from './parts/install.mjs';
import { endWith } from './run.mjs';
import { partsThatTestsUse } from './uses.mjs';

export { findPart, isRequired };

const USAGE = `usage: npm run parts -- NAME ...      install what is missing of these parts
       npm run parts -- all           of those that the tests use
       npm run parts -- --list        what is there, from where, in which version
  with --json the answer is JSON; the parts: ${Object.keys(parts).join(', ')}`;

const wrong = (problem) => Object.assign(new Error(`${problem}\n${USAGE}`), { exitCode: 2 });

function read(args) {
  const flags = args.filter((arg) => arg.startsWith('-'));
  const unknown = flags.find((flag) => flag !== '--list' && flag !== '--json');
  if (unknown !== undefined) throw wrong(`there is no option ${unknown}`);
  const words = args.filter((arg) => !arg.startsWith('-'));
  const isList = flags.includes('--list');
  if (words.length === 0 && !isList) throw wrong('which parts?');
  const every =
    words.length === 0 ? Object.keys(parts) : words.flatMap((word) => (word === 'all' ? partsThatTestsUse() : word));
  return { names: known([...new Set(every)]), isList, isJson: flags.includes('--json') };
}

/** What a person sees: how it is started, the last word being the program; the ones before are its loader. */
const pathOf = ({ command, args }) => args.at(-1) ?? command;

const rowOf = ({ name, part, error, seconds }) =>
  part === undefined
    ? { name, isThere: false, problem: error.message }
    : {
        ...{ name, isThere: true, source: part.source, version: part.version, path: pathOf(part) },
        ...{ command: part.command, args: part.args, env: part.env, dir: part.dir },
        ...(part.source === 'installed' ? { seconds: Number(seconds.toFixed(1)) } : {}),
      };

function table(rows) {
  const cells = rows.map(({ name, isThere, source = '', version = '', path = '' }) => [
    ...[name, isThere ? 'yes' : 'no', source, version, path],
  ]);
  cells.unshift(['part', 'there', 'source', 'version', 'path']);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return cells.map((row) => `${line(row).trimEnd()}\n`).join('');
}

const look = (name) =>
  findPart(name, { install: 'never' }).then(
    (part) => ({ name, part }),
    (error) => ({ name, error }),
  );

async function main(args) {
  const { names, isList, isJson } = read(args);
  const answers = isList ? await Promise.all(names.map(look)) : await installParts(names, { log: console.error });
  const rows = answers.map(rowOf);
  process.stdout.write(isJson ? `${JSON.stringify(rows, undefined, 2)}\n` : table(rows));
  const missing = rows.filter(({ isThere }) => !isThere);
  for (const { problem } of missing) console.error(problem);
  if (missing.length > 0 && !isList) process.exitCode = MISSING_PART;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  // Builds are groups of processes of their own and end with this one.
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'])
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  await main(process.argv.slice(2)).catch(endWith);
}
