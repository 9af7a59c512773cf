// Health checks on the real kernel: Docker's own, and those without a process in the container.
import t from 'tap';
import { startDaemon, type TestDaemon } from '../../helpers/daemon.ts';
import { busyboxImage, makeDockerArchive } from '../../helpers/image.ts';

interface Health {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log: readonly {
    readonly Start: string;
    readonly End: string;
    readonly ExitCode: number;
    readonly Output: string;
  }[];
}

interface State {
  readonly Status: string;
  readonly ExitCode: number;
  readonly StartedAt: string;
  readonly Health?: Health;
}

const stateOf = async (daemon: TestDaemon, name: string): Promise<State> =>
  ((await daemon.api('GET', `/v1.47/containers/${name}/json`)).json as { State: State }).State;

async function until(daemon: TestDaemon, name: string, holds: (state: State) => boolean): Promise<State> {
  for (;;) {
    const state = await stateOf(daemon, name);
    if (holds(state)) return state;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

const healthIs =
  (status: string) =>
  ({ Health }: State): boolean =>
    Health?.Status === status;

t.test('health checks', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  const run = (name: string, ...args: string[]) => daemon.dockerOk(['run', '-d', '--name', name, ...args]);
  const statusText = (name: string) =>
    daemon.dockerOk(['ps', '-a', '--filter', `name=${name}`, '--format', '{{.Status}}']);
  const script = 'echo looked; test -e /tmp/good || exit 3';
  const often = ['--health-interval', '100ms', '--health-retries', '2'];

  t.test('by a command', async (t) => {
    await run('web', ...often, '--health-cmd', script, 'busybox', 'sleep', '1000');
    t.match(await statusText('web'), /^Up .* \(health: starting\)$/);
    const bad = await until(daemon, 'web', healthIs('unhealthy'));
    t.ok((bad.Health?.FailingStreak ?? 0) >= 2);
    t.match(bad.Health?.Log[0], { ExitCode: 3, Output: 'looked\n' });
    t.match(await statusText('web'), /^Up .* \(unhealthy\)$/);
    await daemon.dockerOk(['exec', 'web', 'touch', '/tmp/good']);
    t.match((await until(daemon, 'web', healthIs('healthy'))).Health, { FailingStreak: 0 });
    t.match(await statusText('web'), /^Up .* \(healthy\)$/);
    const full = await until(daemon, 'web', ({ Health }) => (Health?.Log.length ?? 0) === 5);
    t.equal(full.Health?.Log.length, 5);
    const events = await daemon.dockerOk([
      'events',
      '--since',
      '1h',
      '--until',
      String(Math.ceil(Date.now() / 1000) + 1),
      '--filter',
      'event=health_status',
      '--filter',
      'container=web',
      '--format',
      '{{.Action}}',
    ]);
    t.equal(events, 'health_status: unhealthy\nhealth_status: healthy');
    await daemon.dockerOk(['pause', 'web']);
    t.ok(healthIs('unhealthy')(await stateOf(daemon, 'web')), 'as Docker: what is not checked is not healthy');
    await daemon.dockerOk(['unpause', 'web']);
    await until(daemon, 'web', healthIs('healthy'));
    await daemon.dockerOk(['stop', '-t', '0', 'web']);
    t.ok(healthIs('unhealthy')(await stateOf(daemon, 'web')));
    await daemon.dockerOk(['start', 'web']);
    t.match((await stateOf(daemon, 'web')).Health, { Status: /starting|healthy/, FailingStreak: 0 });
  });

  t.test('filters, containers without a check, NONE', async (t) => {
    await run('plain', 'busybox', 'sleep', '1000');
    await run('off', '--no-healthcheck', 'busybox', 'sleep', '1000');
    t.equal((await stateOf(daemon, 'plain')).Health, undefined);
    t.equal((await stateOf(daemon, 'off')).Health, undefined);
    await until(daemon, 'web', healthIs('healthy'));
    const names = async (health: string) =>
      (await daemon.dockerOk(['ps', '--filter', `health=${health}`, '--format', '{{.Names}}'])).split('\n').sort();
    t.same(await names('healthy'), ['web']);
    t.same(await names('none'), ['off', 'plain']);
  });

  t.test('output and time are bounded', async (t) => {
    await run('loud', ...often, '--health-cmd', 'head -c 100000 /dev/zero | tr "\\0" x', 'busybox', 'sleep', '1000');
    const { Health } = await until(daemon, 'loud', healthIs('healthy'));
    t.equal(Health?.Log[0]?.Output, `${'x'.repeat(4096)}...`);
    await run('slow', ...often, '--health-timeout', '200ms', '--health-cmd', 'sleep 2000', 'busybox', 'sleep', '1000');
    const slow = await until(daemon, 'slow', healthIs('unhealthy'));
    t.match(slow.Health?.Log[0], { ExitCode: -1, Output: 'Health check exceeded timeout (200ms)' });
    await daemon.dockerOk(['rm', '-f', 'loud', 'slow']);
  });

  t.test('failures in the start period do not count', async (t) => {
    const period = ['--health-start-period', '1h', '--health-start-interval', '50ms', '--health-interval', '1h'];
    await run('warm', ...period, '--health-cmd', script, 'busybox', 'sleep', '1000');
    const state = await until(daemon, 'warm', ({ Health }) => (Health?.Log.length ?? 0) >= 4);
    t.match(state.Health, { Status: 'starting', FailingStreak: 0 });
    await daemon.dockerOk(['exec', 'warm', 'touch', '/tmp/good']);
    await until(daemon, 'warm', healthIs('healthy'));
    await daemon.dockerOk(['rm', '-f', 'warm']);
  });

  t.test('the state survives the daemon', async (t) => {
    const before = await until(daemon, 'web', healthIs('healthy'));
    await daemon.restart('SIGKILL');
    const after = await stateOf(daemon, 'web');
    t.equal(after.Health?.Status, 'healthy');
    t.ok((after.Health?.Log.at(-1)?.End ?? '') >= (before.Health?.Log.at(-1)?.End ?? ''));
    await daemon.dockerOk(['exec', 'web', 'rm', '/tmp/good']);
    await until(daemon, 'web', healthIs('unhealthy'));
    t.pass('and the checks go on');
    await daemon.dockerOk(['rm', '-f', 'web']);
  });

  t.test('a probe that runs when the daemon dies', async (t) => {
    await run('hangs', '--health-interval', '100ms', '--health-cmd', 'sleep 1000', 'busybox', 'sleep', '2000');
    const sessions = async () =>
      ((await daemon.api('GET', '/v1.47/containers/hangs/json')).json as { ExecIDs: string[] | null }).ExecIDs ?? [];
    let before = await sessions();
    while (before.length === 0) before = await sessions();
    await daemon.restart('SIGKILL');
    let after = await sessions();
    while (after.length === 0 || after[0] === before[0]) after = await sessions();
    t.equal(after.length, 1, 'another one has taken its place');
    t.equal(
      (await daemon.dockerOk(['exec', 'hangs', 'ps'])).match(/sleep 1000/g)?.length,
      1,
      'and its process is gone',
    );
    t.same((await stateOf(daemon, 'hangs')).Health?.Log, [], 'it left no result');
    await daemon.dockerOk(['rm', '-f', 'hangs']);
  });

  t.test('tcp and http without a process in the container', async (t) => {
    const server = 'mkdir /www; echo fine > /www/live; exec httpd -f -p 8080 -h /www';
    const probe = (text: string) => ['--label', `tsd.health.probe=${text}`];
    await run('open', ...often, ...probe('tcp:8080'), 'busybox', 'sh', '-c', server);
    await run('live', ...often, ...probe('http:8080/live'), 'busybox', 'sh', '-c', server);
    await run('gone', ...often, ...probe('http:8080/nothing'), 'busybox', 'sh', '-c', server);
    await run('shut', ...often, ...probe('tcp:81'), 'busybox', 'sleep', '1000');
    t.match((await until(daemon, 'open', healthIs('healthy'))).Health?.Log.at(-1), { Output: 'tcp port 8080 is open' });
    t.match((await until(daemon, 'live', healthIs('healthy'))).Health?.Log.at(-1), { Output: 'HTTP 200: fine\n' });
    t.match((await until(daemon, 'gone', healthIs('unhealthy'))).Health?.Log.at(-1), {
      ExitCode: 1,
      Output: /^HTTP 404/,
    });
    t.match((await until(daemon, 'shut', healthIs('unhealthy'))).Health?.Log.at(-1), {
      Output: 'tcp port 81: ECONNREFUSED',
    });
    const stuck = 'nc -l -p 8080 -e sleep 1000';
    await run('stuck', ...often, '--health-timeout', '200ms', ...probe('http:8080/'), 'busybox', 'sh', '-c', stuck);
    const late = await until(daemon, 'stuck', ({ Health }) =>
      (Health?.Log ?? []).some(({ ExitCode }) => ExitCode === -1),
    );
    t.match(
      late.Health?.Log.find(({ ExitCode }) => ExitCode === -1),
      { Output: 'Health check exceeded timeout (200ms)' },
    );
    await daemon.dockerOk(['rm', '-f', 'open', 'live', 'gone', 'shut', 'stuck']);
  });

  t.test('what an unhealthy container comes to', async (t) => {
    const failing = ['--health-interval', '100ms', '--health-retries', '1', '--label', 'tsd.health.probe=tcp:81'];
    const on = (action: string) => ['--label', `tsd.health.on-failure=${action}`];
    await run(
      'stops',
      ...failing,
      ...on('stop'),
      'busybox',
      'sh',
      '-c',
      'trap "exit 5" TERM; while :; do sleep 0.05; done',
    );
    t.match(await until(daemon, 'stops', ({ Status }) => Status === 'exited'), { ExitCode: 5 });
    await run('dies', ...failing, ...on('kill'), 'busybox', 'sleep', '1000');
    t.match(await until(daemon, 'dies', ({ Status }) => Status === 'exited'), { ExitCode: 137 });
    await run(
      'again',
      ...failing,
      ...on('restart'),
      'busybox',
      'sh',
      '-c',
      'trap "exit 5" TERM; while :; do sleep 0.05; done',
    );
    const { StartedAt } = await stateOf(daemon, 'again');
    await until(daemon, 'again', (state) => state.StartedAt !== StartedAt && state.Status === 'running');
    await daemon.dockerOk(['rm', '-f', 'stops', 'dies', 'again']);
  });

  t.test('labels that are refused, and those of an image', async (t) => {
    const create = (Labels: Record<string, string>, more = {}) =>
      daemon.api('POST', '/v1.47/containers/create', { Image: 'busybox', Cmd: ['true'], Labels, ...more });
    t.match(await create({ 'tsd.health.prob': 'tcp:1' }), {
      status: 400,
      json: { message: /did you mean tsd\.health\.probe\?/ },
    });
    t.match(await create({ 'tsd.health.probe': 'udp:1' }), {
      status: 400,
      json: { message: /expected tcp:PORT or http:PORT/ },
    });
    t.match(await create({ 'tsd.health.on-failure': 'explode' }), {
      status: 400,
      json: { message: /none, restart, stop, kill/ },
    });
    t.match(await create({ 'tsd.health.on-failure': 'stop' }), {
      status: 400,
      json: { message: /has no health check/ },
    });
    const own = { Healthcheck: { Test: ['CMD', 'true'] } };
    t.match(await create({ 'tsd.health.probe': 'tcp:1' }, own), {
      status: 400,
      json: { message: /give one of the two/ },
    });
    const image = busyboxImage();
    const labelled = {
      ...image,
      config: { ...image.config, Labels: { 'tsd.health.probe': 'tcp:81', 'tsd.nonsense': '1' } },
      tags: ['labelled:1'],
    };
    await daemon.dockerOk(['load', '--quiet'], { input: makeDockerArchive(labelled) });
    await run('innocent', 'labelled:1', 'sleep', '1000');
    t.equal((await stateOf(daemon, 'innocent')).Health, undefined, 'an image does not steer the host');
  });
});
