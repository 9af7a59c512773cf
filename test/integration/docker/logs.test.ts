// `docker logs`, `docker events` and `docker attach` without a terminal.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isDockerd, startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);

t.test('streams, tail, timestamps', async (t) => {
  await docker.ok(
    'run',
    '--name',
    'writes',
    'busybox',
    'sh',
    '-c',
    'for n in 1 2 3 4 5; do echo out$n; done; sleep 0.5; echo bad >&2; sleep 0.5; printf unfinished',
  );
  const all = await docker.run(['logs', 'writes']);
  t.equal(all.stdout, 'out1\nout2\nout3\nout4\nout5\nunfinished');
  t.equal(all.stderr, 'bad\n');
  t.equal((await docker.run(['logs', '--tail', '3', 'writes'])).stdout, 'out5\nunfinished');
  t.equal((await docker.run(['logs', '-n', '0', 'writes'])).stdout, '');
  t.equal((await docker.run(['logs', '--tail', 'all', 'writes'])).stdout, all.stdout);
  for (const line of (await docker.ok('logs', '-t', 'writes')).split('\n')) {
    t.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z (out\d|unfinished)$/);
  }
  await docker.ok('rm', 'writes');
});

t.test('since and until', async (t) => {
  await docker.ok('run', '--name', 'timed', 'busybox', 'sh', '-c', 'echo early; sleep 2; echo late');
  const [early, late] = (await docker.ok('logs', '-t', 'timed')).split('\n').map((line) => line.split(' ')[0] ?? '');
  t.equal(await docker.ok('logs', '--since', late ?? '', 'timed'), 'late');
  t.equal(await docker.ok('logs', '--until', early ?? '', 'timed'), 'early');
  t.equal(await docker.ok('logs', '--since', '1h', 'timed'), 'early\nlate');
  t.equal(await docker.ok('logs', '--until', '1h', 'timed'), '');
  t.equal(await docker.ok('logs', '--since', String(Math.floor(Date.parse(late ?? '') / 1000)), 'timed'), 'late');
  await docker.ok('rm', 'timed');
});

t.test('follow to the end of the container, and of what is written meanwhile', async (t) => {
  const shared = join(docker.engine.root, 'shared');
  mkdirSync(shared);
  await docker.ok(
    'run',
    '-d',
    '--name',
    'follow',
    '-v',
    `${shared}:/s`,
    'busybox',
    'sh',
    '-c',
    'echo before; echo begin; until [ -e /s/go ]; do sleep 0.1; done; echo end',
  );
  const follow = docker.spawn(['logs', '-f', 'follow']);
  const tail = docker.spawn(['logs', '-f', '--tail', '1', 'follow']);
  await follow.until('begin');
  await tail.until('begin');
  writeFileSync(join(shared, 'go'), '');
  t.equal((await follow.done).stdout, 'before\nbegin\nend\n');
  t.equal((await tail.done).stdout, 'begin\nend\n');
  await docker.ok('rm', 'follow');
});

t.test('many lines arrive whole and in order', async (t) => {
  const run = await docker.run(['run', '--name', 'many', 'busybox', 'seq', '1', '20000']);
  const expected = Array.from({ length: 20000 }, (_, index) => `${index + 1}\n`).join('');
  t.ok(run.stdout === expected, 'the attached stream');
  t.ok((await docker.run(['logs', 'many'])).stdout === expected, 'the log');
  t.equal((await docker.run(['logs', '--tail', '2', 'many'])).stdout, '19999\n20000\n');
  await docker.ok('rm', 'many');
});

t.test('attach to a running one sees what comes, and its exit code', async (t) => {
  await docker.ok(
    'run',
    '-d',
    '-i',
    '--name',
    'attached',
    'busybox',
    'sh',
    '-c',
    'while read line; do echo "got $line"; [ $line = last ] && exit 8; done',
  );
  const attach = docker.spawn(['attach', 'attached']);
  attach.write('hello\n');
  await attach.until('got hello');
  attach.write('last\n');
  const result = await attach.done;
  t.equal(result.stdout, 'got hello\ngot last\n');
  t.equal(result.code, 8);
  await docker.ok('rm', 'attached');
});

// The command says nothing when it is attached; nothing is asserted of the time.
const attached = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1000));

t.test('attach passes signals on, unless told not to', async (t) => {
  const command = 'trap "echo caught; exit 5" USR1; echo ready; while :; do sleep 0.1; done';
  await docker.ok('run', '-d', '--name', 'proxied', 'busybox', 'sh', '-c', command);
  await docker.spawn(['logs', '-f', 'proxied']).until('ready');
  const deaf = docker.spawn(['attach', '--sig-proxy=false', '--no-stdin', 'proxied']);
  await attached();
  deaf.child.kill('SIGUSR1');
  await attached();
  t.equal(await docker.inspect('proxied', '{{.State.Running}}'), 'true');
  deaf.child.kill('SIGKILL');
  await deaf.done;
  const attach = docker.spawn(['attach', '--no-stdin', 'proxied']);
  await attached();
  attach.child.kill('SIGUSR1');
  const result = await attach.done;
  t.equal(result.code, 5);
  t.match(result.stdout, /caught/);
  await docker.ok('rm', 'proxied');
});

t.test('events of a life, in order, with their attributes', async (t) => {
  const since = String(Math.floor(Date.now() / 1000));
  const watch = docker.spawn([
    'events',
    '--since', // it may begin to listen only after the container has been made
    since,
    '--format',
    '{{.Type}} {{.Action}} {{.Actor.Attributes.name}}',
    '--filter',
    'container=told',
  ]);
  await docker.ok('run', '--rm', '--name', 'told', '-l', 'k=v', 'busybox', 'sh', '-c', 'exit 2').catch(() => undefined);
  await watch.until('container destroy told');
  watch.child.kill('SIGTERM');
  const live = (await watch.done).stdout.split('\n').filter((line) => line.startsWith('container '));
  t.same(
    live.map((line) => line.split(' ')[1]),
    ['create', 'attach', 'start', 'die', 'destroy'],
  );
  const until = String(Math.ceil(Date.now() / 1000) + 1);
  const past = await docker.ok(
    'events',
    '--since',
    since,
    '--until',
    until,
    '--filter',
    'type=container',
    '--filter',
    'event=die',
    '--filter',
    'container=told',
    '--format',
    '{{json .}}',
  );
  const die = JSON.parse(past) as { Actor: { Attributes: Record<string, string> }; status?: string };
  t.match(die.Actor.Attributes, { exitCode: '2', image: 'busybox', name: 'told', k: 'v' });
  const filtered = await docker.ok('events', '--since', since, '--until', until, '--filter', 'label=k=other');
  t.equal(filtered, '');
});

t.test('what a container wrote is readable when wait answers', async (t) => {
  for (let turn = 0; turn < 15; turn++) {
    const id = await docker.ok('run', '-d', 'busybox', 'sh', '-c', 'echo last words');
    t.equal(await docker.ok('wait', id), '0');
    if (!isDockerd) t.equal(await docker.ok('logs', id), 'last words'); // dockerd answers wait before its log has all
    await docker.ok('rm', id);
  }
});

t.test('two clients at once see the same', async (t) => {
  await docker.ok('run', '-d', '-i', '--name', 'pair', 'busybox', 'sh', '-c', 'read x; echo one; echo two >&2');
  const viewers = [0, 1].map(() => docker.spawn(['attach', '--no-stdin', 'pair']));
  const attached = docker.spawn(['events', '--since', '1m', '--filter', 'container=pair', '--format', '{{.Action}}']);
  await attached.until(/attach\n(.*\n)*attach\n/);
  attached.child.kill('SIGKILL');
  await docker.run(['attach', 'pair'], { input: 'go\n' });
  for (const viewer of viewers) t.match(await viewer.done, { stdout: 'one\n', stderr: 'two\n' });
  await docker.ok('rm', 'pair');
});

t.test('the driver local, rotated', async (t) => {
  const script = 'n=0; while [ $n -lt 300 ]; do n=$((n+1)); echo line $n; done';
  const options = ['--log-driver', 'local', '--log-opt', 'max-size=4k', '--log-opt', 'max-file=2'];
  await docker.ok('run', '--name', 'local', ...options, 'busybox', 'sh', '-c', script);
  t.equal(await docker.inspect('local', '{{.HostConfig.LogConfig.Type}}{{.LogPath}}'), 'local');
  const lines = (await docker.ok('logs', 'local')).split('\n');
  t.equal(lines.at(-1), 'line 300');
  if (!isDockerd) t.ok(lines.length < 300, 'the oldest are gone');
  const first = Number(lines[0]?.split(' ')[1]);
  t.same(
    lines,
    lines.map((_, index) => `line ${first + index}`),
    'none is missing in between',
  );
  t.equal(await docker.ok('logs', '-n', '2', 'local'), 'line 299\nline 300');
  await docker.ok('rm', 'local');
});
