import { type Kysely, type Migration, sql } from 'kysely';

/** Whose checkout it is, while it is open: what one buyer may have open is bounded. */
export const buyers = (): Migration => ({
  async up({ schema }: Kysely<unknown>) {
    await schema.alterTable('checkout').addColumn('buyer', 'text').execute();
    await schema
      .createIndex('checkouts_of_buyer')
      .on('checkout')
      .column('buyer')
      .where(sql.ref('buyer'), 'is not', null)
      .execute();
  },
});
