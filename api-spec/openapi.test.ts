// Tests of the generated definition and of the table.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { buildOpenApi, MAX_API, type RouteSpec, routes } from './index.ts';

const table: Readonly<Record<string, RouteSpec>> = routes;
const document = buildOpenApi(routes);

function* nodes(value: unknown): Generator<Record<string, unknown>> {
  if (Array.isArray(value)) {
    for (const child of value) {
      yield* nodes(child);
    }
  } else if (typeof value === 'object' && value !== null) {
    yield value as Record<string, unknown>;
    for (const child of Object.values(value)) {
      yield* nodes(child);
    }
  }
}

t.test('the committed openapi.json is that of the table', async (t) => {
  const committed = readFileSync(join(import.meta.dirname, 'openapi.json'), 'utf8');
  t.ok(committed === `${JSON.stringify(document, null, 2)}\n`, 'run `npm run openapi` and commit the result');
});

t.test('form of the document', async (t) => {
  t.equal(document.openapi, '3.1.0');
  t.equal((document.info as Record<string, unknown>).version, MAX_API);
  const paths = document.paths as Record<string, Record<string, Record<string, unknown>>>;
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
  t.equal(operations.length, Object.keys(table).length);
  t.strictSame(operations.map((o) => String(o.operationId)).sort(), Object.keys(table).sort());
  t.notMatch(JSON.stringify(document), /inline-\d|__shared/, 'no passing name is left');
  const schemas = (document.components as { schemas: Record<string, unknown> }).schemas;
  for (const node of nodes(document)) {
    if (typeof node.$ref === 'string') {
      const name = node.$ref.replace('#/components/schemas/', '');
      t.ok(Object.hasOwn(schemas, name), `${node.$ref} leads somewhere`);
    }
  }
});

t.test('the table is in order', async (t) => {
  const seen = new Set<string>();
  for (const [id, spec] of Object.entries(table)) {
    const key = `${spec.method} ${spec.path}`;
    t.notOk(seen.has(key), `${key} is there once`);
    seen.add(key);
    const names = [...spec.path.matchAll(/:(\w+)/g)].map((match) => match[1]);
    const declared = (
      document.paths as Record<string, Record<string, { parameters?: { in: string; name: string }[] }>>
    )[spec.path.replace(/:(\w+)/g, '{$1}')]?.[spec.method.toLowerCase()]?.parameters?.filter((p) => p.in === 'path');
    t.strictSame(
      (declared ?? []).map((p) => p.name),
      names,
      `${id} declares its path parameters`,
    );
    t.ok(spec.summary.length > 0 && spec.responses[500], `${id} has a summary and a 500`);
  }
});
