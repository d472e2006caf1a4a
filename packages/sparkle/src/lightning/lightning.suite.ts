import { after, before, describe, test } from 'node:test';
import { Bench, type Case, type Extra, type LightningWorld } from './bench.suite.ts';
import { holdCases } from './hold.suite.ts';
import { invoiceCases } from './invoices.suite.ts';
import { payCases } from './pay.suite.ts';

export type { Extra, LightningWorld } from './bench.suite.ts';

export type SuiteOptions = {
  without: readonly Extra[];
  /** A sentence why this world cannot be had here, `false` when it can. */
  skip: string | false;
};

/**
 * What every Lightning node must do, asked of the nodes that `open` brings up once for all cases. `without` names what
 * this world has not got: those cases are not registered.
 */
export function lightningSuite(
  name: string,
  open: () => Promise<LightningWorld>,
  { without, skip }: SuiteOptions,
): void {
  describe(`lightning: ${name}`, { skip }, () => {
    let bench: Bench;
    before(async () => {
      bench = new Bench(await open());
    });
    after(() => bench.world.close());
    const cases: readonly Case[] = [...invoiceCases, ...holdCases, ...payCases];
    for (const { sentence, needs, run } of cases)
      if (needs === undefined || !without.includes(needs)) test(sentence, () => run(bench));
  });
}
