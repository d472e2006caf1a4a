import type { Socket } from 'node:net';
import { z } from 'zod';
import type { SparkleError } from '../protocol/errors.ts';
import { lineReader, unavailable } from './electrum-socket.ts';

/** The server's answer: a result, or its refusal in its own words. */
export type ElectrumAnswer = { result: unknown } | { refusal: { code: number; words: string } };

/** What a server says without being asked. */
export type ElectrumNotice = { method: string; params: readonly unknown[] };

/** A transaction of 4,000,000 bytes in hex, and what stands around it. */
const MOST_LINE_BYTES = 8_100_000;
/** So many answers may be overdue on one connection; a server that owes more is given up. */
const MOST_OVERDUE = 100;

/**
 * ElectrumX (from 1.19 on) fills what it sends up to 1,024 bytes with spaces, and holds back less for up to a second to
 * have less to fill. A question whose answer is longer than that makes it send at once what it holds back.
 */
const PADDING = / {8}[}\]]$/;
const LONG_ANSWER = { method: 'blockchain.block.headers', params: [0, 8] } as const;
const FIRST_NUDGE_MILLISECONDS = 15;
const MOST_NUDGES = 8;

const messageShape = z.union([
  z.object({ method: z.string().max(100), params: z.array(z.unknown()) }),
  z.object({
    id: z.number().int(),
    error: z.union([z.null(), z.string(), z.object({ code: z.number(), message: z.string() })]).optional(),
    result: z.unknown().optional(),
  }),
]);

type Waiting = { resolve(answer: ElectrumAnswer): void; reject(error: SparkleError): void; timer: NodeJS.Timeout };

const refusalOf = (error: string | { code: number; message: string }): ElectrumAnswer => {
  const { code, message } = typeof error === 'string' ? { code: 1, message: error } : error;
  return { refusal: { code, words: message.slice(0, 500) } };
};

/** One connection to a server. When it ends, for whatever reason, everything that waits is refused with that reason. */
export class ElectrumSession {
  readonly #socket: Socket;
  readonly #notice: (notice: ElectrumNotice) => void;
  readonly #ended: () => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #overdue = new Set<number>();
  readonly #nudges = new Set<number>();
  #pads = false;
  #nudge: NodeJS.Timeout | undefined;
  #asked = 0;
  #heard = 0;
  #end: SparkleError | undefined;

  constructor(on: { socket: Socket; notice(notice: ElectrumNotice): void; ended(): void }) {
    this.#socket = on.socket;
    this.#notice = on.notice;
    this.#ended = on.ended;
    const read = lineReader({
      mostBytes: MOST_LINE_BYTES,
      line: (text) => this.#line(text),
      tooLong: () => this.end(unavailable('oversized', `it sent a line of more than ${MOST_LINE_BYTES} bytes`)),
    });
    on.socket.on('data', (chunk) => {
      if (this.#end !== undefined) return;
      this.#heard += 1;
      read(chunk);
    });
    on.socket.on('close', () => this.end(unavailable('disconnected', 'it closed the connection')));
  }

  get isOpen(): boolean {
    return this.#end === undefined;
  }

  ask(question: { method: string; params: readonly unknown[]; milliseconds: number }): Promise<ElectrumAnswer> {
    const { method, params, milliseconds } = question;
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const heardBefore = this.#heard;
    const id = this.#send(method, params);
    if (this.#nudge === undefined) this.#nudgeAnew();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#late({ id, method, milliseconds, heardBefore }), milliseconds);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  end(error: SparkleError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    clearTimeout(this.#nudge);
    this.#socket.destroy();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
    this.#ended();
  }

  #send(method: string, params: readonly unknown[]): number {
    const id = (this.#asked += 1);
    this.#socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    return id;
  }

  #nudgeAnew(): void {
    clearTimeout(this.#nudge);
    if (this.#pads) this.#nudge = this.#nudgeIn(FIRST_NUDGE_MILLISECONDS);
  }

  /** Less and less often, as long as an answer is missing. */
  #nudgeIn(milliseconds: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#nudge = undefined;
      if (this.#waiting.size === 0) return;
      if (this.#nudges.size < MOST_NUDGES) this.#nudges.add(this.#send(LONG_ANSWER.method, LONG_ANSWER.params));
      this.#nudge = this.#nudgeIn(2 * milliseconds);
    }, milliseconds);
  }

  #late(late: { id: number; method: string; milliseconds: number; heardBefore: number }): void {
    const error = unavailable('timeout', `no answer to ${late.method} within ${late.milliseconds} ms`);
    this.#waiting.get(late.id)?.reject(error);
    this.#waiting.delete(late.id);
    this.#overdue.add(late.id);
    // A server that says something is only slow; one that is silent may be a connection that is dead and does not know it.
    if (this.#heard === late.heardBefore || this.#overdue.size > MOST_OVERDUE) this.end(error);
  }

  #line(text: string): void {
    if (this.#end !== undefined) return;
    this.#pads ||= PADDING.test(text);
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      return this.end(unavailable('garbage', 'it sent a line that is not JSON'));
    }
    const { data } = messageShape.safeParse(parsed);
    if (data === undefined) return this.end(unavailable('garbage', 'it sent JSON that is not JSON-RPC'));
    if ('method' in data) return this.#notice(data);
    const waiting = this.#waiting.get(data.id);
    if (waiting === undefined && (this.#overdue.delete(data.id) || this.#nudges.delete(data.id))) return;
    if (waiting === undefined) return this.end(unavailable('unasked_answer', 'it answered what was not asked'));
    this.#waiting.delete(data.id);
    clearTimeout(waiting.timer);
    this.#nudgeAnew();
    const { error, result } = data;
    waiting.resolve(error === undefined || error === null ? { result } : refusalOf(error));
  }
}
