import { findPart, parts } from './find.mjs';

async function one(name, log) {
  const began = process.hrtime.bigint();
  const seconds = () => Number(process.hrtime.bigint() - began) / 1e9;
  try {
    const part = await findPart(name, { log });
    if (part.source === 'installed') log(`${name}: ${part.version} is there after ${seconds().toFixed(1)} s`);
    return { name, part, seconds: seconds() };
  } catch (error) {
    log(`${name}: could not be had, after ${seconds().toFixed(1)} s`);
    return { name, error, seconds: seconds() };
  }
}

/**
 * Has each of these parts installed that is missing. Parts whose builds would share one thing (the processor of a cargo
 * build, apt's lock) come one after the other, the others side by side; one that cannot be had does not stop the others.
 * Answers `{ name, seconds, part }` or `{ name, seconds, error }` for each, in the order asked.
 */
export async function installParts(names, { log }) {
  const done = new Map();
  const lanes = [...new Set(names.map((name) => parts[name].lane))];
  await Promise.all(
    lanes.map(async (lane) => {
      for (const name of names) if (parts[name].lane === lane) done.set(name, await one(name, log));
    }),
  );
  return names.map((name) => done.get(name));
}
