import type { Kysely, Migration } from 'kysely';

/** An offer that is passed on is found by its price, and whether its seller asks less elsewhere, without reading the others. */
export const forwarded = (): Migration => ({
  async up({ schema }: Kysely<unknown>) {
    const index = (name: string, columns: string[]) => schema.createIndex(name).on('advert').columns(columns);
    await index('adverts_by_price', ['inscription_id', 'price_sats', 'created_seq']).execute();
    await index('adverts_of_seller_by_price', ['inscription_id', 'seller_id', 'price_sats']).execute();
  },
});
