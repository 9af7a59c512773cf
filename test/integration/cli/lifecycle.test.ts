// The life of a container by the stock docker CLI: create, start, ps, inspect, logs, attach, wait, stop, kill, restart, rename, rm, prune, events.
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { type DockerOptions, DockerProcess } from '../../helpers/docker.ts';

t.test('the life of a container', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  const docker = (args: string[], options?: DockerOptions) => daemon.docker(args, options);
  const ok = (args: string[]) => daemon.dockerOk(args);
  const forever = ['sh', '-c', 'echo up; trap "echo term; exit 3" TERM; while :; do sleep 0.05; done'];

  t.test('create, start, inspect, stop, restart, kill, rm', async (t) => {
    const id = await ok(['create', '--name', 'life', '-l', 'kind=test', '-e', 'A=b', 'busybox', ...forever]);
    t.equal(await ok(['inspect', '-f', '{{.State.Status}} {{.Name}} {{.Config.Image}}', id]), 'created /life busybox');
    t.equal(await ok(['start', 'life']), 'life');
    t.equal(
      await ok(['inspect', '-f', '{{.State.Status}} {{.State.Running}} {{.State.ExitCode}}', 'life']),
      'running true 0',
    );
    t.equal((await daemon.api('POST', '/containers/life/start')).status, 304);
    t.match(await docker(['rm', 'life']), {
      code: 1,
      stderr: /container is running: stop the container before removing or force remove/,
    });
    const logs = new DockerProcess(daemon.dockerEnvironment(), ['logs', '-f', 'life']);
    await logs.until('up');
    t.equal(await ok(['stop', 'life']), 'life');
    t.equal((await logs.done).stdout, 'up\nterm\n', 'logs -f ends with the container and has all');
    t.equal(await ok(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'life']), 'exited 3');
    t.equal((await daemon.api('POST', '/containers/life/stop')).status, 304);
    t.match(await docker(['kill', 'life']), { code: 1, stderr: /is not running/ });
    await ok(['restart', '-t', '1', 'life']);
    t.equal(await ok(['inspect', '-f', '{{.State.Status}}', 'life']), 'running');
    await ok(['kill', '-s', 'KILL', 'life']);
    t.equal(await ok(['wait', 'life']), '137');
    await ok(['rename', 'life', 'new-life']);
    t.equal(await ok(['ps', '-a', '--filter', 'name=new-life', '--format', '{{.Names}}']), 'new-life');
    t.match(await docker(['inspect', 'life']), { code: 1, stderr: /No such object: life/i });
    t.equal(await ok(['rm', id.slice(0, 8)]), id.slice(0, 8));
    t.match(await docker(['start', 'new-life']), { code: 1, stderr: /No such container: new-life/ });
  });

  t.test('ps and its filters', async (t) => {
    await ok(['run', '-d', '--name', 'f-run', '-l', 'a=1', '-l', 'b=2', 'busybox', ...forever]);
    await ok(['create', '--name', 'f-made', '-l', 'a=2', 'busybox', 'true']);
    await docker(['run', '--name', 'f-exit', '-l', 'a=1', 'busybox', 'sh', '-c', 'exit 4']);
    const ps = async (...filters: string[]) =>
      (await ok(['ps', '-a', '--format', '{{.Names}}', ...filters.flatMap((f) => ['--filter', f])]))
        .split('\n')
        .filter((n) => n !== '')
        .sort();
    t.same(await ps('status=running'), ['f-run']);
    t.same(await ps('status=created'), ['f-made']);
    t.same(await ps('status=exited', 'exited=4'), ['f-exit']);
    t.same(await ps('label=a'), ['f-exit', 'f-made', 'f-run']);
    t.same(await ps('label=a=1'), ['f-exit', 'f-run']);
    t.same(await ps('label=a=1', 'label=b=2'), ['f-run']);
    t.same(await ps('name=f-'), ['f-exit', 'f-made', 'f-run']);
    t.same(await ps('name=^f-run$'), ['f-run']);
    t.same(await ps('ancestor=busybox'), ['f-exit', 'f-made', 'f-run']);
    t.same(await ps('before=f-made'), ['f-run']);
    t.same(await ps('since=f-made'), ['f-exit']);
    t.same(await ps('network=bridge', 'status=running'), ['f-run']);
    const id = await ok(['inspect', '-f', '{{.Id}}', 'f-run']);
    t.same(await ps(`id=${id.slice(0, 10)}`), ['f-run']);
    t.same((await ok(['ps', '--format', '{{.Names}}'])).split('\n'), ['f-run']);
    t.same((await ok(['ps', '-n', '1', '--format', '{{.Names}}'])).split('\n'), ['f-exit']);
    t.match(
      await ok(['ps', '--filter', 'name=f-run']),
      /CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n[0-9a-f]{12} +busybox +"sh -c 'echo up; tra…" +.* ago +Up .* +f-run/,
    );
    t.match(await docker(['ps', '--filter', 'status=nonsense']), {
      code: 1,
      stderr: /invalid filter 'status=nonsense'|Unrecognised filter value for status: nonsense/i,
    });
    t.match(await docker(['ps', '--filter', 'nonsense=1']), { code: 1, stderr: /invalid filter 'nonsense'/ });
    const pruned = await ok(['container', 'prune', '-f', '--filter', 'label=a=1']);
    t.match(pruned, /Deleted Containers:\n[0-9a-f]{64}\n/);
    t.same(await ps('name=f-'), ['f-made', 'f-run']);
    await ok(['rm', '-f', 'f-made', 'f-run']);
  });

  t.test('logs', async (t) => {
    await docker([
      'run',
      '--name',
      'logs',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; sleep 0.3; done; printf unfinished',
    ]);
    const all = await docker(['logs', 'logs']);
    t.equal(all.stdout, 'out 1\nout 2\nout 3\nout 4\nout 5\nunfinished');
    t.equal(all.stderr, 'err 1\nerr 2\nerr 3\nerr 4\nerr 5\n');
    t.equal(
      (await docker(['logs', '--tail', '2', 'logs'])).stdout,
      'unfinished',
      'the last two records are err 5 and the unfinished line',
    );
    t.equal((await docker(['logs', '--tail', '0', 'logs'])).stdout, '');
    const stamped = (await docker(['logs', '-t', 'logs'])).stdout.split('\n');
    t.match(stamped[0], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z out 1$/);
    const third = stamped[2]?.split(' ')[0] ?? '';
    t.equal((await docker(['logs', '--since', third, 'logs'])).stdout, 'out 3\nout 4\nout 5\nunfinished');
    t.equal((await docker(['logs', '--until', third, 'logs'])).stdout, 'out 1\nout 2\nout 3\n');
    t.equal((await docker(['logs', '--since', '10m', '--until', '5m', 'logs'])).stdout, '');
    t.match(await daemon.api('GET', '/containers/logs/logs'), {
      status: 400,
      json: { message: /Bad parameters: you must choose at least one stream/ },
    });
    await ok(['rm', 'logs']);
  });

  t.test('attach shows output from now on, sends input, ends with the container', async (t) => {
    await ok(['run', '-d', '-i', '--name', 'attach', 'busybox', 'sh', '-c', 'read x; echo got $x; exit 6']);
    const session = new DockerProcess(daemon.dockerEnvironment(), ['attach', 'attach']);
    session.write('word\n');
    t.match(await session.done, { code: 6, stdout: 'got word\n' });
    t.match(await docker(['attach', 'attach']), {
      code: 1,
      stderr: /cannot attach to a stopped container, start it first/i,
    });
    await ok(['rm', 'attach']);
  });

  t.test('two clients at once see the same', async (t) => {
    await ok(['run', '-d', '-i', '--name', 'pair', 'busybox', 'sh', '-c', 'read x; echo one; echo two >&2']);
    const viewers = [0, 1].map(() => new DockerProcess(daemon.dockerEnvironment(), ['attach', '--no-stdin', 'pair']));
    const events = new DockerProcess(daemon.dockerEnvironment(), [
      'events',
      '--since',
      '1m',
      '--filter',
      'event=attach',
      '--format',
      'attached',
    ]);
    await events.until(/attached\nattached\n/);
    events.child.kill('SIGKILL');
    await docker(['attach', 'pair'], { input: 'go\n' });
    for (const viewer of viewers) t.match(await viewer.done, { stdout: 'one\n', stderr: 'two\n' });
    await ok(['rm', 'pair']);
  });

  t.test('events', async (t) => {
    const since = String(Date.now() / 1000);
    const live = new DockerProcess(daemon.dockerEnvironment(), [
      'events',
      '--filter',
      'container=told',
      '--format',
      '{{.Action}}',
    ]);
    await ok(['run', '--rm', '--name', 'told', '-l', 'a=1', 'busybox', 'sh', '-c', 'exit 5']).catch(() => {});
    await live.until(/destroy/);
    live.child.kill('SIGKILL');
    const told = (
      await ok([
        'events',
        '--since',
        since,
        '--until',
        String(Math.ceil(Date.now() / 1000)),
        '--filter',
        'container=told',
        '--format',
        '{{.Action}} {{.Actor.Attributes.exitCode}} {{.Actor.Attributes.a}} {{.Actor.Attributes.image}}',
      ])
    ).split('\n');
    t.same(
      told.map((line) => line.split(' ')[0]),
      ['create', 'attach', 'start', 'die', 'destroy'],
    );
    t.match(told[3], /^die 5 1 busybox/);
  });

  t.test('versions of the API', async (t) => {
    t.match(await daemon.api('GET', '/v1.24/version'), { status: 200 });
    t.match(await daemon.api('GET', '/v1.55/version'), {
      status: 200,
      json: { ApiVersion: '1.55', MinAPIVersion: '1.24' },
    });
    t.match(await daemon.api('GET', '/v1.23/version'), {
      status: 400,
      json: {
        message:
          'client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
      },
    });
    t.match(await daemon.api('GET', '/v1.56/version'), {
      status: 400,
      json: { message: 'client version 1.56 is too new. Maximum supported API version is 1.55' },
    });
    t.match(await daemon.api('GET', '/no/such/route'), { status: 404, json: { message: 'page not found' } });
    t.match(await docker(['version', '--format', '{{.Server.APIVersion}} {{.Client.APIVersion}}']), {
      stdout: '1.55 1.50\n',
    });
    t.match(await docker(['info']), { code: 0, stdout: /Containers: \d+/ });
  });
});
