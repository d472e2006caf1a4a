import type { Invoice11 } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';

/** The SDK's mark for a hop that is no channel: its node id is a Spark identity (f42400 f42400 0001). */
const IDENTITY_CHANNEL = '16000000x16000000x1';
/** BOLT 11, tag f, and the version that the SDK uses there for a Spark address or invoice. */
const FALLBACK_TAG = 9;
const SPARK_VERSION = 31;

/** Whether a wallet of Spark could pay this invoice past Lightning, and so without learning a preimage. */
export const carriesSparkRoute = (invoice: Pick<Invoice11, 'routeHints' | 'skippedFields'>): boolean =>
  invoice.routeHints.flat().some(({ shortChannelId }) => shortChannelId === IDENTITY_CHANNEL) ||
  invoice.skippedFields.some(({ tag, words }) => tag === FALLBACK_TAG && words[0] === SPARK_VERSION);

/** Throws `bad_invoice` for an invoice that could be paid without its preimage being told. */
export function refuseSparkRoute(invoice: Pick<Invoice11, 'routeHints' | 'skippedFields'>): void {
  if (carriesSparkRoute(invoice))
    throw new SparkleError('bad_invoice', 'the invoice carries a Spark address: paid there, it reveals no preimage', {
      rule: 'spark_route',
    });
}
