import { findPart, isRequired, type Part, type PartName } from '../../scripts/parts.mjs';

/** A required part is not looked for here: a test that needs it runs, and fails when it cannot be had. */
async function missing(name: PartName): Promise<string | false> {
  if (isRequired(name)) return false;
  return findPart(name, { install: 'never' }).then(
    () => false,
    (error: Error) => error.message,
  );
}

const [lnd, ord, electrum, electrumx, postgres, chromium, relay] = await Promise.all(
  (['lnd', 'ord', 'electrum', 'electrumx', 'postgres', 'chromium', 'relay'] as const).map(missing),
);

/**
 * For `test(name, { skip: withoutLnd }, ...)` and for suites: the sentence why tests that need the part are skipped,
 * `false` when it is there. With `SPARKLE_REQUIRE` naming the part or `all` a missing one is a failure instead.
 */
export const withoutLnd: string | false = lnd ?? false;
export const withoutOrd: string | false = ord ?? false;
export const withoutElectrum: string | false = electrum ?? false;
export const withoutElectrumx: string | false = electrumx ?? false;
export const withoutPostgres: string | false = postgres ?? false;
export const withoutChromium: string | false = chromium ?? false;
export const withoutRelay: string | false = relay ?? false;

const found = new Map<PartName, Promise<Part>>();

/**
 * How to start a part: `spawn(command, [...args, ...own], { env: { ...process.env, ...env } })`. Installs it first when it
 * is required and missing; throws the sentence that says how to get it when it is not there.
 */
export function program(name: PartName): Promise<Part> {
  const promise =
    found.get(name) ?? findPart(name, { install: isRequired(name) ? 'when missing' : 'never', log: console.error });
  found.set(name, promise);
  return promise;
}
