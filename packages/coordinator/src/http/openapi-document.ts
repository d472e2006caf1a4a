/** The parts of an OpenAPI 3.1 document that ours has. */
export type ApiDocument = {
  openapi: string;
  info: { title: string; description?: string; version: string };
  paths?: Record<string, PathItem>;
  components?: { schemas?: Record<string, JsonSchema>; securitySchemes?: Record<string, { description?: string }> };
};

export type PathItem = Record<string, Operation>;

export type Operation = {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: readonly string[];
  security?: readonly Readonly<Record<string, readonly string[]>>[];
  parameters?: readonly Parameter[];
  requestBody?: { content?: Content };
  responses?: Readonly<Record<string, Response>>;
};

export type Parameter = {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: JsonSchema;
  example?: string;
};
export type Response = { description?: string; content?: Content };
export type Media = {
  schema?: JsonSchema;
  example?: unknown;
  /** By the status that an answer had. */
  examples?: Readonly<Record<string, { value: unknown }>>;
};
type Content = Readonly<Record<string, Media>>;

/** What was sent and answered once: by an operation that did what it was asked, and by one that refused to. */
export type Exchange = {
  parameters?: Readonly<Record<string, string>>;
  request?: unknown;
  status: number;
  answer: unknown;
  refusal?: { status: number; answer: unknown };
};
/** By the id of the operation. */
export type Exchanges = Readonly<Record<string, Exchange>>;

/** JSON Schema as far as schemas of zod become it. */
export type JsonSchema = {
  $ref?: string;
  type?: string | readonly string[];
  description?: string;
  properties?: Readonly<Record<string, JsonSchema>>;
  required?: readonly string[];
  items?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
  anyOf?: readonly JsonSchema[];
  oneOf?: readonly JsonSchema[];
  allOf?: readonly JsonSchema[];
  enum?: readonly unknown[];
  const?: unknown;
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
};
