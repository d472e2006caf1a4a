import type { Generated, Kysely, Migration } from 'kysely';
import type { Columns } from './columns.ts';

/**
 * What sellers say they sell, in their own signed words: found here, traded by messages. What the coordinator itself
 * sells, with the output it lies in, is in `offer`.
 */
export type AdvertTables = {
  advert: {
    created_seq: Generated<number>;
    seller_id: string;
    /** The seller's own name of it: another seller may use the same. */
    advert_id: string;
    inscription_id: string;
    price_sats: number;
    body: string;
    expires_at: number;
  };
};

export const adverts = ({ integer, seq, strict }: Columns): Migration => ({
  async up({ schema }: Kysely<unknown>) {
    await strict(
      schema
        .createTable('advert')
        .addColumn('created_seq', ...seq)
        .addColumn('seller_id', 'text', (column) => column.notNull())
        .addColumn('advert_id', 'text', (column) => column.notNull())
        .addColumn('inscription_id', 'text', (column) => column.notNull())
        .addColumn('price_sats', integer, (column) => column.notNull())
        .addColumn('body', 'text', (column) => column.notNull())
        .addColumn('expires_at', integer, (column) => column.notNull()),
    ).execute();
    const index = (name: string, columns: string[]) => schema.createIndex(name).on('advert').columns(columns);
    await index('one_advert_per_name', ['seller_id', 'advert_id']).unique().execute();
    await index('adverts_of_inscription', ['inscription_id', 'created_seq']).execute();
    await index('adverts_of_seller', ['seller_id', 'created_seq']).execute();
    await index('adverts_by_end', ['expires_at']).execute();
  },
});
