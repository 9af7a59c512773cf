// CVE-2022-0492: release_agent of a cgroup hierarchy that a container may write or mount; CVE-2023-25809: the host's groups are writable.
import t from 'tap';
import { gains, startAttack } from './attack.ts';

const attack = await startAttack(t);

t.test('CVE-2022-0492: a hierarchy is mounted from a user namespace of its own', async (t) => {
  const before = attack.host();
  for (const flags of [
    [],
    ['-u', '1000'],
    ['--cgroupns', 'host'],
    ['--cgroupns', 'private'],
    ['--security-opt', 'seccomp=unconfined'],
  ]) {
    const output = await attack.output('run', '--rm', ...flags, 'attack', '/attack', 'release-agent');
    t.same(gains(output), [], `${flags}: ${output}`);
    if (flags.includes('seccomp=unconfined')) continue;
    t.notMatch(output, /^mount: ok/m, `${flags}`);
    t.match(output, /unshare user: EPERM/, `${flags}`);
  }
  t.same(attack.host(), before);
});

t.test("CVE-2023-25809: the container's view of the groups is read-only, its namespace private or not", async (t) => {
  const before = attack.host();
  const script =
    'find /sys/fs/cgroup -type f | while read f; do (echo 1 >$f) 2>/dev/null && echo "gain: $f"; done;' +
    ' for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/attacker 2>/dev/null && echo "gain: $d"; done; mount -o remount,rw /sys/fs/cgroup && echo gain: remount; echo looked';
  for (const flags of [[], ['--cgroupns', 'host'], ['--cgroupns', 'private'], ['--cap-add', 'NET_ADMIN']]) {
    const output = await attack.output('run', '--rm', ...flags, 'attack', 'sh', '-c', script);
    t.same(gains(output), [], `${flags}`);
    t.match(output, /looked/);
  }
  t.same(attack.host(), before);
});

t.test('a container sees no group but its own', async (t) => {
  const other = await attack.ok('run', '-d', 'attack', 'sleep', '1000');
  const output = await attack.ok('run', '--rm', 'attack', 'sh', '-c', 'find /sys/fs/cgroup; cat /proc/self/mountinfo');
  t.notMatch(output, other);
  await attack.ok('rm', '-f', other);
});
