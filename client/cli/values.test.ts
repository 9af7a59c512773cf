// Tests of option values, detach keys, formats and the create request.
import t from 'tap';
import { routes } from '../../api-spec/index.ts';
import { parseCommand } from './command.ts';
import { splitReference, startFailureCode } from './commands/run.ts';
import { eventLine } from './commands/system.ts';
import { containerOptions, createRequest } from './create-request.ts';
import { DetachWatcher, parseDetachKeys } from './detach-keys.ts';
import { ellipsis, humanDuration, humanSize, shortId, table } from './format.ts';
import * as v from './values.ts';

t.test('sizes and durations', async (t) => {
  t.equal(v.parseBytes('--memory', '64m'), 64 * 1024 * 1024);
  t.equal(v.parseBytes('--memory', '1.5GiB'), 1.5 * 1024 ** 3);
  t.equal(v.parseBytes('--memory', '100'), 100);
  t.throws(() => v.parseBytes('--memory', 'lots'), /invalid size "lots" for --memory: expected a number/);
  t.equal(v.parseDuration('1h30m0.5s'), 5400.5);
  t.equal(v.parseDuration('10'), undefined);
  t.throws(() => v.parseInteger('--tail', '1.5'), /--tail/);
});

t.test('times', async (t) => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5);
  t.equal(v.parseTime('--since', '10m', now), String((now / 1000 - 600).toFixed(3)));
  t.equal(v.parseTime('--since', '1700000000.25', now), '1700000000.25');
  t.equal(v.parseTime('--since', '2026-01-02T03:04:05.123456789Z', now), `${now / 1000}.123456789`);
  t.match(v.parseTime('--since', '2026-01-02', now), /^\d+\.0$/);
  t.throws(() => v.parseTime('--since', 'yesterday', now), /invalid time "yesterday" for --since/);
});

t.test('environment, maps and filters', async (t) => {
  t.strictSame(v.parseEnvironment(['A=b', 'HOME', 'NOT_THERE', 'E='], { HOME: '/root' }), ['A=b', 'HOME=/root', 'E=']);
  t.throws(() => v.parseEnvironment(['=x'], {}), /invalid environment variable/);
  t.strictSame(v.envFileLines('# c\nA=b\r\n\n  C=d # e\n'), ['A=b', 'C=d # e']);
  t.strictSame(v.parseMap(['a=b=c', 'd']), { a: 'b=c', d: '' });
  t.strictSame(v.parseFilters(['label=a=b', 'Label=c', 'status=running']), {
    label: ['a=b', 'c'],
    status: ['running'],
  });
  t.throws(() => v.parseFilters(['x']), /invalid filter "x": expected KEY=VALUE/);
});

t.test('ports', async (t) => {
  t.strictSame(v.parsePublish('80'), [{ container: '80/tcp', hostIp: '', hostPort: '' }]);
  t.strictSame(v.parsePublish('8080:80/udp'), [{ container: '80/udp', hostIp: '', hostPort: '8080' }]);
  t.strictSame(v.parsePublish('127.0.0.1::80'), [{ container: '80/tcp', hostIp: '127.0.0.1', hostPort: '' }]);
  t.strictSame(v.parsePublish('[::1]:1-2:3-4'), [
    { container: '3/tcp', hostIp: '::1', hostPort: '1' },
    { container: '4/tcp', hostIp: '::1', hostPort: '2' },
  ]);
  t.strictSame(v.parsePublish('8000-8009:80'), [{ container: '80/tcp', hostIp: '', hostPort: '8000-8009' }]);
  for (const bad of ['x', '1:2:3:4', '70000', '80/icmp', '1-3:1-2', '']) {
    t.throws(() => v.parsePublish(bad), /--publish/, bad);
  }
});

t.test('detach keys', async (t) => {
  t.strictSame(parseDetachKeys('ctrl-p,ctrl-q'), [16, 17]);
  t.strictSame(parseDetachKeys('a,ctrl-@,ctrl-['), [97, 0, 27]);
  t.throws(() => parseDetachKeys('ctrl-1'), /invalid detach keys/);
  const watcher = new DetachWatcher('');
  watcher.push(Uint8Array.of(1, 16, 16));
  t.notOk(watcher.seen);
  watcher.push(Uint8Array.of(17));
  t.ok(watcher.seen, 'split over reads, after a first key too many');
});

t.test('text for people', async (t) => {
  const sizes = [0, 999, 1000, 4_261_550, 1.5e9].map(humanSize);
  t.strictSame(sizes, ['0B', '999B', '1kB', '4.26MB', '1.5GB']);
  const day = 86_400;
  const ages = [0, 1, 59, 60, 119, 120, 3600, 7200, day, 2 * day, 14 * day, 60 * day, 800 * day].map(humanDuration);
  t.strictSame(ages, [
    'Less than a second',
    '1 second',
    '59 seconds',
    'About a minute',
    'About a minute',
    '2 minutes',
    'About an hour',
    '2 hours',
    '24 hours',
    '2 days',
    '2 weeks',
    '2 months',
    '2 years',
  ]);
  t.equal(shortId('sha256:0123456789abcdef'), '0123456789ab');
  t.equal(ellipsis('abcdef', 4), 'abc…');
  t.equal(
    table([
      ['A', 'B'],
      ['long', 'x'],
      ['', ''],
    ]),
    'A      B\nlong   x\n\n',
  );
});

t.test('event lines', async (t) => {
  const time = Date.UTC(2026, 0, 2, 3, 4, 5) / 1000;
  const event = { Type: 'container', Action: 'start', scope: 'local', time, timeNano: time * 1e9 } as const;
  const line = eventLine({ ...event, Actor: { ID: 'x', Attributes: { name: 'web', image: 'b' } } });
  t.equal(line, '2026-01-02T03:04:05.000000000Z container start x (image=b, name=web)');
});

t.test('references and exit codes', async (t) => {
  t.strictSame(splitReference('host:5000/a'), { fromImage: 'host:5000/a', tag: 'latest' });
  t.strictSame(splitReference('host:5000/a:b'), { fromImage: 'host:5000/a', tag: 'b' });
  t.strictSame(splitReference('a@sha256:1'), { fromImage: 'a@sha256:1', tag: '' });
  t.equal(startFailureCode('exec: "x": executable file not found in $PATH: unknown'), 127);
  t.equal(startFailureCode('exec: "/tmp": permission denied: unknown'), 126);
  t.equal(startFailureCode('exec: "/tmp": is a directory: unknown'), 126);
  t.equal(startFailureCode('Ports are not available'), 125);
});

t.test('the create request is one that the API takes', async (t) => {
  const definition = { options: containerOptions, arguments: [1, 99], stopAtFirst: true } as const;
  const line =
    '-it --rm -e A=b -e HOME -w /w -u 1:2 -h host -l k=v -v /a:/b:ro -v ./x:/y -v /anonymous --entrypoint sh --network host ' +
    '-p 8080:80 -m 64m --cpus 1.5 --ulimit nofile=1:2 --device /dev/null:/dev/x:r --tmpfs /t:size=1m --restart on-failure:3 busybox -c ls';
  const { values, positionals } = parseCommand(definition, line.split(' '));
  const body = createRequest(values, positionals, false, { HOME: '/root' });
  const parsed = routes.ContainerCreate.body.parse(JSON.parse(JSON.stringify(body)));
  t.strictSame(parsed, JSON.parse(JSON.stringify(body)), 'nothing of it is unknown');
  t.match(parsed, {
    Image: 'busybox',
    Cmd: ['-c', 'ls'],
    Entrypoint: ['sh'],
    Env: ['A=b', 'HOME=/root'],
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/anonymous': {} },
    AttachStdin: true,
    StdinOnce: true,
    HostConfig: {
      AutoRemove: true,
      Binds: ['/a:/b:ro', `${process.cwd()}/x:/y`],
      Memory: 67_108_864,
      NanoCpus: 1_500_000_000,
      NetworkMode: 'host',
      PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] },
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/x', CgroupPermissions: 'r' }],
      Tmpfs: { '/t': 'size=1m' },
      Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
    },
  });
  const detached = createRequest(values, positionals, true, {});
  t.match(detached, { AttachStdin: false, AttachStdout: false, OpenStdin: true, StdinOnce: false });
});
