import type { FastifyInstance } from 'fastify';
import { SparkleError } from 'sparkle-protocol/protocol/errors';

/** No message of ours is half as deep. */
export const MOST_DEPTH = 16;

/** The depth of brackets outside of strings. What is no JSON may have any: its parser refuses it. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  let isText = false;
  for (let i = 0; i < json.length; i += 1) {
    const character = json[i];
    if (isText) {
      if (character === '\\') i += 1;
      else if (character === '"') isText = false;
    } else if (character === '"') isText = true;
    else if (character === '{' || character === '[') deepest = Math.max(deepest, (depth += 1));
    else if (character === '}' || character === ']') depth -= 1;
  }
  return deepest;
}

/** Whether what was refused is JSON: then it was for a name in it. What is read here to find out is thrown away. */
function isPoisoned(error: Error | null, body: string): boolean {
  if (error === null || body === '') return false;
  try {
    JSON.parse(body);
    return true;
  } catch {
    return false;
  }
}

const poisoned = (): SparkleError =>
  new SparkleError('bad_message', 'body must be JSON without __proto__ and constructor.prototype; it has one of them', {
    field: 'body',
  });

/**
 * JSON is the only body there is, and one that is nested deeply is refused before it becomes objects: whoever walks them
 * afterwards, by recursion, would run out of stack. `__proto__` and `constructor.prototype` are refused by the parser.
 */
export function installJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    const depth = depthOf(body);
    if (depth <= MOST_DEPTH)
      return parse(request, body, (error, value) => done(isPoisoned(error, body) ? poisoned() : error, value));
    const sentence = `body must be nested at most ${MOST_DEPTH} deep; it is ${depth} deep`;
    return done(new SparkleError('bad_message', sentence, { field: 'body' }));
  });
}
