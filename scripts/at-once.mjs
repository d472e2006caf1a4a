/** Stands in for `node:test` in a mutation run: the first red test ends it, which is most of the time saved. */
export const test = (_name, run) => void run();
export const describe = (_name, run) => run();
