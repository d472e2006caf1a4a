import { register } from 'node:module';

/**
 * The simulator with a memory for what is slow on the curve. Has to be asked for before anything else loads the
 * modules that are led through it.
 */
export function loadFast(): Promise<typeof import('./run.ts')> {
  register('./fast/hooks.mjs', import.meta.url);
  return import('./run.ts');
}
