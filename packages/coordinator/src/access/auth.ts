import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { hex } from '@scure/base';
import { authDigest, isSignatureOf } from 'sparkle-protocol/market/coordinator-signing';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { MOST_SECONDS_APART, readNip98, unauthorized } from './auth-nip98.ts';
import type { Database } from '../database/database.ts';
import type { TradeRole } from '../database/migrations/0002-access.ts';

/** Who calls: somebody who proved to hold an x-only key, or the holder of one trade's token. */
export type Identity = { party: string } | { tradeToken: { tradeId: string; role: TradeRole } };

/** An identity and the second from which on it is none; NIP-98 speaks for one request and has no end. */
export type Known = { identity: Identity; expiresAt: number | undefined };

export type AuthOptions = {
  database: Database;
  clock: Clock;
  /** The coordinator's URL as clients write it: what they sign names it, so it is never taken from a request. */
  publicUrl: string;
  challengeSeconds: number;
  sessionSeconds: number;
  /** Of one key at a time; a further one ends the oldest. */
  mostSessions: number;
};

/** What suits a coordinator on the Internet. */
export const authLimits = { challengeSeconds: 60, sessionSeconds: 24 * 3600, mostSessions: 16 } as const;

/** What of a request says who it is by; `path` as it came, with its query. */
export type Credentials = {
  authorization: string | undefined;
  method: string;
  path: string;
  bodyHash: string | undefined;
};

const TIDY_SECONDS = 60;
const TOKEN_BYTES = 32;
const TIME_BYTES = 6;
const NONCE_BYTES = 10;
const MAC_BYTES = 16;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const isEqual = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

/** Who asks: a key that he has proven, and where he asks from. Keys of their own cost nothing, addresses do. */
export type Caller = { key: string | undefined; address: string };

/** Who may come in. All it remembers is in the database: any instance knows what another let in or refused. */
export class Auth {
  readonly #options: AuthOptions;
  readonly #base: string;
  /** The host that challenges are answered for, port included. */
  readonly host: string;
  #secret: Promise<string> | undefined;
  #tidiedAt = 0;

  constructor(options: AuthOptions) {
    const url = new URL(options.publicUrl);
    this.#options = options;
    this.#base = url.href.replace(/\/$/, '');
    this.host = url.host;
  }

  /**
   * A challenge for one key. Nothing is stored for it: whoever asks for millions fills no table. It holds its own end
   * and a code that only this coordinator can write.
   */
  async challenge(publicKey: string): Promise<{ challenge: string; expiresAt: number }> {
    const { clock, challengeSeconds } = this.#options;
    const expiresAt = clock.nowSeconds() + challengeSeconds;
    const head = `${expiresAt.toString(16).padStart(2 * TIME_BYTES, '0')}${hex.encode(clock.randomBytes(NONCE_BYTES))}`;
    return { challenge: `${head}${await this.#mac(head, publicKey)}`, expiresAt };
  }

  /** Opens a session for whoever signed its challenge; each can be used once. Throws `unauthorized`. */
  async session(answer: { publicKey: string; challenge: string; signature: string }): Promise<{
    token: string;
    expiresAt: number;
  }> {
    const { clock, sessionSeconds, mostSessions } = this.#options;
    const { publicKey, challenge, signature } = answer;
    const head = challenge.slice(0, 2 * (TIME_BYTES + NONCE_BYTES));
    if (!isEqual(challenge.slice(head.length), await this.#mac(head, publicKey)))
      throw unauthorized('unknown_challenge', 'challenge must be one that was given to this key; it is not');
    const challengeEnds = Number.parseInt(head.slice(0, 2 * TIME_BYTES), 16);
    if (clock.nowSeconds() >= challengeEnds)
      throw unauthorized('expired', `challenge must be answered before ${challengeEnds}; it is too late`);
    if (!isSignatureOf({ publicKey, signature, digest: authDigest({ challenge, host: this.host }) }))
      throw unauthorized(
        'bad_signature',
        `signature must be by public_key over the challenge and ${this.host}; it is not`,
      );
    await this.#once(challenge, challengeEnds);
    const expiresAt = clock.nowSeconds() + sessionSeconds;
    const token = await this.#issue({ party: publicKey, trade_id: null, role: null }, expiresAt);
    await this.#endOldest(publicKey, mostSessions);
    return { token, expiresAt };
  }

  /** A token for one side of one trade. It is told once and kept as its hash only. */
  issueToken(of: { tradeId: string; role: TradeRole; expiresAt: number }): Promise<string> {
    return this.#issue({ party: null, trade_id: of.tradeId, role: of.role }, of.expiresAt);
  }

  /** Whose token this is. Throws `unauthorized` for an unknown or expired one. */
  async verify(token: string): Promise<Known> {
    const hash = sha256(token);
    const row = await this.#options.database.tables
      .selectFrom('access_token')
      .selectAll()
      .where('token_hash', '=', hash)
      .executeTakeFirst();
    if (row === undefined || !isEqual(row.token_hash, hash))
      throw unauthorized('unknown_token', 'the bearer token must be one that was given out here; it is not');
    if (this.#options.clock.nowSeconds() >= row.expires_at)
      throw unauthorized('expired', `the bearer token was good until ${row.expires_at}; it is too late`);
    return { identity: identityOf(row), expiresAt: row.expires_at };
  }

  /** Who a request is by; `undefined` when it does not say. Throws `unauthorized` for what is said and not so. */
  async authenticate({ authorization, method, path, bodyHash }: Credentials): Promise<Known | undefined> {
    if (authorization === undefined) return undefined;
    const [, scheme = '', value = ''] = /^([A-Za-z]+) +(\S+)$/.exec(authorization) ?? [];
    switch (scheme.toLowerCase()) {
      case 'bearer':
        return this.verify(value);
      case 'nostr': {
        const request = { method, url: `${this.#base}${path}`, bodyHash };
        const nowSeconds = this.#options.clock.nowSeconds();
        const { party, id, createdAt } = readNip98(value, { request, nowSeconds });
        await this.#once(id, createdAt + MOST_SECONDS_APART + 1);
        return { identity: { party }, expiresAt: undefined };
      }
      default:
        throw unauthorized(
          'bad_scheme',
          'authorization must be Bearer and a token, or Nostr and an event; it is neither',
        );
    }
  }

  /** Forgets what would be refused for its age anyway. */
  async prune(): Promise<void> {
    const { tables } = this.#options.database;
    const now = this.#options.clock.nowSeconds();
    await tables.deleteFrom('used_once').where('expires_at', '<', now).execute();
    await tables.deleteFrom('access_token').where('expires_at', '<', now).execute();
  }

  async #issue(
    of: { party: string | null; trade_id: string | null; role: TradeRole | null },
    expires_at: number,
  ): Promise<string> {
    const { database, clock } = this.#options;
    const token = hex.encode(clock.randomBytes(TOKEN_BYTES));
    await database.tables
      .insertInto('access_token')
      .values({ token_hash: sha256(token), ...of, expires_at })
      .execute();
    return token;
  }

  async #endOldest(party: string, most: number): Promise<void> {
    const { tables } = this.#options.database;
    const older = tables
      .selectFrom('access_token')
      .select('token_hash')
      .where('party', '=', party)
      .orderBy('expires_at', 'desc')
      .orderBy('token_hash')
      .limit(Number.MAX_SAFE_INTEGER)
      .offset(most);
    const rows = await older.execute();
    if (rows.length === 0) return;
    await tables
      .deleteFrom('access_token')
      .where(
        'token_hash',
        'in',
        rows.map(({ token_hash }) => token_hash),
      )
      .execute();
  }

  /** Once a minute, when somebody comes: nobody has to remember to. */
  async #tidy(): Promise<void> {
    const now = this.#options.clock.nowSeconds();
    if (now - this.#tidiedAt < TIDY_SECONDS) return;
    this.#tidiedAt = now;
    await this.prune();
  }

  /** Refuses the second use of what is good for one. */
  async #once(id: string, expires_at: number): Promise<void> {
    await this.#tidy();
    const { numInsertedOrUpdatedRows } = await this.#options.database.tables
      .insertInto('used_once')
      .values({ id, expires_at })
      .onConflict((used) => used.doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 1n)
      throw unauthorized('replayed', 'what proves the key must be used once; it was used before');
  }

  async #mac(head: string, publicKey: string): Promise<string> {
    this.#secret ??= this.#sharedSecret();
    const code = createHmac('sha256', hex.decode(await this.#secret)).update(`${head}:${publicKey}:${this.host}`);
    return code.digest('hex').slice(0, 2 * MAC_BYTES);
  }

  async #sharedSecret(): Promise<string> {
    const { database, clock } = this.#options;
    const value = hex.encode(clock.randomBytes(TOKEN_BYTES));
    await database.tables
      .insertInto('shared_secret')
      .values({ name: 'challenge', value })
      .onConflict((there) => there.doNothing())
      .execute();
    const row = database.tables.selectFrom('shared_secret').select('value').where('name', '=', 'challenge');
    return (await row.executeTakeFirstOrThrow()).value;
  }
}

function identityOf(row: { party: string | null; trade_id: string | null; role: TradeRole | null }): Identity {
  const { party, trade_id: tradeId, role } = row;
  if (party !== null) return { party };
  if (tradeId !== null && role !== null) return { tradeToken: { tradeId, role } };
  throw new SparkleError('bad_state', 'a stored token must be of a party or of a trade; it is of neither');
}

/** The keys of a trade's two sides, as far as they are known. */
export type Sides = Readonly<Partial<Record<TradeRole, string>>>;

/**
 * The role in which somebody may see a trade. Throws `unknown_trade` for one that is not his in the very words for one
 * that does not exist (`sides` undefined): nobody learns of other people's trades by asking.
 */
export function roleIn(tradeId: string, { sides, who }: { sides: Sides | undefined; who: Identity }): TradeRole {
  const role = sides === undefined ? undefined : roleOf(tradeId, sides, who);
  if (role !== undefined) return role;
  throw unknownTrade();
}

/** The same words whoever asks: see `roleIn`. */
export const unknownTrade = (): SparkleError =>
  new SparkleError('unknown_trade', 'there must be a trade of yours with this id; there is none', {
    field: 'trade_id',
  });

function roleOf(tradeId: string, sides: Sides, who: Identity): TradeRole | undefined {
  if ('tradeToken' in who) return who.tradeToken.tradeId === tradeId ? who.tradeToken.role : undefined;
  return (['buyer', 'seller'] as const).find((role) => sides[role] === who.party);
}
