import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Database } from '../store/database.ts';
import { type EventRow, EventTable } from '../store/events.ts';
import { EventBus } from './bus.ts';
import { checkEventFilters, type EventFilters, matchesEvent } from './filter.ts';

const never = new AbortController().signal;
const event = (action: string, timeNs?: bigint) => ({
  type: 'container',
  action,
  actorId: 'abc',
  attributes: { name: 'web' },
  timeNs,
});

const open = (path = ':memory:') => {
  const database = new Database(path);
  const table = new EventTable(database);
  return { database, table, bus: new EventBus(database, table) };
};

const collect = async (stream: AsyncIterable<EventRow>): Promise<string[]> => {
  const actions: string[] = [];
  for await (const { action } of stream) actions.push(action);
  return actions;
};

t.test('the past between two times, and no more', async (t) => {
  const { table, bus } = open();
  for (let time = 1; time <= 600; time++) table.append(event(`e${time}`, BigInt(time)));
  t.same(await collect(bus.stream({ since: 3n, until: 5n, filters: {}, signal: never })), ['e3', 'e4', 'e5']);
  t.equal(
    (await collect(bus.stream({ since: 0n, until: 600n, filters: {}, signal: never }))).length,
    600,
    'more than a batch',
  );
});

t.test('new ones from the moment of the call', async (t) => {
  const { table, bus } = open();
  table.append(event('before'));
  const leave = new AbortController();
  const stream = bus.stream({ filters: { event: ['b', 'c'] }, signal: leave.signal });
  table.append(event('a'));
  table.append(event('b'));
  const seen: string[] = [];
  for await (const { action } of stream) {
    seen.push(action);
    if (action === 'b') setImmediate(() => table.append(event('c')));
    if (action === 'c') leave.abort();
  }
  t.same(seen, ['b', 'c']);
});

t.test('an end that lies ahead', async (t) => {
  const { table, bus } = open();
  const until = BigInt(Date.now() + 100) * 1_000_000n;
  const stream = bus.stream({ since: 0n, until, filters: {}, signal: never });
  table.append(event('a'));
  t.same(await collect(stream), ['a']);
});

t.test('numbers go on after a restart and after rows were trimmed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tsd-events-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'x.db');
  const first = open(path);
  first.table.append(event('one'));
  first.table.append(event('two'));
  first.table.trim(1);
  first.database.close();
  const second = open(path);
  second.table.append(event('three'));
  t.match(second.table.after(0, 10), [
    { seq: 2, action: 'two' },
    { seq: 3, action: 'three' },
  ]);
  second.database.close();
});

t.test("filters, with Docker's rules", async (t) => {
  const row: EventRow = {
    seq: 1,
    timeNs: 1n,
    type: 'container',
    action: 'exec_create: sh',
    actorId: 'abcdef',
    attributes: { name: 'web', image: 'reg:5000/busybox:latest', tier: 'front' },
  };
  const lets = (filters: EventFilters) => matchesEvent(row, filters);
  t.ok(lets({}));
  t.ok(lets({ event: ['exec_create'] }));
  t.ok(lets({ event: ['exec_create: sh', 'x'] }));
  t.notOk(lets({ event: ['exec'] }));
  t.ok(lets({ type: ['container', 'image'] }));
  t.notOk(lets({ type: ['image'] }));
  t.ok(lets({ container: ['abc'] }));
  t.ok(lets({ container: ['we'] }));
  t.notOk(lets({ network: ['net'] }));
  t.ok(lets({ scope: ['local'] }));
  t.notOk(lets({ scope: ['swarm'] }));
  t.ok(lets({ label: ['tier=front', 'tier'] }));
  t.notOk(lets({ label: ['tier=back'] }));
  t.ok(lets({ image: ['reg:5000/busybox'] }));
  t.ok(lets({ image: ['reg:5000/busybox:latest'] }));
  t.notOk(lets({ image: ['reg'] }));
  t.throws(() => checkEventFilters({ zork: ['x'] }), { kind: 'invalid-argument', message: "invalid filter 'zork'" });
});
