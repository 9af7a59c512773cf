// What a container may do, asked from inside: capabilities, --privileged, seccomp, no-new-privileges, users, limits, security options.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { boundingSet } from '../../../addon/index.ts';
import { startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);
const all = (boundingSet() & ((1n << 41n) - 1n)).toString(16).padStart(16, '0');

const status = async (field: string, ...flags: string[]): Promise<string> =>
  (await docker.ok('run', '--rm', ...flags, 'busybox', 'grep', `^${field}:`, '/proc/self/status')).split('\t')[1] ?? '';
const refused = async (pattern: RegExp, ...flags: string[]): Promise<void> => {
  const result = await docker.run(['run', '--rm', ...flags, 'busybox', 'true']);
  t.equal(result.code, 125, `${flags}: ${result.stdout}`);
  t.match(result.stderr, pattern, `${flags}`);
};

t.test('--cap-add and --cap-drop', async (t) => {
  t.equal(await status('CapEff'), '00000000a80425fb');
  t.equal(await status('CapEff', '--cap-add', 'NET_ADMIN'), '00000000a80435fb');
  t.equal(await status('CapEff', '--cap-add', 'cap_net_admin', '--cap-drop', 'CHOWN'), '00000000a80435fa');
  t.equal(await status('CapEff', '--cap-drop', 'ALL'), '0000000000000000');
  t.equal(await status('CapBnd', '--cap-drop', 'all', '--cap-add', 'CAP_NET_RAW'), '0000000000002000');
  t.equal(await status('CapEff', '--cap-add', 'ALL'), all);
  const [without] = [(BigInt(`0x${all}`) & ~(1n << 21n)).toString(16).padStart(16, '0')];
  t.equal(await status('CapEff', '--cap-add', 'ALL', '--cap-drop', 'SYS_ADMIN'), without);
  await refused(
    /invalid CapAdd: unknown capability: "CAP_NET_ADMINN" \(did you mean CAP_NET_ADMIN/,
    '--cap-add',
    'NET_ADMINN',
  );
  await refused(/invalid CapDrop: unknown capability: "CAP_CHWON"/, '--cap-drop', 'chwon');
});

t.test('--privileged', async (t) => {
  t.equal(await status('CapEff', '--privileged'), all);
  t.equal(await status('Seccomp', '--privileged'), '0');
  const script =
    'ls /dev | wc -l; touch /sys/kernel/x 2>&1; grep " /sys " /proc/self/mountinfo | cut -d" " -f6; grep -c " /proc/" /proc/self/mountinfo; mount -t tmpfs none /mnt && echo mounted; true';
  const output = await docker.ok('run', '--rm', '--privileged', '-v', '/tmp:/mnt', 'busybox', 'sh', '-c', script);
  t.match(output, /\nrw,nosuid,nodev,noexec,relatime\n0\nmounted/);
  t.ok(Number(output.split('\n')[0]) > 20, 'the devices of the host');
  t.notMatch(output, /Read-only/);
  t.match(
    await docker.ok(
      'run',
      '--rm',
      '--privileged',
      'busybox',
      'sh',
      '-c',
      'mkdir /sys/fs/cgroup/*/x 2>/dev/null; grep -c "/sys/fs/cgroup.* rw," /proc/self/mountinfo',
    ),
    /^[1-9]/,
    'control groups are writable',
  );
  await docker.ok('run', '--rm', '--privileged', 'busybox', 'sh', '-c', 'rmdir /sys/fs/cgroup/*/x 2>/dev/null; true');
  t.equal(
    await status('Seccomp', '--privileged', '--security-opt', 'seccomp=builtin'),
    '0',
    'as in Docker, only a profile of a file holds',
  );
});

t.test('exec --privileged', async (t) => {
  await docker.ok('run', '-d', '--name', 'plain', 'busybox', 'sleep', '1000');
  t.match(await docker.ok('exec', '--privileged', 'plain', 'grep', 'CapEff', '/proc/self/status'), all);
  t.match(await docker.ok('exec', 'plain', 'grep', 'CapEff', '/proc/self/status'), '00000000a80425fb');
  await docker.ok('rm', '-f', 'plain');
});

t.test('--security-opt seccomp', async (t) => {
  const profile = join(docker.engine.root, 'profile.json');
  writeFileSync(
    profile,
    JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
      syscalls: [
        { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 },
        { name: 'chmod', action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_SYS_ADMIN'] } },
        { names: ['fchmodat', 'fchmodat2'], action: 'SCMP_ACT_ERRNO', excludes: { caps: ['CAP_SYS_ADMIN'] } },
        {
          names: ['personality'],
          action: 'SCMP_ACT_ERRNO',
          errnoRet: 5,
          args: [{ index: 0, value: 8, op: 'SCMP_CMP_EQ' }],
        },
      ],
    }),
  );
  const option = ['--security-opt', `seccomp=${profile}`];
  const script = 'mkdir /x; chmod 700 /tmp && echo changed';
  const plain = await docker.run(['run', '--rm', ...option, 'busybox', 'sh', '-c', script]);
  t.match(plain.stderr, /No space left[\s\S]*not permitted/);
  const admin = await docker.run(['run', '--rm', ...option, '--cap-add', 'SYS_ADMIN', 'busybox', 'sh', '-c', script]);
  t.match(admin.stdout, 'changed', 'excludes by capability');
  t.equal(await status('Seccomp', '--security-opt', 'seccomp=unconfined'), '0');
  t.equal(await status('Seccomp'), '2');
  writeFileSync(profile, '{"defaultAction":"SCMP_ACT_NOTHING"}');
  await refused(/seccomp profile: defaultAction/, ...option);
  writeFileSync(
    profile,
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["open"],"action":"SCMP_ACT_NOTIFY"}]}',
  );
  await refused(/SCMP_ACT_NOTIFY/, ...option);
  writeFileSync(profile, 'no json');
  await refused(/seccomp profile/i, ...option);
});

t.test('the default filter', async (t) => {
  const failing = async (command: string, ...flags: string[]): Promise<string> =>
    (await docker.run(['run', '--rm', ...flags, 'busybox', 'sh', '-c', command])).stderr;
  t.match(
    await failing('mount -t tmpfs none /mnt; unshare -n true; swapoff -a; reboot -f'),
    /permission denied|not permitted/i,
  );
  t.equal(await failing('unshare -n true', '--cap-add', 'SYS_ADMIN'), '');
  t.match(await failing('unshare -U true'), /not permitted/);
  t.match(await failing('dmesg'), /not permitted/);
});

t.test('no-new-privileges', async (t) => {
  t.equal(await status('NoNewPrivs', '--security-opt', 'no-new-privileges'), '1');
  t.equal(await status('NoNewPrivs', '--security-opt', 'no-new-privileges=true'), '1');
  t.equal(await status('NoNewPrivs', '--security-opt', 'no-new-privileges=false'), '0');
  await docker.ok('run', '-d', '--name', 'nnp', '--security-opt', 'no-new-privileges', 'busybox', 'sleep', '1000');
  t.match(await docker.ok('exec', 'nnp', 'grep', 'NoNewPrivs', '/proc/self/status'), /1$/, 'an exec too');
  await docker.ok('rm', '-f', 'nnp');
  await refused(/invalid --security-opt/, '--security-opt', 'no-new-privileges=maybe');
  await refused(/invalid --security-opt/, '--security-opt', 'nothing=x');
});

t.test('AppArmor and SELinux that this kernel lacks are refused and told by info', async (t) => {
  const options = await docker.ok('info', '--format', '{{json .SecurityOptions}}');
  if (!options.includes('apparmor')) {
    await refused(/AppArmor is not enabled on this host/i, '--security-opt', 'apparmor=docker-default');
    t.equal(await status('Seccomp', '--security-opt', 'apparmor=unconfined'), '2', 'unconfined asks for nothing');
  }
  if (!options.includes('selinux')) {
    await refused(/SELinux is not enabled on this host/i, '--security-opt', 'label=type:container_t');
    t.equal(await status('Seccomp', '--security-opt', 'label=disable'), '2', 'disable asks for nothing');
  }
  t.match(options, /name=seccomp,profile=builtin/);
});

t.test('systempaths=unconfined, MaskedPaths and ReadonlyPaths', async (t) => {
  const count = 'grep -c " /proc/\\| /sys/firmware" /proc/self/mountinfo';
  t.not(await docker.ok('run', '--rm', 'busybox', 'sh', '-c', count), '0');
  t.equal(
    await docker.ok('run', '--rm', '--security-opt', 'systempaths=unconfined', 'busybox', 'sh', '-c', `${count}; true`),
    '0',
  );
  const { request } = await import('node:http');
  const post = async (path: string, body: unknown): Promise<{ Id: string }> =>
    await new Promise((resolve, reject) => {
      const call = request(
        { socketPath: docker.engine.socket, method: 'POST', path, headers: { 'content-type': 'application/json' } },
        (answer) => {
          let text = '';
          answer.on('data', (part) => (text += part));
          answer.on('end', () => resolve(text === '' ? { Id: '' } : JSON.parse(text)));
        },
      );
      call.on('error', reject);
      call.end(JSON.stringify(body));
    });
  const { Id } = await post('/containers/create', {
    Image: 'busybox',
    Cmd: ['sh', '-c', 'cat /proc/version /proc/uptime /etc/passwd; ls /bin | wc -l; touch /tmp/x'],
    HostConfig: {
      MaskedPaths: ['/proc/version', '/bin/../etc/passwd', '/missing'],
      ReadonlyPaths: ['/tmp', '/proc/sys'],
    },
  });
  const result = await docker.run(['start', '-a', Id]);
  t.match(result.stdout, /^[\d.]+ [\d.]+\n\d+\n$/);
  t.match(result.stderr, /\/tmp\/x: Read-only file system/);
  await docker.ok('rm', Id);
});

t.test('--user and --group-add', async (t) => {
  const id = async (...flags: string[]): Promise<string> =>
    await docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', 'echo $(id -u):$(id -g):$(id -G | tr " " ,):$HOME');
  t.equal(await id(), '0:0:0,10:/root');
  t.equal(await id('-u', 'nobody'), '65534:65534:65534:/home');
  t.equal(await id('-u', '33'), '33:33:33:/var/www');
  t.equal(await id('-u', '1234'), '1234:0:0:/');
  t.equal(await id('-u', '1234:5678'), '1234:5678:5678:/');
  t.equal(await id('-u', 'nobody:operator'), '65534:37:37:/home');
  t.equal(await id('-u', ':37'), '0:37:37:/root');
  t.equal(await id('-u', '1000', '--group-add', 'operator', '--group-add', '99'), '1000:0:0,37,99:/');
  for (const [user, pattern] of [
    ['someone', /unable to find user someone/],
    ['0:somegroup', /unable to find group somegroup/],
    ['4294967296', /range/],
    ['1:2:3', /invalid|user/],
  ] as const) {
    const result = await docker.run(['run', '--rm', '-u', user, 'busybox', 'true']);
    t.ok(result.code >= 125, user);
    t.match(result.stderr, pattern, user);
  }
  const missing = await docker.run(['run', '--rm', '--group-add', 'nogroup-x', 'busybox', 'true']);
  t.match(missing.stderr, /Unable to find group nogroup-x/);
});

t.test('--ulimit', async (t) => {
  const limits = await docker.ok(
    'run',
    '--rm',
    '--ulimit',
    'nofile=100:200',
    '--ulimit',
    'core=0',
    '--ulimit',
    'nproc=77',
    'busybox',
    'cat',
    '/proc/self/limits',
  );
  t.match(limits, /Max open files\s+100\s+200/);
  t.match(limits, /Max core file size\s+0\s+0/);
  t.match(limits, /Max processes\s+77\s+77/);
  await docker.ok('run', '-d', '--name', 'limits', '--ulimit', 'nofile=100:200', 'busybox', 'sleep', '1000');
  t.match(await docker.ok('exec', 'limits', 'cat', '/proc/self/limits'), /Max open files\s+100\s+200/, 'an exec too');
  await docker.ok('rm', '-f', 'limits');
});
