// `docker run` with the stock command: exit codes, streams, and each flag seen from inside of the container.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);

t.test("the exit code is the container's", async (t) => {
  t.equal((await docker.run(['run', '--rm', 'busybox', 'true'])).code, 0);
  t.equal((await docker.run(['run', '--rm', 'busybox', 'sh', '-c', 'exit 3'])).code, 3);
  t.equal((await docker.run(['run', '--rm', 'busybox', 'sh', '-c', 'sh -c "kill -9 \\$\\$"; exit $?'])).code, 137);
});

t.test("125, 126 and 127 with Docker's words", async (t) => {
  const missing = await docker.run(['run', '--rm', 'busybox', 'no-such-command']);
  t.equal(missing.code, 127);
  t.match(missing.stderr, /exec: "no-such-command": executable file not found in \$PATH/);
  const denied = await docker.run(['run', '--rm', 'busybox', '/etc/passwd']);
  t.equal(denied.code, 126);
  t.match(denied.stderr, /exec: "\/etc\/passwd": permission denied/);
  const absolute = await docker.run(['run', '--rm', 'busybox', '/no/such']);
  t.equal(absolute.code, 127);
  t.match(absolute.stderr, /exec: "\/no\/such": stat \/no\/such: no such file or directory/);
  const image = await docker.run(['run', '--rm', '--pull', 'never', 'no-such-image', 'true']);
  t.equal(image.code, 125);
  t.match(image.stderr, /No such image: no-such-image:latest/);
  const mount = await docker.run(['run', '--rm', '--mount', 'type=bind,src=/no/such/source,dst=/x', 'busybox', 'true']);
  t.equal(mount.code, 125);
  t.match(mount.stderr, /bind source path does not exist: \/no\/such\/source/);
  t.equal(await docker.ok('ps', '--all', '--quiet'), '', 'nothing is left of them');
});

t.test('standard streams', async (t) => {
  const both = await docker.run(['run', '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2']);
  t.same([both.stdout, both.stderr], ['out\n', 'err\n']);
  t.equal(
    (await docker.run(['run', '--rm', '-i', 'busybox', 'cat'], { input: 'hi\n' })).stdout,
    'hi\n',
    'the end of the input arrives',
  );
  t.equal(
    (await docker.run(['run', '--rm', 'busybox', 'cat'], { input: 'unread\n' })).stdout,
    '',
    'without -i nothing is read',
  );
  const after = await docker.run(['run', '--rm', '-i', 'busybox', 'sh', '-c', 'cat >/dev/null; sleep 1; echo late'], {
    input: 'x',
  });
  t.equal(after.stdout, 'late\n', 'output goes on after the input has ended');
});

t.test('megabytes both ways, byte for byte', async (t) => {
  const data = randomBytes(6 * 1024 * 1024).toString('base64');
  const result = await docker.run(['run', '--rm', '-i', 'busybox', 'cat'], { input: data });
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
  t.equal(result.stdout.length, data.length);
  t.equal(hash(result.stdout), hash(data));
});

t.test('flags seen from inside', async (t) => {
  const inside = async (flags: readonly string[], command: string): Promise<string> =>
    await docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', command);
  t.equal(await inside(['-e', 'A=1', '-e', 'B=two words'], 'echo "$A $B"'), '1 two words');
  t.equal(await inside(['-w', '/new/dir'], 'pwd'), '/new/dir');
  t.equal(await inside(['-u', '1000:1001'], 'echo $(id -u) $(id -g)'), '1000 1001');
  t.equal(await inside(['-u', 'nobody'], 'id -un'), 'nobody');
  t.equal(await inside(['-h', 'name'], 'hostname; cat /etc/hostname; grep -c name /etc/hosts'), 'name\nname\n1');
  t.match(await inside([], 'hostname'), /^[0-9a-f]{12}$/);
  t.equal(await docker.ok('run', '--rm', '--entrypoint', 'echo', 'busybox', 'from', 'entrypoint'), 'from entrypoint');
  t.equal(await inside([], 'echo $$; ls /proc/self/fd | wc -l'), '1\n4', 'pid 1; descriptors 0, 1, 2 and that of ls');
  t.equal(await inside(['--read-only'], 'touch /x 2>&1 || true'), 'touch: /x: Read-only file system');
  t.equal(
    await inside([], 'readlink /dev/stdin; ls /dev/pts /dev/shm -d; stat -c %t:%T /dev/null'),
    '/proc/self/fd/0\n/dev/pts\n/dev/shm\n1:3',
  );
});

t.test('bind mounts', async (t) => {
  const shared = join(docker.engine.root, 'shared');
  mkdirSync(shared);
  writeFileSync(join(shared, 'from-host'), 'host\n');
  t.equal(
    await docker.ok(
      'run',
      '--rm',
      '-v',
      `${shared}:/s`,
      'busybox',
      'sh',
      '-c',
      'cat /s/from-host; echo ctr >/s/from-container',
    ),
    'host',
  );
  t.equal(readFileSync(join(shared, 'from-container'), 'utf8'), 'ctr\n');
  const readOnly = await docker.run(['run', '--rm', '-v', `${shared}:/s:ro`, 'busybox', 'touch', '/s/x']);
  t.match(readOnly.stderr, /Read-only file system/);
  t.equal(readOnly.code, 1);
  t.equal(
    await docker.ok('run', '--rm', '-v', `${shared}/made:/s`, 'busybox', 'ls', '-A', '/s'),
    '',
    'a missing source of -v is made',
  );
});

t.test('names and labels', async (t) => {
  const id = await docker.ok('run', '-d', '--name', 'taken', '-l', 'a=b', '-l', 'bare', 'busybox', 'sleep', '1000');
  t.match(id, /^[0-9a-f]{64}$/);
  t.equal(
    await docker.inspect('taken', '{{.Name}} {{index .Config.Labels "a"}} {{.State.Status}}'),
    '/taken b running',
  );
  const again = await docker.run(['run', '--name', 'taken', 'busybox', 'true']);
  t.equal(again.code, 125);
  t.match(
    again.stderr,
    `Conflict. The container name "/taken" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
  const bad = await docker.run(['run', '--name', 'no good', 'busybox', 'true']);
  t.equal(bad.code, 125);
  t.match(bad.stderr, 'Invalid container name (no good), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed');
  t.match(await docker.ok('run', '-d', 'busybox', 'true'), /^[0-9a-f]{64}$/);
  t.match(await docker.ok('ps', '--latest', '--format', '{{.Names}}'), /^[a-z]+_[a-z]+$/, 'a name is made');
  await docker.ok('rm', '-f', 'taken');
});

t.test('networks', async (t) => {
  const links = async (network: string): Promise<string> =>
    await docker.ok(
      'run',
      '--rm',
      '--network',
      network,
      'busybox',
      'sh',
      '-c',
      'ls /sys/class/net | sort | tr "\\n" " "',
    );
  t.equal(await links('none'), 'lo ');
  t.match(await links('bridge'), /^eth0 lo $/);
  const host = await docker.ok('run', '--rm', '--network', 'host', 'busybox', 'readlink', '/proc/self/ns/net');
  t.match(host, /^net:\[\d+\]$/);
  t.not(host, await docker.ok('run', '--rm', 'busybox', 'readlink', '/proc/self/ns/net'));
});

t.test('signals reach the container through the command', async (t) => {
  const running = docker.spawn([
    'run',
    '--rm',
    'busybox',
    'sh',
    '-c',
    'trap "echo caught; exit 5" TERM; echo ready; while :; do sleep 0.1; done',
  ]);
  await running.until('ready');
  running.child.kill('SIGTERM');
  const result = await running.done;
  t.equal(result.code, 5);
  t.match(result.stdout, /caught/);
});

t.test('--init reaps and forwards', async (t) => {
  t.equal(
    await docker.ok('run', '--rm', '--init', 'busybox', 'sh', '-c', 'test $$ != 1 && echo not pid 1'),
    'not pid 1',
  );
});
