// The stock docker CLI against a daemon of this test's own: run in all its forms, its exit codes and its messages.
import { readlinkSync } from 'node:fs';
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import type { DockerOptions } from '../../helpers/docker.ts';

t.test('docker run', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  const docker = (args: string[], options?: DockerOptions) => daemon.docker(args, options);
  const run = (...args: string[]) => docker(['run', '--rm', ...args]);

  t.test('runs a command and brings its output and exit code', async (t) => {
    t.match(await run('busybox', 'echo', 'hello'), { code: 0, stdout: 'hello\n', stderr: '' });
    t.match(await run('busybox', 'sh', '-c', 'echo out; echo err >&2; exit 7'), {
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    t.match(await run('busybox', 'sh', '-c', 'sleep 100 & kill -9 $!; wait $!'), { code: 137 });
    t.match(
      await run('busybox', 'sh', '-c', 'kill -TERM $$; sleep 1'),
      { code: 0 },
      'PID 1 is not killed by a signal it does not handle',
    );
  });

  t.test('exit codes of a command that cannot run are Docker’s', async (t) => {
    const missing = await run('busybox', 'no-such-command');
    t.equal(missing.code, 127);
    t.match(
      missing.stderr,
      /docker: Error response from daemon: .*exec: "no-such-command": executable file not found in \$PATH/,
    );
    const directory = await run('busybox', '/etc');
    t.equal(directory.code, 126);
    t.match(directory.stderr, /exec: "\/etc": (is a directory|permission denied)/);
    const absent = await run('busybox', '/no/such');
    t.equal(absent.code, 127);
    t.match(absent.stderr, /stat \/no\/such: no such file or directory/);
    const flag = await run('--no-such-flag', 'busybox');
    t.equal(flag.code, 125);
    const image = await run('--pull', 'never', 'no-such-image', 'true');
    t.equal(image.code, 125);
    t.match(image.stderr, /No such image: no-such-image:latest/);
  });

  t.test('options reach the process', async (t) => {
    t.match(await run('-e', 'A=1', '-e', 'B=two words', 'busybox', 'sh', '-c', 'echo $A/$B'), {
      stdout: '1/two words\n',
    });
    t.match(await run('-w', '/new/dir', 'busybox', 'pwd'), { stdout: '/new/dir\n' });
    t.match(await run('-u', '1000:2000', 'busybox', 'id'), { stdout: 'uid=1000 gid=2000 groups=2000\n' });
    t.match(await run('-u', 'nobody', 'busybox', 'id', '-u'), { stdout: '65534\n' });
    t.match(await run('-h', 'box', 'busybox', 'sh', '-c', 'hostname; cat /etc/hostname; grep -c box /etc/hosts'), {
      stdout: 'box\nbox\n1\n',
    });
    t.match(await run('--entrypoint', 'echo', 'busybox', 'a', 'b'), { stdout: 'a b\n' });
    t.match(await run('-u', 'no-such-user', 'busybox', 'true'), {
      stderr: /unable to find user no-such-user: no matching entries in passwd file/,
    });
  });

  t.test('standard input', async (t) => {
    t.match(await docker(['run', '--rm', '-i', 'busybox', 'cat'], { input: 'hi\n' }), { code: 0, stdout: 'hi\n' });
    t.match(await docker(['run', '--rm', 'busybox', 'cat'], { input: 'lost\n' }), { code: 0, stdout: '' });
    const megabytes = 'x'.repeat(8 << 20);
    const echo = await docker(['run', '--rm', '-i', 'busybox', 'cat'], { input: megabytes });
    t.equal(echo.stdout.length, megabytes.length, 'eight megabytes go in and come back');
    t.match(await docker(['run', '--rm', '-i', 'busybox', 'wc', '-c'], { input: megabytes }), {
      stdout: `${megabytes.length}\n`,
    });
  });

  t.test('binds', async (t) => {
    const directory = t.testdir({ file: 'content\n' });
    t.match(await run('-v', `${directory}:/data`, 'busybox', 'sh', '-c', 'cat /data/file; echo more >/data/made'), {
      code: 0,
      stdout: 'content\n',
    });
    const readOnly = await run('-v', `${directory}:/data:ro`, 'busybox', 'touch', '/data/x');
    t.equal(readOnly.code, 1);
    t.match(readOnly.stderr, /Read-only file system/);
    t.match(await run('-v', `${directory}/file:/one:ro`, 'busybox', 'cat', '/one'), { stdout: 'content\n' });
    const mount = await run('--mount', `type=bind,src=${directory}/none,dst=/x`, 'busybox', 'true');
    t.equal(mount.code, 125);
    t.match(mount.stderr, /bind source path does not exist/);
  });

  t.test('networks none and host', async (t) => {
    t.match(await run('--network', 'none', 'busybox', 'ls', '/sys/class/net'), { stdout: 'lo\n' });
    const host = await run('--network', 'host', 'busybox', 'readlink', '/proc/self/ns/net');
    t.equal(host.stdout.trim(), readlinkSync('/proc/self/ns/net'));
  });

  t.test('--rm removes, and without it the container stays', async (t) => {
    await docker(['run', '--name', 'stays', 'busybox', 'true']);
    t.match(await docker(['ps', '-a', '--format', '{{.Names}}']), { stdout: 'stays\n' });
    const again = await docker(['run', '--name', 'stays', 'busybox', 'true']);
    t.equal(again.code, 125);
    t.match(again.stderr, /Conflict\. The container name "\/stays" is already in use by container/);
    t.match(await docker(['rm', 'stays']), { code: 0, stdout: 'stays\n' });
  });

  t.test('-d prints the id, and output is in the log before wait answers', async (t) => {
    for (let turn = 0; turn < 15; turn++) {
      const { stdout } = await docker(['run', '-d', 'busybox', 'sh', '-c', 'echo last words']);
      const id = stdout.trim();
      t.match(id, /^[0-9a-f]{64}$/);
      t.match(await docker(['wait', id]), { stdout: '0\n' });
      t.match(await docker(['logs', id]), { stdout: 'last words\n' });
      await docker(['rm', id]);
    }
  });
});
