import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Config } from '../config/config.ts';

type Admin = NonNullable<Config['admin']>;

/** An address that is listened on everywhere is reached at home. */
const HOME: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

function adminUrl({ host, port }: Admin, path: string): string {
  const name = HOME[host] ?? host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}${path}`;
}

export type AdminQuestion = { method: 'GET' | 'POST'; path: string; purpose: string };

/**
 * Asks the coordinator that has a SQLite file open, by its admin API. `purpose` says what for, behind "to". Throws
 * `bad_config` where there is none, and `store_in_use` when it does not answer as it should.
 */
export async function askAdmin(
  admin: Config['admin'],
  { method, path, purpose }: AdminQuestion,
): Promise<{ answer: Response; away(came: string, cause?: unknown): SparkleError }> {
  if (admin === undefined)
    throw new SparkleError(
      'bad_config',
      `ADMIN_TOKEN must be given to ${purpose} while a coordinator has the SQLite file open; got nothing`,
      { field: 'ADMIN_TOKEN' },
    );
  const url = adminUrl(admin, path);
  const away = (came: string, cause?: unknown) =>
    new SparkleError('store_in_use', `the coordinator must be at ${url} to ${purpose}; ${came}`, { url }, { cause });
  const authorization = `Bearer ${admin.token}`;
  const answer = await fetch(url, { method, headers: { authorization }, redirect: 'error' }).catch((error: unknown) => {
    throw away('it does not answer', error);
  });
  if (answer.status !== 200) throw away(`it answered ${answer.status}`);
  return { answer, away };
}
