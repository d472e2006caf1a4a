import type { Kysely, Migration } from 'kysely';
import type { Columns } from './columns.ts';

/** Who may come in, and what was read. Times named `_at` are Unix seconds. */
export type AccessTables = {
  /** Only the SHA-256 of a token is kept. A session has a `party`; a trade's token has `trade_id` and `role`. */
  access_token: {
    token_hash: string;
    party: string | null;
    trade_id: string | null;
    role: TradeRole | null;
    expires_at: number;
  };
  /** What may be used once: answered challenges, NIP-98 events. Kept until it would be refused for its age anyway. */
  used_once: { id: string; expires_at: number };
  /** What all instances share so that one can check what another wrote. */
  shared_secret: { name: string; value: string };
  /** Up to where a recipient has handled his letters. */
  mailbox_mark: { recipient: string; acked: number };
};

export type TradeRole = 'buyer' | 'seller';

export const access = ({ integer, strict }: Columns): Migration => ({
  async up({ schema }: Kysely<unknown>) {
    await strict(
      schema
        .createTable('access_token')
        .addColumn('token_hash', 'text', (column) => column.primaryKey().notNull())
        .addColumn('party', 'text')
        .addColumn('trade_id', 'text')
        .addColumn('role', 'text')
        .addColumn('expires_at', integer, (column) => column.notNull()),
    ).execute();
    await schema.createIndex('tokens_by_age').on('access_token').column('expires_at').execute();
    await schema.createIndex('tokens_of_party').on('access_token').columns(['party', 'expires_at']).execute();
    await strict(
      schema
        .createTable('used_once')
        .addColumn('id', 'text', (column) => column.primaryKey().notNull())
        .addColumn('expires_at', integer, (column) => column.notNull()),
    ).execute();
    await schema.createIndex('used_by_age').on('used_once').column('expires_at').execute();
    await strict(
      schema
        .createTable('shared_secret')
        .addColumn('name', 'text', (column) => column.primaryKey().notNull())
        .addColumn('value', 'text', (column) => column.notNull()),
    ).execute();
    await strict(
      schema
        .createTable('mailbox_mark')
        .addColumn('recipient', 'text', (column) => column.primaryKey().notNull())
        .addColumn('acked', integer, (column) => column.notNull()),
    ).execute();
    await schema.createIndex('letters_by_age').on('mailbox').column('received_at').execute();
  },
});
