import type { WebSocket } from '@fastify/websocket';
import { hex } from '@scure/base';
import { after } from 'sparkle-protocol/market/coordinator-clock';
import { authDigest, isSignatureOf } from 'sparkle-protocol/market/coordinator-signing';
import { type ClientFrame, clientFrameSchema, type ServerFrame } from 'sparkle-protocol/market/coordinator-wire';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { Allowance } from '../access/allowance.ts';
import { unauthorized } from '../access/auth-nip98.ts';
import type { Identity, Known } from '../access/auth.ts';
import type { Crowd } from './crowd.ts';
import type { SocketParts } from './socket.ts';
import { Pump, type ServerFrameWithSeq } from './socket-pump.ts';
import { readClientFrame } from './socket-frame.ts';

export type ConnectionOptions = SocketParts & { socket: WebSocket; keys: Crowd };

/** RFC 6455 7.4.1 and the range for private use. */
const CLOSE = { policy: 1008, tryLater: 1013, slow: 4008, expired: 4001 } as const;
const CLOSING_MILLISECONDS = 2_000;

/** One WebSocket, from the first frame to its end. Nothing that comes over it can make anything throw. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #frames: Allowance;
  readonly #pumps = new Map<string, Pump>();
  readonly #stops: (() => void)[] = [];
  readonly #challenge: string;
  #known: Known | undefined;
  #work: Promise<void> = Promise.resolve();
  #stopWaiting: () => void = () => undefined;
  #isAlive = true;
  #isOver = false;

  constructor(options: ConnectionOptions) {
    const { clock, limits, socket } = options;
    this.#options = options;
    this.#frames = new Allowance({ perMinute: limits.framesPerMinute }, () => clock.nowSeconds());
    this.#challenge = hex.encode(clock.randomBytes(32));
    // Before anything is awaited: a frame that comes while nobody listens is lost.
    socket.on('message', (data, isBinary) => this.#hear(String(data as Buffer), isBinary));
    socket.on('pong', () => (this.#isAlive = true));
    socket.on('error', () => socket.terminate());
  }

  begin(known: Known | undefined): void {
    const { clock, limits } = this.#options;
    this.#stops.push(clock.every(limits.heartbeatMilliseconds, () => this.#beat()));
    if (known !== undefined) return this.#welcome(known);
    this.#say({ type: 'challenge', challenge: this.#challenge });
    this.#stopWaiting = after(clock, limits.authMilliseconds, () =>
      this.#end(
        CLOSE.policy,
        unauthorized('late', `a connection must say who it is within ${limits.authMilliseconds} ms`),
      ),
    );
  }

  /** The socket is closed, by whomever. */
  ended(): void {
    this.#isOver = true;
    this.#stopWaiting();
    for (const pump of this.#pumps.values()) pump.close();
    for (const stop of this.#stops.splice(0)) stop();
  }

  #hear(text: string, isBinary: boolean): void {
    this.#isAlive = true;
    if (this.#isOver) return;
    const { framesPerMinute } = this.#options.limits;
    if (!this.#frames.take({ name: 'frames', cost: 1 }))
      return this.#end(
        CLOSE.policy,
        new SparkleError(
          'rate_limited',
          `a connection may send at most ${framesPerMinute} frames a minute; it sent more`,
        ),
      );
    // One after the other: what a frame asks for may depend on the one before.
    this.#work = this.#work.then(() => this.#obey(text, isBinary));
  }

  /** Never rejects. */
  async #obey(text: string, isBinary: boolean): Promise<void> {
    if (this.#isOver) return;
    try {
      await this.#do(readClientFrame(clientFrameSchema, isBinary ? undefined : text));
    } catch (error) {
      this.#complain(error);
      if (error instanceof SparkleError && error.code === 'unauthorized') this.#close(CLOSE.policy);
    }
  }

  async #do(frame: ClientFrame): Promise<void> {
    switch (frame.type) {
      case 'auth':
        return this.#prove(frame);
      case 'token':
        this.#assertNew();
        return this.#welcome(await this.#options.auth.verify(frame.token));
      case 'subscribe':
        return this.#subscribe(frame);
      case 'ack':
        return this.#options.mail.ack({ recipient: this.#party(), seq: frame.seq });
      case 'ping':
        return this.#say({ type: 'pong' });
      default:
        frame satisfies never;
    }
  }

  #prove({ public_key: publicKey, signature }: { public_key: string; signature: string }): void {
    this.#assertNew();
    const { host } = this.#options.auth;
    const digest = authDigest({ challenge: this.#challenge, host });
    if (!isSignatureOf({ publicKey, signature, digest }))
      throw unauthorized('bad_signature', `signature must be by public_key over the challenge and ${host}; it is not`);
    this.#welcome({ identity: { party: publicKey }, expiresAt: undefined });
  }

  #welcome(known: Known): void {
    const leave = this.#options.keys.enter(nameOf(known.identity));
    if (leave === undefined)
      return this.#end(
        CLOSE.tryLater,
        new SparkleError('rate_limited', 'a key may have a bounded number of connections; it has them'),
      );
    this.#stops.push(leave);
    this.#stopWaiting();
    this.#known = known;
    this.#say({ type: 'ready' });
  }

  #subscribe({ channel, since }: Extract<ClientFrame, { type: 'subscribe' }>): void {
    const identity = this.#identity();
    if (channel === 'messages') this.#party();
    if (this.#pumps.has(channel))
      throw new SparkleError('bad_message', 'a channel must be subscribed once; it was before', { field: 'channel' });
    const { mail, feed, clock, limits, socket } = this.#options;
    if (channel === 'trades' && feed === undefined)
      throw new SparkleError('not_supported', 'this coordinator must serve trades to tell of them; it does not');
    const source =
      channel === 'messages' ? lettersTo(mail, this.#party()) : updatesFor(feed as NonNullable<typeof feed>, identity);
    const pump = new Pump({
      ...{ source, since, clock, drainMilliseconds: limits.drainMilliseconds },
      send: (frame, sent) => socket.send(JSON.stringify(frame), sent),
      onSlow: () =>
        this.#end(
          CLOSE.slow,
          new SparkleError('rate_limited', 'a reader must keep up with what he asked for; he does not'),
        ),
      onFailure: (error) => this.#complain(error),
    });
    this.#pumps.set(channel, pump);
  }

  #assertNew(): void {
    if (this.#known === undefined) return;
    throw new SparkleError('bad_message', 'a connection must say once who it is; it did before', { field: 'type' });
  }

  #identity(): Identity {
    if (this.#known === undefined) throw unauthorized('absent', 'a connection must say who it is first; it did not');
    return this.#known.identity;
  }

  #party(): string {
    const identity = this.#identity();
    if ('party' in identity) return identity.party;
    throw new SparkleError('forbidden', 'messages are for the holder of a key; a token of a trade does not suffice');
  }

  #beat(): void {
    const { clock, socket } = this.#options;
    const { expiresAt } = this.#known ?? {};
    if (expiresAt !== undefined && clock.nowSeconds() >= expiresAt)
      return this.#end(CLOSE.expired, unauthorized('expired', `the token was good until ${expiresAt}; it is too late`));
    if (!this.#isAlive) return socket.terminate();
    this.#isAlive = false;
    socket.ping();
  }

  #say(frame: ServerFrame): void {
    if (this.#isOver) return;
    this.#options.socket.send(JSON.stringify(frame), () => undefined);
  }

  /** What went wrong on our side is not told in its own words: they speak of files and addresses. */
  #complain(error: unknown): void {
    if (!(error instanceof SparkleError))
      return this.#say({ type: 'error', code: 'internal', message: 'internal error' });
    const { code, message, detail } = error;
    const { field } = detail;
    this.#say({ type: 'error', code, message, ...(typeof field === 'string' && { field }) });
  }

  #end(code: number, error: SparkleError): void {
    this.#complain(error);
    this.#close(code);
  }

  #close(code: number): void {
    const { socket, clock } = this.#options;
    this.#isOver = true;
    socket.close(code);
    // Whoever does not read does not answer the close either.
    this.#stops.push(after(clock, CLOSING_MILLISECONDS, () => socket.terminate()));
  }
}

const nameOf = (identity: Identity): string =>
  'party' in identity ? identity.party : `${identity.tradeToken.tradeId}:${identity.tradeToken.role}`;

const lettersTo = (mail: SocketParts['mail'], recipient: string) => ({
  after: async (since: number, limit: number): Promise<ServerFrameWithSeq[]> =>
    (await mail.after({ recipient, since, limit })).map(({ seq, from, text, receivedAt }) => ({
      ...{ type: 'message' as const, seq, from, text, received_at: receivedAt },
    })),
  onMore: (wake: () => void) => mail.onMail(recipient, wake),
});

const updatesFor = (feed: NonNullable<SocketParts['feed']>, who: Identity) => ({
  after: async (since: number, limit: number): Promise<ServerFrameWithSeq[]> =>
    (await feed.after({ who, since, limit })).map((update) => ({ type: 'trade_update' as const, ...update })),
  onMore: (wake: () => void) => feed.onUpdate(who, wake),
});
