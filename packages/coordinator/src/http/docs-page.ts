import { html, type Html, page } from './html.ts';
import type { ApiDocument, JsonSchema, Media, Operation, Parameter, Response } from './openapi-document.ts';

/** A field as a reader wants it: where, what, whether he must, and what for. */
type Field = { path: string; type: string; required: boolean; about: string };

/** Deeper than any message of ours; a schema may refer to itself. */
const MOST_DEPTH = 6;
const REF = '#/components/schemas/';

const nameOfRef = (ref: string): string => ref.slice(REF.length);

/** What a number can be exactly is no bound of its own. */
const isBound = (bound: number | undefined): bound is number =>
  bound !== undefined && Math.abs(bound) !== Number.MAX_SAFE_INTEGER;

function rangeOf({ minimum, maximum, minLength, maxLength, pattern, format }: JsonSchema): string {
  const parts = [
    format,
    isBound(minimum) ? `>= ${minimum}` : undefined,
    isBound(maximum) ? `<= ${maximum}` : undefined,
    minLength === undefined ? undefined : `at least ${minLength} characters`,
    maxLength === undefined ? undefined : `at most ${maxLength} characters`,
    pattern,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

function typeOf(schema: JsonSchema): string {
  if (schema.$ref !== undefined) return nameOfRef(schema.$ref);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((each) => JSON.stringify(each)).join(' or ');
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return either.map(typeOf).join(' or ');
  if (schema.allOf !== undefined) return schema.allOf.map(typeOf).join(' and ');
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  const type = Array.isArray(schema.type) ? schema.type.join(' or ') : String(schema.type ?? 'anything');
  return `${type}${rangeOf(schema)}`;
}

/** The fields of a schema and of those in it, by their paths; a named schema has a table of its own. */
function fieldsOf(schema: JsonSchema, path = '', depth = 0): Field[] {
  if (depth > MOST_DEPTH) return [];
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  const named = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const here = path === '' ? name : `${path}.${name}`;
    const required = schema.required?.includes(name) ?? false;
    const field = { path: here, type: typeOf(property), required, about: property.description ?? '' };
    return [field, ...fieldsOf(property, here, depth + 1)];
  });
  const listed = schema.items === undefined ? [] : fieldsOf(schema.items, `${path}[]`, depth + 1);
  return [...named, ...listed, ...inner.flatMap((each) => fieldsOf(each, path, depth + 1))];
}

const fieldRow = ({ path, type, required, about }: Field): Html =>
  html`<tr>
    <td><code>${path}</code></td>
    <td>${type}</td>
    <td>${required ? 'yes' : ''}</td>
    <td>${about}</td>
  </tr> `;

const fieldTable = (fields: readonly Field[]): Html =>
  fields.length === 0
    ? html``
    : html`<table>
        <thead>
          <tr>
            <th scope="col">field</th>
            <th scope="col">type</th>
            <th scope="col">required</th>
            <th scope="col">meaning</th>
          </tr>
        </thead>
        <tbody>
          ${fields.map(fieldRow)}
        </tbody>
      </table> `;

function schemaPart(schema: JsonSchema | undefined): Html {
  if (schema === undefined) return html``;
  if (schema.$ref !== undefined) {
    const name = nameOfRef(schema.$ref);
    return html`<p>A <a href="#schema-${name}">${name}</a>.</p> `;
  }
  const fields = fieldsOf(schema);
  return fields.length === 0 ? html`<p>${typeOf(schema)}</p> ` : fieldTable(fields);
}

const jsonOf = (of: { content?: Response['content'] } | undefined): Media | undefined =>
  of?.content?.['application/json'];

const exampleOf = (title: string, value: unknown): Html =>
  html`<p>${title}</p>
    <pre>${JSON.stringify(value, undefined, 2)}</pre>`;

function examplesPart({ example, examples = {} }: Media = {}): Html {
  const alone = example === undefined ? html`` : exampleOf('For example', example);
  const byStatus = Object.entries(examples).map(([status, { value }]) => exampleOf(`For example ${status}`, value));
  return html`${alone}${byStatus}`;
}

const fieldOfParameter = ({ name, in: where, required = false, schema = {}, ...more }: Parameter): Field => ({
  path: name,
  type: `${typeOf(schema)}, in the ${where}`,
  required,
  about: [more.description, more.example === undefined ? undefined : `For example ${more.example}`]
    .filter((part) => part !== undefined)
    .join('. '),
});

const responsePart = ([status, response]: [string, Response]): Html =>
  html`<h4>${status === 'default' ? 'Any other status' : status}</h4>
    <p>${response.description ?? ''}</p>
    ${schemaPart(jsonOf(response)?.schema)}${examplesPart(jsonOf(response))}`;

const securityOf = ({ security = [] }: Operation): string => security.flatMap((each) => Object.keys(each)).join(' or ');

function operationPart({ path, method, operation }: Route): Html {
  const { operationId = '', summary = '', description = '', parameters = [], requestBody, responses = {} } = operation;
  const security = securityOf(operation);
  const isOptional = operation.security?.some((each) => Object.keys(each).length === 0) ?? false;
  const needs = security === '' ? html`` : html`<p>${isOptional ? 'May need' : 'Needs'}: ${security}.</p>`;
  const body = jsonOf(requestBody);
  const sent =
    body === undefined
      ? html``
      : html`<h4>Body</h4>
          ${schemaPart(body.schema)}${examplesPart(body)}`;
  const heading = html`<code>${method.toUpperCase()} ${path}</code>`;
  const about = html`<p>${summary}</p>
    <p>${description}</p>`;
  const answers = Object.entries(responses).map(responsePart);
  return html`<h3 id="${operationId}">${heading}</h3>
    ${about}${needs}${fieldTable(parameters.map(fieldOfParameter))}${sent}${answers}`;
}

type Route = { path: string; method: string; operation: Operation };

const contentsRow = ({ path, method, operation: { operationId = '', summary = '' } }: Route): Html =>
  html`<tr>
    <td>
      <a href="#${operationId}"><code>${method.toUpperCase()} ${path}</code></a>
    </td>
    <td>${summary}</td>
  </tr> `;

/** The document as a page to read: no script and no other host, so that it can be read wherever the service runs. */
export function docsPage({ info, paths = {}, components }: ApiDocument): string {
  const routes = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = [...new Set(routes.map(({ operation }) => operation.tags?.[0] ?? 'other'))];
  const ofTag = (tag: string) => routes.filter(({ operation }) => (operation.tags?.[0] ?? 'other') === tag);
  const schemas = Object.entries(components?.schemas ?? {});
  return page({
    title: `${info.title} ${info.version}`,
    body: html`<h1>${info.title} ${info.version}</h1>
      <p>${info.description ?? ''} For programs: <a href="/openapi.json">/openapi.json</a>.</p>
      <table>
        <tbody>
          ${routes.map(contentsRow)}
        </tbody>
      </table>
      ${tags.map(
        (tag) =>
          html`<h2>${tag}</h2>
            ${ofTag(tag).map(operationPart)}`,
      )}
      <h2>Schemas</h2>
      ${schemas.map(
        ([name, schema]) =>
          html`<h3 id="schema-${name}">${name}</h3>
            <p>${schema.description ?? ''}</p>
            ${fieldTable(fieldsOf(schema))}`,
      )}`,
  });
}
