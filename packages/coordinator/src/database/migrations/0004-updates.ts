import type { Generated, Kysely, Migration } from 'kysely';
import type { Columns } from './columns.ts';

/** What happened to trades, as their parties are told: each change of status once, in order. */
export type UpdateTables = {
  trade_update: {
    seq: Generated<number>;
    trade_id: string;
    /** The id that the parties know it by. */
    shown_id: string;
    status: string;
    /** Keys of the parties, as far as they are known: who may hear of it without a token. */
    buyer: string | null;
    seller: string | null;
    at: number;
  };
};

export const updates = ({ integer, seq, strict }: Columns): Migration => ({
  async up({ schema }: Kysely<unknown>) {
    await strict(
      schema
        .createTable('trade_update')
        .addColumn('seq', ...seq)
        .addColumn('trade_id', 'text', (column) => column.notNull())
        .addColumn('shown_id', 'text', (column) => column.notNull())
        .addColumn('status', 'text', (column) => column.notNull())
        .addColumn('buyer', 'text')
        .addColumn('seller', 'text')
        .addColumn('at', integer, (column) => column.notNull()),
    ).execute();
    const index = (name: string, columns: string[]) => schema.createIndex(name).on('trade_update').columns(columns);
    await index('updates_of_trade', ['trade_id', 'seq']).execute();
    await index('updates_of_buyer', ['buyer', 'seq']).execute();
    await index('updates_of_seller', ['seller', 'seq']).execute();
    await index('updates_by_age', ['at']).execute();
  },
});
