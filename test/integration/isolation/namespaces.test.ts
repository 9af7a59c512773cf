// Which namespaces a container shares, asked from inside: --pid, --ipc, --uts, --cgroupns, --network container:, and what is refused with them.
import { readlinkSync } from 'node:fs';
import t from 'tap';
import { startDocker } from '../../helpers/engine.ts';

const docker = await startDocker(t);

const kinds = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'uts', 'user'] as const;
type Kind = (typeof kinds)[number];
const script = kinds.map((kind) => `readlink /proc/self/ns/${kind}`).join(';');
const split = (output: string): Record<Kind, string> =>
  Object.fromEntries(output.split('\n').map((line, index) => [kinds[index], line])) as Record<Kind, string>;
const host = Object.fromEntries(kinds.map((kind) => [kind, readlinkSync(`/proc/self/ns/${kind}`)])) as Record<
  Kind,
  string
>;

const inside = async (...flags: string[]): Promise<Record<Kind, string>> =>
  split(await docker.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script));
/** The kinds that a container has in common with `other`. */
const shared = (mine: Record<Kind, string>, other: Record<Kind, string>): Kind[] =>
  kinds.filter((kind) => mine[kind] === other[kind]);
const refused = async (pattern: RegExp, ...flags: string[]): Promise<void> => {
  const result = await docker.run(['run', '--rm', ...flags, 'busybox', 'true']);
  t.equal(result.code, 125, `${flags}: ${result.stdout}`);
  t.match(result.stderr, pattern, `${flags}`);
};

t.test('all are its own, but for the control groups where that is not the default, and users', async (t) => {
  const plain = await inside();
  t.same(
    shared(plain, host).filter((kind) => kind !== 'cgroup'),
    ['user'],
  );
});

t.test('--pid', async (t) => {
  t.ok(shared(await inside('--pid', 'host'), host).includes('pid'));
  const other = await docker.ok('run', '-d', '--name', 'pid-other', 'busybox', 'sleep', '1000');
  const theirs = split(await docker.ok('exec', 'pid-other', 'sh', '-c', script));
  t.same(
    shared(await inside('--pid', 'container:pid-other'), theirs).filter((kind) => kind !== 'cgroup'),
    ['pid', 'user'],
  );
  t.match(await docker.ok('run', '--rm', '--pid', `container:${other}`, 'busybox', 'ps'), /sleep 1000/);
  t.match(await docker.ok('run', '--rm', '--pid', 'host', 'busybox', 'ps'), /tsd-monitor|dockerd|init/);
  await docker.ok('rm', '-f', 'pid-other');
  await refused(/No such container: nobody/, '--pid', 'container:nobody');
  const stopped = await docker.ok('create', '--name', 'pid-stopped', 'busybox', 'true');
  await refused(/cannot join PID (namespace )?of a non running container|not running/, '--pid', `container:${stopped}`);
  await docker.ok('rm', 'pid-stopped');
});

t.test('--pid: the end of the first container ends the second', async (t) => {
  await docker.ok('run', '-d', '--name', 'pid-first', 'busybox', 'sleep', '1000');
  const second = docker.spawn([
    'run',
    '--rm',
    '--pid',
    'container:pid-first',
    'busybox',
    'sh',
    '-c',
    'echo up; sleep 1000',
  ]);
  await second.until('up');
  await docker.ok('rm', '-f', 'pid-first');
  t.equal((await second.done).code, 137);
});

t.test('--ipc', async (t) => {
  t.ok(shared(await inside('--ipc', 'host'), host).includes('ipc'));
  t.notOk(shared(await inside('--ipc', 'private'), host).includes('ipc'));
  await docker.ok(
    'run',
    '-d',
    '--name',
    'ipc-shareable',
    '--ipc',
    'shareable',
    '--shm-size',
    '8m',
    'busybox',
    'sh',
    '-c',
    'echo shared >/dev/shm/file; sleep 1000',
  );
  const theirs = split(await docker.ok('exec', 'ipc-shareable', 'sh', '-c', script));
  t.ok(shared(await inside('--ipc', 'container:ipc-shareable'), theirs).includes('ipc'));
  t.equal(
    await docker.ok('run', '--rm', '--ipc', 'container:ipc-shareable', 'busybox', 'cat', '/dev/shm/file'),
    'shared',
  );
  await docker.ok('run', '-d', '--name', 'ipc-private', '--ipc', 'private', 'busybox', 'sleep', '1000');
  await refused(/non-shareable IPC/, '--ipc', 'container:ipc-private');
  await docker.ok('rm', '-f', 'ipc-shareable', 'ipc-private');
  t.equal(
    await docker.ok(
      'run',
      '--rm',
      '--ipc',
      'none',
      'busybox',
      'sh',
      '-c',
      'grep -c /dev/shm /proc/self/mountinfo; touch /dev/shm/x 2>/dev/null; true',
    ),
    '0',
    'no shared memory',
  );
  await refused(/[Ii]nvalid IPC mode/, '--ipc', 'other');
});

t.test('--ipc none has no writable /dev/shm', async (t) => {
  const result = await docker.run([
    'run',
    '--rm',
    '--ipc',
    'none',
    'busybox',
    'sh',
    '-c',
    'mount | grep shm; ls /dev/shm 2>&1',
  ]);
  t.match(result.stdout, /No such file/);
});

t.test('--uts', async (t) => {
  t.ok(shared(await inside('--uts', 'host'), host).includes('uts'));
  const name = await docker.ok('run', '--rm', '--uts', 'host', 'busybox', 'hostname');
  t.equal(name, (await import('node:os')).hostname());
  await refused(/conflicting options: hostname and the UTS mode/, '--uts', 'host', '--hostname', 'x');
  await refused(/[Ii]nvalid UTS mode/, '--uts', 'other');
});

t.test('--cgroupns', async (t) => {
  t.notOk(shared(await inside('--cgroupns', 'private'), host).includes('cgroup'));
  t.ok(shared(await inside('--cgroupns', 'host'), host).includes('cgroup'));
  const groups = (mode: string): Promise<string> =>
    docker.ok('run', '--rm', '--cgroupns', mode, 'busybox', 'sh', '-c', 'cut -d: -f3 /proc/self/cgroup | sort -u');
  t.equal(await groups('private'), '/');
  t.match(await groups('host'), /^\/\S*[0-9a-f]{64}/);
  await refused(/[Ii]nvalid (cgroup namespace mode|CgroupnsMode)|invalid cgroup/i, '--cgroupns', 'other');
});

t.test('--network container:', async (t) => {
  await docker.ok('run', '-d', '--name', 'net-other', '-h', 'theirs', 'busybox', 'sleep', '1000');
  const theirs = split(await docker.ok('exec', 'net-other', 'sh', '-c', script));
  t.ok(shared(await inside('--network', 'container:net-other'), theirs).includes('net'));
  const files = 'cat /etc/hostname /etc/hosts';
  t.equal(
    await docker.ok('run', '--rm', '--network', 'container:net-other', 'busybox', 'sh', '-c', files),
    await docker.ok('exec', 'net-other', 'sh', '-c', files),
  );
  await refused(/conflicting options: hostname and the network mode/, '--network', 'container:net-other', '-h', 'x');
  await refused(
    /conflicting options: port publishing and the container type network mode/,
    '--network',
    'container:net-other',
    '-p',
    '80',
  );
  await docker.ok('rm', '-f', 'net-other');
  await refused(/No such container/, '--network', 'container:net-other');
});

t.test('sysctls, and their refusal where the namespace is the host’s', async (t) => {
  const read = await docker.ok(
    'run',
    '--rm',
    '--sysctl',
    'net.ipv4.ip_forward=0',
    '--sysctl',
    'kernel.msgmax=4096',
    '--sysctl',
    'fs.mqueue.msg_max=5',
    '--sysctl',
    'net.ipv4.conf.lo.rp_filter=2',
    'busybox',
    'cat',
    '/proc/sys/net/ipv4/ip_forward',
    '/proc/sys/kernel/msgmax',
    '/proc/sys/fs/mqueue/msg_max',
    '/proc/sys/net/ipv4/conf/lo/rp_filter',
  );
  t.equal(read, '0\n4096\n5\n2');
  await refused(
    /not allowed in (the )?host'?s? network namespace|sysctl .* not allowed/,
    '--network',
    'host',
    '--sysctl',
    'net.ipv4.ip_forward=1',
  );
  await refused(/not allowed in the hosts? ipc namespace/i, '--ipc', 'host', '--sysctl', 'kernel.msgmax=1');
  await refused(/not (in a separate kernel namespace|allowed)/, '--sysctl', 'vm.swappiness=1');
  await refused(/not in a separate kernel namespace|invalid|not allowed/, '--sysctl', 'kernel.core_pattern=x');
  await refused(/sysctl|invalid/, '--sysctl', 'net.ipv4../../../kernel/core_pattern=x');
});
