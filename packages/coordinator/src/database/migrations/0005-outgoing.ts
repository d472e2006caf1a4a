import type { Kysely, Migration } from 'kysely';
import type { Columns } from './columns.ts';

/**
 * What a transaction of ours is for. Of bumps, aborts and refunds there may be several versions, of which one confirms.
 * A `forward` is no transaction but a payment to a seller: its hash stands in place of the txid.
 */
export type OutgoingKind = 'lock' | 'bump' | 'abort' | 'refund' | 'forward';
/** `dead` can never confirm; a lock or a forward is `closed` when what became of it is in the books, too. */
export type OutgoingState = 'sent' | 'booked' | 'closed' | 'dead';

/** Every version of every transaction that we signed for a sale, until it is known to the books what became of it. */
export type OutgoingTables = {
  outgoing: { trade_id: string; txid: string; kind: OutgoingKind; raw: string; state: OutgoingState };
};

export const outgoing = ({ strict }: Columns): Migration => ({
  async up({ schema }: Kysely<unknown>) {
    await strict(
      schema
        .createTable('outgoing')
        .addColumn('trade_id', 'text', (column) => column.notNull())
        .addColumn('txid', 'text', (column) => column.notNull())
        .addColumn('kind', 'text', (column) => column.notNull())
        .addColumn('raw', 'text', (column) => column.notNull())
        .addColumn('state', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('one_row_per_version', ['trade_id', 'txid']),
    ).execute();
    await schema.createIndex('outgoing_by_state').on('outgoing').columns(['state', 'trade_id']).execute();
  },
});
