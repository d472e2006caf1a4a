import { after, before } from 'node:test';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { withoutPostgres } from '../../../../test/regtest/parts.ts';
import { postgresStore } from './postgres.ts';
import type { Store } from './store.ts';
import { type Disk, storeSuite } from './store.suite.ts';

let server: Postgres;
before(async () => {
  if (withoutPostgres === false) server = await startPostgres({ writes: 'fast' });
});
after(() => server?.stop());

const newDisk = async (): Promise<Disk> => {
  const url = await server.newDatabase();
  const opened: Store[] = [];
  return {
    open: async () => {
      const store = await postgresStore({ url, network: 'regtest' });
      opened.push(store);
      return store;
    },
    remove: async () => void (await Promise.all(opened.map((store) => store.close()))),
  };
};

storeSuite('postgres', newDisk, { skip: withoutPostgres });
