import type { Kysely, Migration } from 'kysely';
import type { Columns } from './columns.ts';

/**
 * What is owed over Lightning for a sale that was paid. `body` is the whole of it; `version` grows with every change, so that of
 * two who change it at the same moment one does; `due_at` is Unix seconds.
 */
export type PayoutTables = {
  payout: {
    payout_id: string;
    trade_id: string;
    state: 'owed' | 'paying' | 'paid' | 'given_up';
    payment_hash: string | null;
    due_at: number;
    version: number;
    body: string;
  };
};

export const payouts = ({ integer, strict }: Columns): Migration => ({
  async up({ schema }: Kysely<unknown>) {
    await strict(
      schema
        .createTable('payout')
        .addColumn('payout_id', 'text', (column) => column.primaryKey().notNull())
        .addColumn('trade_id', 'text', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addColumn('payment_hash', 'text', (column) => column.unique())
        .addColumn('due_at', integer, (column) => column.notNull())
        .addColumn('version', integer, (column) => column.notNull())
        .addColumn('body', 'text', (column) => column.notNull()),
    ).execute();
    await schema.createIndex('payouts_by_time').on('payout').columns(['state', 'due_at']).execute();
  },
});
