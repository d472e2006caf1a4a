import type { Kysely, Migration } from 'kysely';
import type { Columns } from './columns.ts';

/** `over`: it lies six blocks deep, or another spend of its lock does. */
export type ClaimState = 'sent' | 'over';

/** Claims that buyers have handed over; `from_height` is where the search for what has spent their lock begins. */
export type ClaimTables = {
  claim: { txid: string; trade_id: string; raw: string; from_height: number; state: ClaimState };
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
        .addColumn('state', 'text', (column) => column.notNull()),
    ).execute();
    await schema.createIndex('claims_by_state').on('claim').column('state').execute();
  },
});
