// Tests of query parameters.
import t from 'tap';
import { z } from 'zod';
import { describeProblems } from './problems.ts';
import * as q from './query.ts';

/** Value of parameter `p`, or the text of the problem. */
function read(schema: z.ZodType, input: Record<string, unknown>): unknown {
  const result = z.object({ p: schema }).safeParse(input);
  return result.success ? result.data.p : describeProblems(result.error, 'query');
}

t.test('flag is Docker’s boolean', async (t) => {
  for (const no of ['', '0', 'no', 'NO', 'false', 'False', 'none', 'NONE', ' 0 ']) {
    t.equal(read(q.flag(), { p: no }), false, JSON.stringify(no));
  }
  for (const yes of ['1', 'true', 'yes', 'anything', '00']) {
    t.equal(read(q.flag(), { p: yes }), true, yes);
  }
  t.equal(read(q.flag(), {}), false);
  t.equal(read(q.flag(true), {}), true);
  t.equal(read(q.flag(true), { p: '' }), false, 'given without a value is false even where absent is true');
  t.equal(read(q.flag(), { p: ['0', '1'] }), false, 'the first of several counts');
});

t.test('int', async (t) => {
  t.equal(read(q.int(), { p: '-1' }), -1);
  t.equal(read(q.int(), { p: '' }), undefined);
  t.equal(read(q.int(), {}), undefined);
  t.equal(read(q.int(), { p: '1.5' }), 'invalid query: p: expected an integer, received "1.5"');
  t.equal(read(q.int(), { p: '1e3' }), 'invalid query: p: expected an integer, received "1e3"');
  t.equal(read(q.requiredInt(), {}), 'invalid query: p: expected an integer, received ""');
});

t.test('text and list', async (t) => {
  t.equal(read(q.text(), { p: '' }), '');
  t.equal(read(q.text(), {}), undefined);
  t.equal(read(q.text(), { p: ['a', 'b'] }), 'a');
  t.match(read(q.requiredText(), { p: '' }), /p: expected a value/);
  t.strictSame(read(q.list(), { p: ['a', 'b'] }), ['a', 'b']);
  t.strictSame(read(q.list(), { p: 'a' }), ['a']);
  t.strictSame(read(q.list(), {}), []);
});

t.test('choice answers with the given message', async (t) => {
  const condition = q.choice(['not-running', 'removed'], 'not-running', (v) => `invalid condition: "${v}"`);
  t.equal(read(condition, {}), 'not-running');
  t.equal(read(condition, { p: '' }), 'not-running');
  t.equal(read(condition, { p: 'removed' }), 'removed');
  t.equal(read(condition, { p: 'x' }), 'invalid condition: "x"');
});

t.test('filters, both forms', async (t) => {
  const filters = q.filters(['label', 'status']);
  t.strictSame(read(filters, { p: '{"label":["a=b","c"]}' }), { label: ['a=b', 'c'] });
  t.strictSame(read(filters, { p: '{"status":{"running":true,"paused":true}}' }), { status: ['running', 'paused'] });
  t.strictSame(read(filters, { p: '{"label":null}' }), { label: [] });
  t.strictSame(read(filters, { p: '' }), {});
  t.strictSame(read(filters, { p: '{}' }), {});
  t.strictSame(read(filters, { p: 'null' }), {});
  t.equal(read(filters, { p: '{"nonsense":["x"]}' }), "invalid filter 'nonsense'");
  t.strictSame(read(q.filters(), { p: '{"nonsense":["x"]}' }), { nonsense: ['x'] }, 'no list of keys: every key');
  for (const bad of ['[', '[]', '"x"', '{"label":"x"}', '{"label":[1]}', '{"label":[["x"]]}']) {
    t.match(read(filters, { p: bad }), /^invalid filter: /, bad);
  }
});
