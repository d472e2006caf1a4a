import { SparkleError } from '../protocol/errors.ts';

/** What `pg` adds to an error: PostgreSQL's SQLSTATE, or the system's word when there is no connection. */
const stateOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

// Appendix A of PostgreSQL's manual: connection exceptions, a lack of resources or of memory, a server that is being shut
// down, crashed, starts or is not yet the one to write to, and a lock or a transaction that took too long.
const AWAY = /^(?:08...|53...|57P0.|25006|25P03|55P03|57014)$/;

/** What the system says of a way that leads nowhere today. */
const NO_WAY =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|E(?:HOST|NET)(?:UNREACH|DOWN)|EADDRNOTAVAIL|ENOTFOUND|EAI_AGAIN|ENOENT)$/;

// The same appendix: a wrong name or password, no such database, no right to what we need.
const NOT_LET_IN = /^(?:28...|3D000|42501)$/;

/** `pg` has no code for these. */
const AWAY_WORDS =
  /^(?:Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Client was closed)/;

const isAway = (error: unknown): boolean =>
  AWAY.test(stateOf(error)) ||
  NO_WAY.test(stateOf(error)) ||
  (error instanceof Error && AWAY_WORDS.test(error.message));

/** Two that met: a deadlock, a serialization failure, a row that another inserted meanwhile. The second look is another one. */
export const isCollision = (error: unknown): boolean => ['40001', '40P01', '23505'].includes(stateOf(error));

const storeUnavailable = (cause: unknown): SparkleError => {
  const state = stateOf(cause);
  return new SparkleError(
    'store_unavailable',
    `the database must answer; it did not (${state === '' ? 'connection lost' : state})`,
    { state },
    { cause },
  );
};

/** PostgreSQL keeps no U+0000 in a text, where SQLite does and JSON allows it. */
const isUnstorable = (error: unknown): boolean => stateOf(error) === '22021';

/** An error as the store's callers know it. What passes by itself is told from what will be as wrong the next time. */
export function explained(error: unknown): unknown {
  if (error instanceof SparkleError) return error;
  if (isAway(error)) return storeUnavailable(error);
  // PostgreSQL's sentence names the user or the database, and no password.
  if (error instanceof Error && NOT_LET_IN.test(stateOf(error)))
    return new SparkleError(
      'bad_config',
      `the database must let this program in; it said: ${error.message}`,
      {},
      { cause: error },
    );
  if (isUnstorable(error))
    return new SparkleError('bad_message', 'a text must not hold the character U+0000', {}, { cause: error });
  return error;
}

/** After as many tries as are reasonable: two that meet again and again. */
export const stillColliding = (error: unknown): unknown => (isCollision(error) ? storeUnavailable(error) : error);

export const isUnavailable = (error: unknown): boolean =>
  error instanceof SparkleError && error.code === 'store_unavailable';
