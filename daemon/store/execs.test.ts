import t from 'tap';
import { record } from '../containers/testing.ts';
import { ContainerTable } from './containers.ts';
import { Database } from './database.ts';
import { EventTable } from './events.ts';
import { type ExecRow, ExecTable } from './execs.ts';
import { HealthTable } from './health.ts';

const event = (action: string) => ({ type: 'container', action, actorId: 'c', attributes: {} });

function tables() {
  const database = new Database(':memory:');
  const events = new EventTable(database);
  const containers = new ContainerTable(database, events);
  const container = record({ extensions: { 'tsd.health.probe': 'tcp:1' } });
  containers.insert(container, event('create'));
  return {
    events,
    containers,
    container,
    execs: new ExecTable(database, events),
    healths: new HealthTable(database, events),
  };
}

const rowOf = (containerId: string, id: string, createdNs = 1n): ExecRow => ({
  id,
  containerId,
  createdNs,
  finishedNs: 0n,
  state: 'created',
  config: {
    args: ['sh'],
    env: [],
    user: '',
    workingDirectory: '',
    tty: true,
    privileged: false,
    stdin: false,
    stdout: true,
    stderr: false,
    detachKeys: '',
    killOnDisconnect: false,
    consoleSize: [1, 2],
  },
  pid: 0,
  probe: false,
});

t.test('sessions: compare-and-set with events', async (t) => {
  const { events, container, execs } = tables();
  const row = rowOf(container.id, 'one');
  execs.insert(row, event('exec_create'));
  t.same(execs.byId('one'), row);
  t.notOk(execs.transition('one', ['running'], 'exited', { exitCode: 1 }, [event('exec_die')]));
  t.equal(events.last(), 2, 'no change, no event');
  t.ok(execs.transition('one', ['created'], 'starting', {}));
  t.ok(execs.transition('one', ['starting'], 'running', { pid: 7 }));
  t.ok(execs.transition('one', ['running'], 'exited', { exitCode: 0, finishedNs: 9n }, [event('exec_die')]));
  t.match(execs.byId('one'), { state: 'exited', pid: 7, exitCode: 0, finishedNs: 9n });
  execs.insert(rowOf(container.id, 'b', 3n), event('exec_create'));
  execs.insert(rowOf(container.id, 'a', 2n), event('exec_create'));
  t.same(execs.liveIds(container.id), ['a', 'b']);
  execs.deleteFinishedBefore(9n);
  t.ok(execs.byId('one'));
  execs.deleteFinishedBefore(10n);
  t.notOk(execs.byId('one'));
  execs.transition('a', ['created'], 'running', {});
  execs.deleteCreated(container.id);
  t.same(
    execs.ofContainer(container.id).map(({ id }) => id),
    ['a'],
  );
});

t.test('a container takes its rows along', async (t) => {
  const { containers, container, execs, healths } = tables();
  t.same(containers.byId(container.id)?.extensions, { 'tsd.health.probe': 'tcp:1' });
  execs.insert(rowOf(container.id, 'one'), event('exec_create'));
  const health = {
    status: 'healthy',
    failingStreak: 0,
    log: [{ startNs: 2n ** 60n, endNs: 2n ** 60n + 1n, exitCode: 0, output: 'x' }],
  } as const;
  healths.save(container.id, health, [event('health_status: healthy')]);
  healths.save('nobody', health, [event('health_status: healthy')]);
  t.same(healths.of(container.id), health);
  t.same([...healths.statuses()], [[container.id, 'healthy']]);
  containers.transition(container.id, ['created'], 'removing', {});
  containers.remove(container.id, event('destroy'));
  t.equal(execs.byId('one'), undefined);
  t.equal(healths.of(container.id), undefined);
});
