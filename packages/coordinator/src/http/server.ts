import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyServerOptions } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { RequestLog } from './log.ts';
import { installProblems, type ProblemCode, sendProblem } from './problem.ts';

export type ServerParts = {
  log: FastifyBaseLogger;
  /** One that is not trusted could make up any address. */
  trustedProxies: readonly string[];
  /** Names requests. */
  newId: () => string;
  onProblem?: ((code: ProblemCode) => void) | undefined;
};

const BODY_LIMIT_BYTES = 64 * 1024;

/** What is refused before any route is known. */
const optionsOf = ({ log, trustedProxies, newId }: ServerParts): FastifyServerOptions => ({
  loggerInstance: log,
  logController: new RequestLog(),
  genReqId: newId,
  trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
  bodyLimit: BODY_LIMIT_BYTES,
  onProtoPoisoning: 'error',
  onConstructorPoisoning: 'error',
  // Somebody who sends a byte a minute holds a connection and no more.
  requestTimeout: 30_000,
  keepAliveTimeout: 10_000,
  forceCloseConnections: 'idle',
  return503OnClosing: true,
  routerOptions: { maxParamLength: 200 },
  frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
});

/** A server whose routes take and answer what their zod schemas say, and that says what goes wrong as a `Problem`. */
export function newServer(parts: ServerParts): FastifyInstance {
  const app = Fastify(optionsOf(parts)) as FastifyInstance;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  installProblems(app, parts.onProblem);
  return app;
}
