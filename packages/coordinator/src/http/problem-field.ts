import type { FastifySchemaValidationError } from 'fastify/types/schema.js';
import { shown } from 'sparkle-protocol/protocol/json';
import { isSecretName } from './secrets.ts';

type Refused = { issue: FastifySchemaValidationError; where: string; given: unknown };

const MOST_NAME_CHARACTERS = 120;
/** Keys, preimages, invoices and tokens are longer than any word: of such a text only the length is told. */
const MOST_SHOWN_CHARACTERS = 32;

/** What came, in a form that repeats no secret: a preimage sent in the wrong field is still one. */
function came(value: unknown, field: string): string {
  if (value === undefined || value === null) return shown(value);
  if (isSecretName(field)) return 'something else';
  if (typeof value === 'string' && value.length > MOST_SHOWN_CHARACTERS) return `${value.length} characters`;
  return shown(value);
}

/** Own properties alone: a path is made of names that the caller chose. */
function valueAt(given: unknown, path: readonly string[]): unknown {
  let value = given;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** What zod calls kinds, as people call them. */
const KINDS: Readonly<Record<string, string>> = {
  object: 'a JSON object',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};
const BOUNDS: Readonly<Record<string, string>> = {
  '>=': 'of at least',
  '>': 'of more than',
  '<=': 'of at most',
  '<': 'of less than',
};

const kindOf = (kind: string): string => KINDS[kind] ?? kind;

/** "string", "number to be >=3", "array to have <=2 items" and `one of "a"|"b"`. */
function inWords(expected: string): string {
  const [, kind, sign = '', size] = /^(\w+) to (?:be|have) ([<>]=?)(.+)$/.exec(expected) ?? [];
  if (kind !== undefined) return `${kindOf(kind)} ${BOUNDS[sign]} ${size}`;
  return kindOf(expected.replaceAll('"|"', '", "'));
}

/** Zod says "Invalid input: expected string, received boolean", "Too small: expected number to be >=3" and the like. */
function expectation(message: string, wanted: unknown): string {
  const expected = /expected (.+?)(?:, received .*)?$/i.exec(message)?.[1];
  if (expected !== undefined) return `must be ${inWords(expected)}`;
  // zod/mini has no words of its own; what it wanted is in the issue.
  if (message === 'Invalid input' && typeof wanted === 'string') return `must be ${kindOf(wanted)}`;
  return /must .+$/.exec(message)?.[0] ?? `must be valid (${message})`;
}

/** One refused field: its name, what was expected, what came. */
export function sentenceOf({ issue, where, given }: Refused): { message: string; field: string } {
  const path = issue.instancePath.split('/').filter((name) => name !== '');
  const { keys } = issue.params;
  if (issue.keyword === 'unrecognized_keys' && Array.isArray(keys)) {
    const field = nameOf([...path, String(keys[0])], where);
    return { field, message: `${field} is not known here; send nothing of that name` };
  }
  const field = nameOf(path, where);
  const sentence = `${field} ${expectation(issue.message ?? '', issue.params['expected'])}; got ${came(valueAt(given, path), field)}`;
  return { field, message: sentence };
}

/** No field of ours has so long a name: what stands in its place may be anything. */
const shownName = (name: string): string =>
  name.length > MOST_SHOWN_CHARACTERS ? `(${name.length} characters)` : name;

const nameOf = (path: readonly string[], where: string): string =>
  path.length === 0 ? where : path.map(shownName).join('.').slice(0, MOST_NAME_CHARACTERS);
