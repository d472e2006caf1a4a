import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import { secretNames } from './secrets.ts';

/** How deep a secret is looked for. Pino has no rule for any depth; what is logged here is flat or nearly so. */
const DEPTHS = ['', '*.', '*.*.', '*.*.*.'];

const bracketed = (name: string): string => (/^[a-z_]+$/i.test(name) ? name : `["${name}"]`);

const pathOf = (depth: string, name: string): string =>
  /^[a-z_]+$/i.test(name) || depth === '' ? `${depth}${bracketed(name)}` : `${depth.slice(0, -1)}${bracketed(name)}`;

const redacted = DEPTHS.flatMap((depth) => secretNames.map((name) => pathOf(depth, name)));

type LoggedRequest = { method?: string; url?: string; id?: unknown; socket?: { remoteAddress?: string } };

/** A query may hold a token although none of ours does: of a request neither query, headers nor body are logged. */
const requestLine = ({ method, url = '', id, socket }: LoggedRequest) => ({
  method,
  path: url.split('?')[0],
  id,
  address: socket?.remoteAddress,
});

const replyLine = ({ statusCode }: { statusCode?: number }) => ({ status: statusCode });

/** A driver may have put what it sent into its error: of an error only kind, sentence and stack are logged. */
function errorLine(error: unknown) {
  if (!(error instanceof Error)) return { message: String(error) };
  const { type, message, stack, code } = stdSerializers.err(error) as ReturnType<typeof stdSerializers.err> & {
    code?: unknown;
  };
  return { type, code, message, stack };
}

/**
 * The service's log, one JSON object per line. Fields that are named as secrets are, down to four levels, are replaced by
 * `[secret]`. `destination` is standard output unless given.
 */
export function createLog({ level, destination }: { level: string; destination?: DestinationStream }): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: redacted, censor: '[secret]' },
    serializers: { req: requestLine, res: replyLine, err: errorLine, error: errorOrText },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

const errorOrText = (value: unknown): unknown => (value instanceof Error ? errorLine(value) : value);

/** One line for each answer, by the pattern of its route: a path may name somebody's trade, and a query anything. */
export class RequestLog extends LogController {
  override incomingRequest(): void {}

  override routeNotFound(): void {}

  override requestCompleted(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    const { method, routeOptions, ip } = request;
    const { rateClass } = routeOptions.config as { rateClass?: string };
    // Whoever looks every second whether we live need not be written down.
    const level = rateClass === 'unlimited' && reply.statusCode < 400 ? 'debug' : 'info';
    const milliseconds = Math.round(reply.elapsedTime);
    const fields = { method, route: routeOptions.url ?? 'none', status: reply.statusCode, milliseconds, address: ip };
    if (error === null || error === undefined) request.log[level](fields, 'answered');
    else request.log.warn({ ...fields, error }, 'the answer did not reach who asked');
  }
}
