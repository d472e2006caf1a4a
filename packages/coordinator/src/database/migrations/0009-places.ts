import { type Kysely, type Migration, sql } from 'kysely';

/** Which of the places of one buyer it has: two who ask at once, of whichever instance, cannot both have the last. */
export const places = (): Migration => ({
  async up({ schema }: Kysely<unknown>) {
    await schema.alterTable('checkout').addColumn('place', 'integer').execute();
    await schema.dropIndex('checkouts_of_buyer').execute();
    await schema
      .createIndex('places_of_buyer')
      .unique()
      .on('checkout')
      .columns(['buyer', 'place'])
      .where(sql.ref('buyer'), 'is not', null)
      .execute();
  },
});
