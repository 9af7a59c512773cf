// `docker ps` with its filters, and `docker inspect`.
import t from 'tap';
import { startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);

await docker.ok(
  'run',
  '-d',
  '--name',
  'first',
  '-l',
  'tier=web',
  '-l',
  'bare',
  '-v',
  '/data',
  'busybox',
  'sleep',
  '1000',
);
await docker.run(['run', '--name', 'second', '-l', 'tier=db', '--network', 'none', 'busybox', 'sh', '-c', 'exit 3']);
await docker.ok('create', '--name', 'third', 'busybox', 'true');
await docker.ok('tag', 'busybox', 'named:7');
await docker.ok('run', '-d', '--name', 'fourth', '--expose', '8080', 'named:7', 'sleep', '1000');

const names = async (...flags: string[]): Promise<string> =>
  (await docker.ok('ps', '--format', '{{.Names}}', ...flags))
    .split('\n')
    .filter((line) => line !== '')
    .sort()
    .join(' ');

t.test('filters', async (t) => {
  const filters: [string[], string][] = [
    [[], 'first fourth'],
    [['-a'], 'first fourth second third'],
    [['-n', '2'], 'fourth third'],
    [['-l'], 'fourth'],
    [['-a', '-f', 'status=created'], 'third'],
    [['-a', '-f', 'status=exited'], 'second'],
    [['-f', 'status=exited', '-f', 'status=created'], 'second third'],
    [['-a', '-f', 'exited=3'], 'second'],
    [['-a', '-f', 'exited=0'], ''],
    [['-a', '-f', 'label=tier'], 'first second'],
    [['-a', '-f', 'label=tier=web'], 'first'],
    [['-a', '-f', 'label=tier=web', '-f', 'label=bare'], 'first'],
    [['-a', '-f', 'name=f'], 'first fourth'],
    [['-a', '-f', 'name=^second$'], 'second'],
    [['-a', '-f', 'name=/third'], 'third'],
    [['-a', '-f', 'ancestor=named:7'], 'first fourth second third'],
    [['-a', '-f', 'before=second'], 'first'],
    [['-a', '-f', 'since=second'], 'fourth third'],
    [['-a', '-f', 'network=none'], 'second'],
    [['-a', '-f', 'network=bridge'], 'first fourth third'],
    [['-a', '-f', 'volume=/data'], 'first'],
    [['-a', '-f', 'expose=8080'], 'fourth'],
    [['-a', '-f', 'health=none'], 'first fourth second third'],
    [['-a', '-f', 'is-task=true'], ''],
  ];
  for (const [flags, expected] of filters) t.equal(await names(...flags), expected, `ps ${flags.join(' ')}`);
  const id = await docker.inspect('first', '{{.Id}}');
  t.equal(await names('-a', '-f', `id=${id.slice(0, 8)}`), 'first');
});

t.test('filters that are none', async (t) => {
  for (const [flags, message] of [
    [['-f', 'nonsense=1'], /invalid filter 'nonsense'/i],
    [['-f', 'status=sideways'], /invalid filter 'status=sideways'|Unrecognised filter value for status: sideways/i],
    [['-f', 'before=nobody'], /no such container:? nobody/i],
  ] as const) {
    const result = await docker.run(['ps', '-a', ...flags]);
    t.equal(result.code, 1, flags.join(' '));
    t.match(result.stderr, message);
  }
});

t.test('columns', async (t) => {
  const row = await docker.ok(
    'ps',
    '-a',
    '--no-trunc',
    '-f',
    'name=second',
    '--format',
    '{{.Image}}|{{.Command}}|{{.Status}}|{{.Labels}}|{{.Networks}}|{{.Mounts}}',
  );
  t.match(row, /^busybox\|"sh -c 'exit 3'"\|Exited \(3\) .* ago\|tier=db\|none\|$/);
  t.match(await docker.ok('ps', '-f', 'name=first', '--format', '{{.Status}}'), /^Up /);
  t.match(await docker.ok('ps', '-a', '-f', 'name=third', '--format', '{{.Status}}'), /^Created$/);
  t.match(await docker.ok('ps', '-s', '-f', 'name=first', '--format', '{{.Size}}'), /^0B \(virtual [\d.]+MB\)$/);
});

t.test('inspect', async (t) => {
  const [found] = JSON.parse(await docker.ok('inspect', 'first')) as Record<string, Record<string, unknown>>[];
  t.match(found, {
    Name: '/first',
    Path: 'sleep',
    Args: ['1000'],
    State: {
      Status: 'running',
      Running: true,
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Dead: false,
      ExitCode: 0,
      Error: '',
    },
    Image: /^sha256:[0-9a-f]{64}$/,
    RestartCount: 0,
    Driver: String,
    Platform: 'linux',
    HostConfig: {
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      LogConfig: { Type: 'json-file' },
      ShmSize: 67108864,
      Privileged: false,
    },
    Config: {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      Labels: { tier: 'web', bare: '' },
      Tty: false,
      OpenStdin: false,
    },
    NetworkSettings: {
      Networks: { bridge: { IPAddress: /^\d+\.\d+\.\d+\.\d+$/, Gateway: /^\d/, MacAddress: /^[0-9a-f:]{17}$/ } },
    },
  });
  t.match(found?.Mounts, [{ Type: 'volume', Destination: '/data', RW: true, Driver: 'local' }]);
  t.match(found?.State?.StartedAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  const missing = await docker.run(['inspect', 'nobody']);
  t.equal(missing.code, 1);
  t.match(missing.stderr, /[Nn]o such object: nobody/);
});
