// `docker exec` of the stock command on the real kernel.
import t from 'tap';
import { startDaemon } from '../../helpers/daemon.ts';
import { DockerProcess } from '../../helpers/docker.ts';
import { Pty } from '../../helpers/pty.ts';

/** An end of `docker events` that lets everything through that has happened. */
const now = (): string => String(Math.ceil(Date.now() / 1000) + 1);

t.test('docker exec', async (t) => {
  const daemon = await startDaemon(t);
  await daemon.loadBusybox();
  const docker = (...args: string[]) => daemon.docker(args);
  await daemon.dockerOk([
    'run',
    '-d',
    '--name',
    'web',
    '-e',
    'FROM=container',
    '-w',
    '/var',
    'busybox',
    'sleep',
    '1000',
  ]);

  t.test('output, streams and exit code', async (t) => {
    t.match(await docker('exec', 'web', 'sh', '-c', 'echo out; echo err >&2; exit 3'), {
      code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    const bytes = 3_000_000;
    const much = await docker('exec', 'web', 'sh', '-c', `head -c ${bytes} /dev/zero | tr '\\0' x`);
    t.equal(much.stdout.length, bytes);
    t.match(await daemon.docker(['exec', '-i', 'web', 'sh', '-c', 'cat; echo end'], { input: 'through\n' }), {
      stdout: 'through\nend\n',
      code: 0,
    });
    t.match(await docker('exec', 'web', 'sh', '-c', 'kill -9 $$'), { code: 137 });
    t.match(await docker('exec', 'web', 'cat'), { code: 0, stdout: '' }, 'without -i stdin is /dev/null');
  });

  t.test('environment, directory and user', async (t) => {
    const env = async (...args: string[]) =>
      (await daemon.dockerOk(['exec', ...args, 'web', 'env'])).split('\n').filter((line) => !line.startsWith('SHLVL'));
    const short = (await daemon.dockerOk(['inspect', '-f', '{{.Config.Hostname}}', 'web'])).trim();
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    t.same(await env(), [path, `HOSTNAME=${short}`, 'FROM=container', 'HOME=/root']);
    t.same((await env('-e', 'FROM=exec', '-e', 'NEW=1')).slice(2), ['FROM=exec', 'NEW=1', 'HOME=/root']);
    t.equal(await daemon.dockerOk(['exec', 'web', 'pwd']), '/var');
    t.equal(await daemon.dockerOk(['exec', '-w', '/etc', 'web', 'pwd']), '/etc');
    t.equal(await daemon.dockerOk(['exec', '-u', '1234:4321', 'web', 'id']), 'uid=1234 gid=4321 groups=4321');
  });

  t.test('what a session may do', async (t) => {
    const status = (...args: string[]) =>
      daemon.dockerOk(['exec', ...args, 'web', 'grep', '-E', '^(Cap|NoNewPrivs|Seccomp:)', '/proc/self/status']);
    const plain = await status();
    t.match(
      plain,
      /CapInh:\t0{16}\nCapPrm:\t0{8}a80425fb\nCapEff:\t0{8}a80425fb\nCapBnd:\t0{8}a80425fb\nCapAmb:\t0{16}/,
    );
    t.match(plain, /Seccomp:\t2/);
    t.match(await status('-u', '1000'), /CapPrm:\t0{16}\nCapEff:\t0{16}\nCapBnd:\t0{8}a80425fb/);
    t.notMatch(await status('--privileged'), /CapEff:\t0{8}a80425fb/);
    t.match(await status('--privileged'), /CapInh:\t0{16}/);
    const open = await daemon.dockerOk(['exec', 'web', 'sh', '-c', 'ls /proc/$$/fd; true']);
    t.same(
      open.split('\n').filter((each) => Number(each) <= 9),
      ['0', '1', '2'],
      'and none of the engine’s',
    );
    await daemon.dockerOk([
      'run',
      '-d',
      '--name',
      'nnp',
      '--security-opt',
      'no-new-privileges',
      'busybox',
      'sleep',
      '1000',
    ]);
    t.match(await daemon.dockerOk(['exec', 'nnp', 'grep', 'NoNewPrivs', '/proc/self/status']), /1$/);
    const group = await daemon.dockerOk(['exec', 'web', 'cat', '/proc/self/cgroup']);
    t.equal(
      group,
      await daemon.dockerOk(['exec', 'web', 'cat', '/proc/1/cgroup']),
      'in the container’s control groups',
    );
  });

  t.test('what cannot be started', async (t) => {
    const prefix = 'OCI runtime exec failed: exec failed: unable to start container process: ';
    const cases: [string[], number, string][] = [
      [['web', 'nope'], 127, `${prefix}exec: "nope": executable file not found in $PATH: unknown`],
      [['web', '/nope'], 127, `${prefix}exec: "/nope": stat /nope: no such file or directory: unknown`],
      [['web', '/etc/passwd'], 126, `${prefix}exec: "/etc/passwd": permission denied: unknown`],
      [
        ['-w', '/no/dir', 'web', 'sh'],
        126,
        `${prefix}chdir to cwd ("/no/dir") set in config.json failed: no such file or directory: unknown`,
      ],
      [['-w', 'rel', 'web', 'sh'], 126, 'OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown'],
      [['-u', 'nobody-here', 'web', 'sh'], 126, 'unable to find user nobody-here: no matching entries in passwd file'],
    ];
    for (const [args, code, text] of cases) {
      const result = await docker('exec', ...args);
      t.equal(result.code, code, args.join(' '));
      t.match(result.stdout + result.stderr, text);
    }
    const detached = await docker('exec', '-d', 'web', 'nope');
    t.match(detached, { code: 1, stderr: 'executable file not found in $PATH' });
  });

  t.test('a terminal', async (t) => {
    const session = new Pty(['docker', 'exec', '-it', 'web', 'sh'], {
      env: daemon.dockerEnvironment(),
      rows: 31,
      columns: 97,
    });
    session.type('stty size; tty; echo $TERM\r');
    await session.expect(/31 97\r\n\/dev\/pts\/\d+\r\nxterm/);
    session.type('exit 4\r');
    t.equal(await session.exit, 4);
    const left = new Pty(
      ['docker', 'exec', '-it', '--detach-keys', 'ctrl-a,d', 'web', 'sh', '-c', 'echo here; sleep 1000'],
      {
        env: daemon.dockerEnvironment(),
      },
    );
    await left.expect(/here/);
    left.type('\x01d');
    await left.exit;
    t.match(await daemon.dockerOk(['exec', 'web', 'ps']), /sleep 1000\n[\s\S]*sleep 1000/, 'the session goes on');
  });

  t.test('detached, listed, told of', async (t) => {
    await daemon.dockerOk(['exec', '-d', 'web', 'sh', '-c', 'sleep 2000; true']);
    const ids = JSON.parse(await daemon.dockerOk(['inspect', '-f', '{{json .ExecIDs}}', 'web'])) as string[];
    t.equal(ids.length, 2, 'that one and the one before');
    await docker('exec', 'web', 'sh', '-c', 'exit 9');
    const events = (
      await daemon.dockerOk([
        'events',
        '--since',
        '1h',
        '--until',
        now(),
        '--filter',
        'container=web',
        '--filter',
        'event=exec_create',
        '--filter',
        'event=exec_start',
        '--filter',
        'event=exec_die',
        '--format',
        '{{.Action}}|{{.Actor.Attributes.execID}}|{{.Actor.Attributes.exitCode}}',
      ])
    )
      .split('\n')
      .slice(-3)
      .map((line) => line.split('|'));
    t.match(events, [['exec_create: sh -c exit 9'], ['exec_start: sh -c exit 9'], ['exec_die', /./, '9']]);
    t.equal(new Set(events.map(([, id]) => id)).size, 1);
  });

  t.test('containers that do not run', async (t) => {
    await daemon.dockerOk(['run', '-d', '--name', 'other', 'busybox', 'sleep', '1000']);
    const running = new DockerProcess(daemon.dockerEnvironment(), ['exec', 'other', 'sh', '-c', 'echo on; sleep 1000']);
    await running.until('on');
    await daemon.dockerOk(['pause', 'other']);
    t.match(await docker('exec', 'other', 'true'), {
      code: 1,
      stderr: 'Container other is paused, unpause the container before exec',
    });
    await daemon.dockerOk(['unpause', 'other']);
    await daemon.dockerOk(['stop', '-t', '0', 'other']);
    t.equal((await running.done).code, 137, 'the session ends with its container');
    const id = await daemon.dockerOk(['inspect', '-f', '{{.Id}}', 'other']);
    t.match(await docker('exec', 'other', 'true'), { code: 1, stderr: `container ${id} is not running` });
    t.equal(await daemon.dockerOk(['inspect', '-f', '{{.ExecIDs}}', 'other']), '[]');
    t.match(await docker('exec', 'none', 'true'), { code: 1, stderr: 'No such container: none' });
  });

  t.test('a child left behind', async (t) => {
    const result = await docker('exec', 'web', 'sh', '-c', 'sleep 3000 & echo done');
    t.match(result, { code: 0, stdout: 'done\n' });
  });
});
