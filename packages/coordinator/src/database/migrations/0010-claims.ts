import type { Kysely, Migration } from 'kysely';
import type { Columns } from './columns.ts';

/**
 * `noted`: it may not have left us yet, and the preimage in it with it. `over`: it lies six blocks deep, or another spend of
 * its lock does, or it was not sent in time.
 */
export type ClaimState = 'noted' | 'sent' | 'over';

/**
 * Claims that buyers have handed over; `from_height` is where the search for what has spent their lock begins, at
 * `last_reveal_height` one leaves for the first time at the latest.
 */
export type ClaimTables = {
  claim: {
    txid: string;
    trade_id: string;
    raw: string;
    from_height: number;
    last_reveal_height: number;
    state: ClaimState;
  };
};

export const claims = ({ strict }: Columns): Migration => ({
  async up({ schema }: Kysely<unknown>) {
    await strict(
      schema
        .createTable('claim')
        .addColumn('txid', 'text', (column) => column.notNull().primaryKey())
        .addColumn('trade_id', 'text', (column) => column.notNull())
        .addColumn('raw', 'text', (column) => column.notNull())
        .addColumn('from_height', 'integer', (column) => column.notNull())
        .addColumn('last_reveal_height', 'integer', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull()),
    ).execute();
    await schema.createIndex('claims_by_state').on('claim').column('state').execute();
  },
});
