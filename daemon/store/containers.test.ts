import t from 'tap';
import { record } from '../containers/testing.ts';
import { ContainerTable } from './containers.ts';
import { Database } from './database.ts';
import { EventTable } from './events.ts';
import { MetaTable } from './meta.ts';

const event = (action: string) => ({ type: 'container', action, actorId: 'x', attributes: { a: 'b' } });

const open = () => {
  const database = new Database(':memory:');
  const events = new EventTable(database);
  return { database, events, table: new ContainerTable(database, events) };
};

t.test('rows come back as they went in', async (t) => {
  const { table, events } = open();
  const row = record({
    createdNs: 1_764_000_000_123_456_789n,
    startTime: 2n ** 60n,
    config: { Env: ['A=ü'], Labels: {} },
    oomKilled: true,
    autoRemove: true,
  });
  t.ok(table.insert(row, event('create')));
  t.same(table.byId(row.id), row);
  t.same(table.byName(row.name), row);
  t.same(table.byIdPrefix('0123'), [row]);
  t.same(table.byIdPrefix('9'), []);
  t.same(table.byIdPrefix('%'), []);
  t.match(events.after(0, 10), [{ seq: 1, action: 'create', attributes: { a: 'b' } }]);
  t.notOk(table.insert({ ...row, id: 'f'.repeat(64) }, event('create')), 'names are unique');
  t.equal(events.last(), 1, 'and then nothing is told');
});

t.test('a transition is a compare-and-set with its event', async (t) => {
  const { table, events } = open();
  const row = record();
  table.insert(row, event('create'));
  t.equal(table.transition(row.id, ['running'], 'exited', { exitCode: 1 }, [event('die')]), undefined);
  t.equal(events.last(), 1);
  t.match(table.transition(row.id, ['created', 'exited'], 'starting', { bootId: 'b' }), {
    state: 'starting',
    bootId: 'b',
  });
  t.match(table.transition(row.id, ['starting'], 'running', { pid: 7, startedNs: 9n }, [event('start')]), {
    pid: 7,
    startedNs: 9n,
  });
  t.equal(events.last(), 2);
  t.notOk(table.remove(row.id, event('destroy')), 'only what is being removed can go');
  table.transition(row.id, ['running'], 'removing', {});
  t.ok(table.remove(row.id, event('destroy')));
  t.equal(table.byId(row.id), undefined);
});

t.test('a failed transaction leaves neither change nor event, and wakes nobody', async (t) => {
  const { database, table, events } = open();
  let woken = 0;
  database.onEventsAppended(() => void woken++);
  const row = record();
  t.throws(() =>
    database.transaction(() => {
      table.insert(row, event('create'));
      throw new Error('no');
    }),
  );
  t.equal(table.byId(row.id), undefined);
  t.equal(events.last(), 0);
  t.equal(woken, 0);
  table.insert(row, event('create'));
  t.equal(woken, 1);
});

t.test('names, counts, images and volumes', async (t) => {
  const { table } = open();
  const mount = {
    type: 'volume',
    name: 'data',
    source: '/v',
    destination: '/d',
    driver: 'local',
    mode: '',
    rw: true,
    propagation: '',
    copyUp: true,
  } as const;
  const one = record({ id: 'a'.repeat(64), name: 'one', mounts: [mount] });
  const two = record({ id: 'b'.repeat(64), name: 'two', state: 'running', createdNs: 2n, imageId: 'other' });
  table.insert(one, event('create'));
  table.insert(two, event('create'));
  t.notOk(table.update(one.id, { name: 'two' }));
  t.ok(table.update(one.id, { name: 'one' }));
  t.ok(table.update(one.id, { name: 'three' }, [event('rename')]));
  t.same(
    table.all().map(({ name }) => name),
    ['two', 'three'],
    'newest first',
  );
  t.same(
    table.inStates(['running']).map(({ name }) => name),
    ['two'],
  );
  t.same(
    table.ofImage('other').map(({ name }) => name),
    ['two'],
  );
  t.same(table.ofVolume('data'), [one.id]);
  t.same(table.ofVolume('dat'), []);
  t.same([...table.countByState()].sort(), [
    ['created', 1],
    ['running', 1],
  ]);
});

t.test('meta', async (t) => {
  const meta = new MetaTable(open().database);
  t.equal(meta.get('x'), undefined);
  meta.set('x', '1');
  meta.set('x', '2');
  t.equal(meta.get('x'), '2');
});
