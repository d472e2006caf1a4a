import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client } from 'pg';
import { Owner } from '../../world/owner.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { withoutLnd, withoutPostgres } from '../regtest/parts.ts';
import { judge } from './judge.ts';
import { Sale } from './sale.ts';
import { Stage } from './stage.ts';

const ENDING = { patienceMilliseconds: 120_000, everyMilliseconds: 250 };
/** What the first instance has in hand the other must have by then: the lease is 3 seconds. */
const TAKEN_OVER = { patienceMilliseconds: 5_000, everyMilliseconds: 20 };

describe(
  'two instances of the program, over LND and PostgreSQL',
  { skip: withoutBitcoind || withoutLnd || withoutPostgres },
  () => {
    let stage: Stage;
    let client: Client;
    before(async () => {
      stage = await Stage.open({ coins: 5 });
      client = new Client({ connectionString: stage.url });
      await client.connect();
    });
    after(async () => {
      await client?.end();
      await stage?.close();
    });

    const names = async (): Promise<string[]> => {
      const held = 'select name from sparkle.trade join sparkle.instance on holder = id where ended = 0';
      return ((await client.query(held)).rows as { name: string }[]).map(({ name }) => name);
    };

    test('one that is killed in the middle of a sale is followed by the other, which ends it', async () => {
      const [holdings, fromHeight] = [await stage.holdings(), await stage.regtest.height()];
      await stage.up(0);
      const owner = await Owner.open(stage, 'owner');
      // Everything goes to the first until it is dead.
      let asked = 0;
      const sale = new Sale({ stage, draw: () => asked, kind: 'hands over' });
      let isOver = false;
      const selling = sale.run(owner, await owner.inscribe('sold by two')).finally(() => (isOver = true));
      // Whoever waits for it hears how it failed; until then nobody does.
      selling.catch(() => undefined);
      const isLocking = async () => {
        const states = (await client.query('select body from sparkle.trade where ended = 0')).rows as {
          body: string;
        }[];
        return states.some(({ body }) => /"state":"locking"/.test(body));
      };
      await until('the sale to be under way', isLocking);
      await stage.up(1);
      assert.deepEqual(await names(), ['anna']);
      await stage.kill(0);
      await until('the other to have it', async () => (await names()).join() === 'bert', TAKEN_OVER);
      asked = 1;
      // Blocks come when there is something to confirm: faster than the buyer they would bring the refund.
      await until(
        'the sale to end',
        async () => {
          if ((await stage.regtest.rpc<string[]>('getrawmempool')).length > 0) await stage.regtest.mine(1);
          return isOver;
        },
        ENDING,
      );
      await selling;
      await until(
        'the trade to end',
        async () => {
          await stage.regtest.mine(1);
          return (await names()).length === 0;
        },
        ENDING,
      );
      const { outcomes, disagreements } = await judge(stage, { sales: [sale], before: holdings, fromHeight });
      assert.deepEqual({ outcomes, disagreements }, { outcomes: { delivered: 1 }, disagreements: [] });
    });
  },
);
