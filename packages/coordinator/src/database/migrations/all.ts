import type { MigrationSet } from 'sparkle-protocol/store/migrations';
import { exchange, type ExchangeTables } from './0001-exchange.ts';
import { access, type AccessTables } from './0002-access.ts';
import { adverts, type AdvertTables } from './0003-adverts.ts';
import { updates, type UpdateTables } from './0004-updates.ts';
import { outgoing, type OutgoingTables } from './0005-outgoing.ts';
import { buyers } from './0006-buyers.ts';
import { forwarded } from './0007-forwarded.ts';
import { payouts, type PayoutTables } from './0008-payouts.ts';
import { places } from './0009-places.ts';
import { claims, type ClaimTables } from './0010-claims.ts';
import { columnsOf, type SqlDialect } from './columns.ts';

/** The coordinator's own tables as the newest step leaves them. */
export type CoordinatorTables = ExchangeTables &
  AccessTables &
  AdvertTables &
  UpdateTables &
  OutgoingTables &
  PayoutTables &
  ClaimTables;

/** Every step, in the order of their names. A released step is never edited: add a file. */
export const coordinatorTables = (dialect: SqlDialect): MigrationSet => ({
  table: 'coordinator_migration',
  steps: {
    '0001_exchange': exchange(columnsOf[dialect]),
    '0002_access': access(columnsOf[dialect]),
    '0003_adverts': adverts(columnsOf[dialect]),
    '0004_updates': updates(columnsOf[dialect]),
    '0005_outgoing': outgoing(columnsOf[dialect]),
    '0006_buyers': buyers(),
    '0007_forwarded': forwarded(),
    '0008_payouts': payouts(columnsOf[dialect]),
    '0009_places': places(),
    '0010_claims': claims(columnsOf[dialect]),
  },
});
