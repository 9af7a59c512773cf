import t from 'tap';
import { matches, matchesLabels, parseFilters, type Surroundings } from './list-filters.ts';
import { record } from './testing.ts';

const nowhere: Surroundings = { networksOf: () => [] };
const web = record({
  name: 'web',
  state: 'running',
  startedNs: 5n,
  createdNs: 10n,
  config: { Labels: { tier: 'front', flag: '' }, ExposedPorts: { '80/tcp': {}, '53/udp': {} } },
  hostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } },
  mounts: [
    {
      type: 'volume',
      name: 'data',
      source: '/v/data',
      destination: '/data',
      driver: 'local',
      mode: 'z',
      rw: true,
      propagation: '',
      copyUp: true,
    },
  ],
});

const lets = (values: Record<string, string[]>, around: Surroundings = nowhere, candidate = web): boolean =>
  matches(candidate, parseFilters(values), around);

t.test('each filter', async (t) => {
  t.ok(lets({}));
  t.ok(lets({ name: ['we'] }), 'a name is a pattern');
  t.ok(lets({ name: ['^/web$'] }), 'with or without the slash');
  t.ok(lets({ name: ['^web$'] }));
  t.notOk(lets({ name: ['^eb'] }));
  t.notOk(lets({ name: ['('] }), 'a pattern that is none matches nothing');
  t.ok(lets({ name: ['zzz', 'web'] }), 'any of several');
  t.ok(lets({ id: [web.id.slice(0, 5)] }));
  t.ok(lets({ label: ['tier'] }));
  t.ok(lets({ label: ['tier=front', 'flag'] }));
  t.notOk(lets({ label: ['tier=front', 'none'] }), 'all labels');
  t.ok(lets({ status: ['running', 'paused'] }));
  t.notOk(lets({ status: ['exited'] }));
  t.ok(lets({ health: ['none'] }));
  t.notOk(lets({ 'is-task': ['true'] }));
  t.ok(lets({ 'is-task': ['false'] }));
  t.ok(lets({ volume: ['data'] }));
  t.ok(lets({ volume: ['/data'] }));
  t.notOk(lets({ volume: ['dat'] }));
  t.ok(lets({ publish: ['80'] }));
  t.ok(lets({ publish: ['79-81/tcp'] }));
  t.notOk(lets({ publish: ['80/udp'] }));
  t.ok(lets({ expose: ['53/udp'] }));
  t.notOk(lets({ expose: ['53'] }));
  t.ok(lets({ network: ['front'] }, { networksOf: () => [{ name: 'front', id: 'abcdef' }] }));
  t.ok(
    lets({ network: ['abc'] }, { networksOf: () => [{ name: 'front', id: 'abcdef' }] }),
    'by the beginning of an id',
  );
  t.notOk(lets({ network: ['fro'] }, { networksOf: () => [{ name: 'front', id: 'abcdef' }] }));
  t.ok(lets({}, { ...nowhere, createdBefore: 11n, createdAfter: 9n }));
  t.notOk(lets({}, { ...nowhere, createdBefore: 10n }), 'both bounds are exclusive');
  t.notOk(lets({}, { ...nowhere, createdAfter: 10n }));
  t.ok(lets({ ancestor: ['x'] }, { ...nowhere, ancestors: new Set([web.imageId]) }));
  t.notOk(lets({ ancestor: ['x'] }, { ...nowhere, ancestors: new Set() }));
});

t.test('exited counts ended containers that ran', async (t) => {
  const ended = record({ state: 'exited', startedNs: 1n, exitCode: 3 });
  t.ok(lets({ exited: ['3'] }, nowhere, ended));
  t.notOk(lets({ exited: ['0'] }, nowhere, ended));
  t.notOk(lets({ exited: ['0'] }, nowhere, record({ state: 'created' })));
  t.notOk(lets({ exited: ['0'] }));
});

t.test("refusals in dockerd's words", async (t) => {
  const refused = (values: Record<string, string[]>, message: string) =>
    t.throws(() => parseFilters(values), { kind: 'invalid-argument', message });
  refused({ zork: ['('] }, "invalid filter 'zork'");
  refused({ status: ['foo'] }, "invalid filter 'status=foo'");
  refused({ exited: ['foo'] }, `invalid filter 'exited=foo': strconv.Atoi: parsing "foo": invalid syntax`);
  refused({ health: ['foo'] }, 'unrecognized filter value for health: foo');
  refused({ 'is-task': ['foo'] }, "invalid filter 'is-task=[foo]'");
  refused(
    { publish: ['foo'] },
    'error while looking up for publish foo: strconv.ParseUint: parsing "foo": invalid syntax',
  );
});

t.test('labels', async (t) => {
  t.ok(matchesLabels({ a: 'b=c' }, ['a=b=c']));
  t.notOk(matchesLabels({}, ['toString']));
});
