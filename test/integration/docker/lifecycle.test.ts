// create, start, stop, kill, restart, rename, wait, rm and prune with the stock command, and the status codes beneath.
import { request } from 'node:http';
import t from 'tap';
import { startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);

const status = (method: string, path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const call = request({ socketPath: docker.engine.socket, method, path, agent: false }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    call.on('error', reject);
    call.end();
  });

t.test('created, running, exited, started again', async (t) => {
  const id = await docker.ok('create', '--name', 'life', 'busybox', 'sh', '-c', 'echo run; sleep 1000');
  t.equal(await docker.inspect('life', '{{.State.Status}} {{.State.Pid}} {{.State.ExitCode}}'), 'created 0 0');
  t.equal(await docker.ok('start', 'life'), 'life');
  t.equal(await status('POST', `/containers/${id}/start`), 304, 'start of a running one');
  t.match(await docker.inspect('life', '{{.State.Status}} {{.State.Pid}}'), /^running [1-9]\d*$/);
  t.equal(await docker.ok('stop', '-t', '1', 'life'), 'life');
  t.equal(
    await docker.inspect('life', '{{.State.Status}} {{.State.ExitCode}}'),
    'exited 137',
    'sh as pid 1 ignores SIGTERM',
  );
  t.equal(await status('POST', `/containers/${id}/stop`), 304, 'stop of a stopped one');
  await docker.ok('restart', '-t', '0', 'life');
  t.equal(await docker.inspect('life', '{{.State.Status}}'), 'running');
  await docker.spawn(['logs', '-f', 'life']).until('run\nrun\n');
  await docker.ok('kill', 'life');
  t.equal(await docker.ok('wait', 'life'), '137');
  t.equal(await docker.ok('logs', 'life'), 'run\nrun', 'the log holds both runs');
  t.equal(await docker.ok('rm', id.slice(0, 12)), id.slice(0, 12));
});

t.test('signals by name and number', async (t) => {
  for (const signal of ['USR1', 'SIGUSR1', '10']) {
    await docker.ok(
      'run',
      '-d',
      '--name',
      'signal',
      'busybox',
      'sh',
      '-c',
      'trap "exit 9" USR1; echo ready; while :; do sleep 0.1; done',
    );
    await docker.spawn(['logs', '-f', 'signal']).until('ready');
    await docker.ok('kill', '-s', signal, 'signal');
    t.equal(await docker.ok('wait', 'signal'), '9', signal);
    await docker.ok('rm', 'signal');
  }
  await docker.ok('run', '-d', '--name', 'signal', 'busybox', 'sleep', '1000');
  const bad = await docker.run(['kill', '-s', 'NOPE', 'signal']);
  t.equal(bad.code, 1);
  t.match(bad.stderr, /[Ii]nvalid signal: NOPE/);
  await docker.ok('rm', '-f', 'signal');
});

t.test('the stop signal of the container', async (t) => {
  await docker.ok(
    'run',
    '-d',
    '--name',
    'gentle',
    '--stop-signal',
    'USR2',
    'busybox',
    'sh',
    '-c',
    'trap "exit 4" USR2; echo ready; while :; do sleep 0.1; done',
  );
  await docker.spawn(['logs', '-f', 'gentle']).until('ready');
  await docker.ok('stop', 'gentle');
  t.equal(await docker.inspect('gentle', '{{.State.ExitCode}}'), '4');
  await docker.ok('rm', 'gentle');
});

t.test("refusals in Docker's words", async (t) => {
  for (const command of [
    ['start'],
    ['stop'],
    ['kill'],
    ['rm'],
    ['logs'],
    ['wait'],
    ['rename'],
    ['attach'],
    ['restart'],
  ]) {
    const args = command[0] === 'rename' ? ['rename', 'nobody', 'other'] : [...command, 'nobody'];
    const result = await docker.run(args);
    t.equal(result.code, 1, args.join(' '));
    t.match(result.stderr, /No such container: nobody/, args.join(' '));
  }
  await docker.ok('run', '-d', '--name', 'runs', 'busybox', 'sleep', '1000');
  const remove = await docker.run(['rm', 'runs']);
  t.equal(remove.code, 1);
  t.match(remove.stderr, /is running|running container/);
  t.equal(await status('DELETE', '/containers/runs'), 409);
  const rename = await docker.run(['rename', 'runs', 'runs']);
  t.match(rename.stderr, 'Renaming a container with the same name as its current name');
  await docker.ok('rm', '-f', 'runs');
  await docker.ok('create', '--name', 'still', 'busybox', 'true');
  const kill = await docker.run(['kill', 'still']);
  t.equal(kill.code, 1);
  t.match(kill.stderr, /is not running/);
  await docker.ok('rm', 'still');
  t.equal(await status('GET', '/containers/nobody/json'), 404);
  t.equal(await status('GET', '/no/such/route'), 404);
});

t.test('rename frees the old name', async (t) => {
  await docker.ok('create', '--name', 'old', 'busybox', 'true');
  await docker.ok('create', '--name', 'other', 'busybox', 'true');
  const taken = await docker.run(['rename', 'old', 'other']);
  t.match(taken.stderr, /Conflict. The container name "\/other" is already in use by container "[0-9a-f]{64}"/);
  await docker.ok('rename', 'old', 'new');
  await docker.ok('create', '--name', 'old', 'busybox', 'true');
  t.same((await docker.ok('ps', '-a', '--format', '{{.Names}}')).split('\n').sort(), ['new', 'old', 'other']);
  await docker.ok('rm', 'new', 'old', 'other');
});

t.test('wait answers when it ends, for every one that waits', async (t) => {
  await docker.ok(
    'run',
    '-d',
    '--name',
    'waited',
    '-i',
    'busybox',
    'sh',
    '-c',
    'until [ -e /go ]; do sleep 0.1; done; exit 6',
  );
  const waits = [docker.spawn(['wait', 'waited']), docker.spawn(['wait', 'waited'])];
  await docker.ok('kill', 'waited');
  for (const wait of waits) t.equal((await wait.done).stdout, '137\n');
  await docker.ok('rm', 'waited');
});

t.test('prune removes what has ended', async (t) => {
  await docker.ok('run', '-d', '--name', 'keeps', 'busybox', 'sleep', '1000');
  const ended = await docker.ok('create', '-l', 'group=x', 'busybox', 'true');
  const other = await docker.ok('create', 'busybox', 'true');
  const first = await docker.ok('container', 'prune', '-f', '--filter', 'label=group=x');
  t.match(first, ended);
  t.notMatch(first, other);
  t.match(await docker.ok('container', 'prune', '-f'), other);
  t.equal(await docker.ok('ps', '-a', '--format', '{{.Names}}'), 'keeps');
  await docker.ok('rm', '-f', 'keeps');
});
