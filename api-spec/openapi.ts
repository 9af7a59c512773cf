// Owns the generation of the OpenAPI 3.1 document from the route table. Pure; must not read or write files.
import { z } from 'zod';
import type { Answer, RouteSpec } from './route.ts';
import * as schemas from './schemas/index.ts';
import { MAX_API } from './versions.ts';

type Json = Record<string, unknown>;

const STREAM_TYPES: Readonly<Record<NonNullable<Answer['stream']>, string>> = {
  'json-lines': 'application/json',
  raw: 'application/octet-stream',
  tar: 'application/x-tar',
  multiplexed: 'application/vnd.docker.multiplexed-stream',
};

/** Named schemas become components; the same object under two names keeps the first. */
function namedSchemas(): Map<z.core.$ZodType, string> {
  const named = new Map<z.core.$ZodType, string>();
  for (const [name, schema] of Object.entries(schemas)) {
    if (schema instanceof z.ZodType && !named.has(schema)) {
      named.set(schema, name);
    }
  }
  return named;
}

/** Turns zod schemas into JSON schemas that point to components where a schema has a name. */
class SchemaWriter {
  readonly #named = namedSchemas();
  readonly #registry = z.registry<{ id: string }>();
  readonly #inline: z.core.$ZodType[] = [];
  #generated: Record<string, Json> | undefined;

  constructor() {
    for (const [schema, id] of this.#named) {
      this.#registry.add(schema, { id });
    }
  }

  /** Announces an unnamed schema; everything is generated in one go, so this must come before `write`. */
  announce(schema: z.core.$ZodType): void {
    if (!this.#registry.has(schema)) {
      this.#registry.add(schema, { id: `inline-${this.#inline.length}` });
      this.#inline.push(schema);
    }
  }

  #all(): Record<string, Json> {
    this.#generated ??= z.toJSONSchema(this.#registry, {
      unrepresentable: 'any',
      io: 'output',
      uri: (id) => `#/components/schemas/${id}`,
    }).schemas as Record<string, Json>;
    return this.#generated;
  }

  write(schema: z.core.$ZodType): Json {
    const name = this.#named.get(schema);
    if (name !== undefined) {
      return { $ref: `#/components/schemas/${name}` };
    }
    const id = this.#registry.get(schema)?.id ?? '';
    return this.#inlined(this.#all()[id] ?? {});
  }

  components(): Json {
    const names = [...this.#named.values()].sort();
    return Object.fromEntries(names.map((name) => [name, this.#inlined(this.#all()[name] ?? {})]));
  }

  /** Schemas of routes have passing ids: what points to them is replaced by what they are. */
  #inlined(value: Json): Json {
    const walk = (node: unknown): unknown => {
      if (Array.isArray(node)) {
        return node.map(walk);
      }
      if (typeof node !== 'object' || node === null) {
        return node;
      }
      const { $schema: _schema, $id: _id, ...rest } = node as Json;
      const target = typeof rest.$ref === 'string' ? /\/(inline-\d+)$/.exec(rest.$ref)?.[1] : undefined;
      if (target !== undefined) {
        const { $ref: _ref, ...beside } = rest;
        return { ...(walk(this.#all()[target]) as Json), ...beside };
      }
      return Object.fromEntries(Object.entries(rest).map(([key, child]) => [key, walk(child)]));
    };
    return walk(value) as Json;
  }
}

function shapeOf(schema: z.ZodType | undefined): [string, z.core.$ZodType][] {
  return schema instanceof z.ZodObject ? Object.entries(schema.shape) : [];
}

/** A parameter is required when its schema does not take `undefined`. */
function isRequired(schema: z.core.$ZodType): boolean {
  return !z.safeParse(schema, undefined).success;
}

function parameters(spec: RouteSpec, writer: SchemaWriter): Json[] {
  return [
    ...shapeOf(spec.params).map(([name, schema]) => ({
      name,
      in: 'path',
      required: true,
      schema: writer.write(schema),
    })),
    ...shapeOf(spec.query).map(([name, schema]) => ({
      name,
      in: 'query',
      ...(isRequired(schema) && { required: true }),
      schema: writer.write(schema),
    })),
  ];
}

function requestBody(spec: RouteSpec, writer: SchemaWriter): Json | undefined {
  if (spec.body) {
    return {
      required: isRequired(spec.body),
      content: { 'application/json': { schema: writer.write(spec.body) } },
    };
  }
  return spec.requestContentType === undefined ? undefined : { content: { [spec.requestContentType]: {} } };
}

function answer(spec: Answer, writer: SchemaWriter): Json {
  const type = spec.stream ? STREAM_TYPES[spec.stream] : 'application/json';
  const content = spec.schema ? { schema: writer.write(spec.schema) } : spec.stream ? {} : undefined;
  return {
    description: spec.description,
    ...(spec.headers && {
      headers: Object.fromEntries(
        Object.entries(spec.headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
      ),
    }),
    ...(content && { content: { [type]: content } }),
  };
}

function operation(id: string, spec: RouteSpec, writer: SchemaWriter): Json {
  const body = requestBody(spec, writer);
  const list = parameters(spec, writer);
  return {
    operationId: id,
    summary: spec.summary,
    tags: [spec.tag],
    ...(spec.since !== undefined && { 'x-since': spec.since }),
    ...(spec.hijack && { 'x-hijack': true }),
    ...(list.length > 0 && { parameters: list }),
    ...(body && { requestBody: body }),
    responses: Object.fromEntries(Object.entries(spec.responses).map(([status, one]) => [status, answer(one, writer)])),
  };
}

/** The OpenAPI 3.1 document of a route table. Path parameters are `{name}`; the version prefix is part of the server. */
export function buildOpenApi(table: Readonly<Record<string, RouteSpec>>): Json {
  const writer = new SchemaWriter();
  for (const spec of Object.values(table)) {
    const fields = [...shapeOf(spec.params), ...shapeOf(spec.query)].map(([, schema]) => schema);
    const bodies = [spec.body, ...Object.values(spec.responses).map((one) => one.schema)];
    for (const schema of [...fields, ...bodies]) {
      if (schema) {
        writer.announce(schema);
      }
    }
  }
  const paths: Record<string, Json> = {};
  for (const [id, spec] of Object.entries(table)) {
    const path = spec.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [spec.method.toLowerCase()]: operation(id, spec, writer) };
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'tsd',
      version: MAX_API,
      description: 'The Docker Engine API as tsd serves it.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: `/v${MAX_API}` }, { url: '/' }],
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: { schemas: writer.components() },
  };
}
