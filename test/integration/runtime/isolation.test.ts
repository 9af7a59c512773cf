import t from 'tap';
import { boundingSet } from '../../../addon/index.ts';
import { defaultMaskedPaths, defaultReadonlyPaths } from '../../../daemon/runtime/defaults.ts';
import { Place } from './harness.ts';

const place = new Place();
t.after(() => place.remove());

const capabilities = async (options: Parameters<Place['sh']>[1] = {}) => {
  const { out } = await place.sh('grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status', options);
  return Object.fromEntries(
    out
      .trim()
      .split('\n')
      .map((line) => line.split(':\t') as [string, string]),
  );
};

t.test('capabilities', async (t) => {
  t.match(await capabilities(), {
    CapInh: '0000000000000000',
    CapPrm: '00000000a80425fb',
    CapEff: '00000000a80425fb',
    CapBnd: '00000000a80425fb',
    CapAmb: '0000000000000000',
    NoNewPrivs: '0',
    Seccomp: '2',
  });
  t.match(await capabilities({ spec: { config: { User: 'www' } } }), {
    CapInh: '0000000000000000',
    CapPrm: '0000000000000000',
    CapEff: '0000000000000000',
    CapBnd: '00000000a80425fb',
    CapAmb: '0000000000000000',
  });
  const all = (boundingSet() & ((1n << 41n) - 1n)).toString(16).padStart(16, '0');
  t.match(await capabilities({ spec: { hostConfig: { Privileged: true } } }), {
    CapPrm: all,
    CapBnd: all,
    Seccomp: '0',
  });
  t.match(await capabilities({ spec: { hostConfig: { CapAdd: ['ALL'] } } }), {
    CapPrm: all,
    CapBnd: all,
    Seccomp: '2',
  });
  t.match(await capabilities({ spec: { hostConfig: { CapDrop: ['ALL'] } } }), {
    CapPrm: '0000000000000000',
    CapBnd: '0000000000000000',
  });
  t.match(await capabilities({ spec: { hostConfig: { SecurityOpt: ['no-new-privileges'] } } }), {
    NoNewPrivs: '1',
    Seccomp: '2',
  });
  t.match(await capabilities({ spec: { hostConfig: { SecurityOpt: ['seccomp=unconfined'] } } }), { Seccomp: '0' });
});

t.test('kernel files are hidden or read-only', async (t) => {
  const script = [...defaultMaskedPaths]
    .map(
      (path) =>
        `if test -d ${path}; then ls ${path} | wc -l; elif test -e ${path}; then cat ${path} | wc -c; else echo 0; fi`,
    )
    .join('\n');
  const masked = await place.sh(script);
  t.same(
    masked.out.trim().split('\n'),
    defaultMaskedPaths.map(() => '0'),
  );
  for (const path of defaultReadonlyPaths) {
    const { err } = await place.sh(`test -e ${path} || exit 0; touch ${path}`);
    t.match(err, /^$|Read-only file system/, path);
  }
  const { err } = await place.sh('echo 1 > /proc/sys/kernel/core_pattern');
  t.match(err, /Read-only file system/);
  t.match(
    (await place.sh('touch /sys/x; touch /sys/fs/cgroup/x')).err,
    /\/sys\/x.*Read-only[\s\S]*cgroup\/x.*Read-only/,
  );
  const open = await place.sh(
    'echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward; cat /proc/kcore | dd bs=1 count=4 2>/dev/null',
    {
      spec: { hostConfig: { MaskedPaths: [], ReadonlyPaths: [], CapAdd: ['NET_ADMIN'] } },
    },
  );
  t.match(open.out, /^1\n/, 'systempaths=unconfined');
});

t.test('what the default filter forbids', async (t) => {
  t.match((await place.sh('mount -t tmpfs none /tmp')).err, /not permitted|denied/);
  const admin = await place.sh('mount -t tmpfs none /tmp && echo mounted', {
    spec: { hostConfig: { CapAdd: ['SYS_ADMIN'] } },
  });
  t.equal(admin.out, 'mounted\n', 'CAP_SYS_ADMIN opens the filter too');
  const bound = JSON.stringify({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }],
  });
  const own = await place.sh('mkdir /x; echo $?', { spec: { hostConfig: { SecurityOpt: [`seccomp=${bound}`] } } });
  t.match(own, { out: '1\n', err: /No space left/ });
});

t.test('devices', async (t) => {
  const { out } = await place.sh(
    'ls -l /dev/null /dev/zero /dev/tty | cut -c1-10; readlink /dev/ptmx; readlink /dev/stdout; echo x > /dev/null; head -c 3 /dev/zero | wc -c',
  );
  t.equal(out, 'crw-rw-rw-\ncrw-rw-rw-\ncrw-rw-rw-\npts/ptmx\n/proc/self/fd/1\n3\n');
  const disk = await place.sh('mknod /tmp/disk b 7 0 && head -c 1 /tmp/disk');
  t.match(disk.err, /not permitted/, 'a node can be made and not used');
  const device = { PathOnHost: '/dev/loop0', PathInContainer: '/dev/mydisk', CgroupPermissions: 'r' };
  const given = await place.sh('head -c 1 /dev/mydisk >/dev/null && echo read; echo x > /dev/mydisk', {
    spec: { hostConfig: { Devices: [device] } },
  });
  t.match(given, { out: 'read\n', err: /mydisk: Operation not permitted/ }, 'for reading alone');
  t.match(await place.sh('head -c 1 /dev/loop0', { spec: { hostConfig: { Privileged: true } } }), { code: 0, err: '' });
});

t.test('mounts', async (t) => {
  const { out } = await place.sh('cut -d" " -f5,6 /proc/self/mountinfo');
  const lines = out.trim().split('\n');
  t.equal(lines[0], '/ rw,relatime');
  t.ok(lines.includes('/proc rw,nosuid,nodev,noexec,relatime'));
  t.ok(lines.includes('/dev rw,nosuid'));
  t.ok(lines.includes('/dev/pts rw,nosuid,noexec,relatime'));
  t.ok(lines.includes('/dev/shm rw,nosuid,nodev,noexec,relatime'));
  t.ok(lines.includes('/dev/mqueue rw,nosuid,nodev,noexec,relatime'));
  t.ok(lines.includes('/sys ro,nosuid,nodev,noexec,relatime'));
  t.ok(lines.includes('/proc/sys ro,nosuid,nodev,noexec,relatime'));
  t.notMatch((await place.sh('cat /proc/self/mountinfo')).out, /staging|\/var\/lib/);
  const shm = await place.sh('grep " /dev/shm " /proc/self/mountinfo', {
    spec: { hostConfig: { ShmSize: 8 * 1024 * 1024 } },
  });
  t.match(shm.out, /size=8192k/);
});

t.test('read-only root, tmpfs, binds', async (t) => {
  const bind = (target: string, more: object = {}) => ({
    source: `${place.directory}/rw`,
    target,
    readOnly: false,
    recursiveReadOnly: false,
    recursive: true,
    propagation: 'rprivate' as const,
    ...more,
  });
  const { out, err } = await place.sh(
    'touch /x; touch /tmp/y && touch /mnt/rw/hello && ls /mnt/ro/hello && touch /mnt/ro/z',
    {
      spec: {
        hostConfig: { ReadonlyRootfs: true },
        config: { WorkingDir: '/made/for/it' },
        tmpfs: [{ target: '/tmp', options: ['size=1m', 'exec'] }],
        binds: [bind('/mnt/rw'), bind('/mnt/ro', { readOnly: true, recursiveReadOnly: true })],
      },
    },
  );
  t.equal(out, '/mnt/ro/hello\n');
  t.match(err, /\/x: Read-only file system[\s\S]*\/mnt\/ro\/z: Read-only file system/);
  const file = await place.sh('cat /etc/new', {
    spec: { binds: [{ ...bind('/etc/new'), source: `${place.directory}/image/etc/group` }] },
  });
  t.match(file.out, /wheel/);
  const tmpfs = await place.sh('grep " /tmp " /proc/self/mountinfo', {
    spec: { tmpfs: [{ target: '/tmp', options: ['size=1m'] }] },
  });
  t.match(tmpfs.out, /rw,nosuid,nodev,noexec.*size=1024k/);
  await t.rejects(place.sh('true', { spec: { binds: [bind('/x', { source: '/does/not/exist' })] } }), {
    message: /error mounting .*\/does\/not\/exist.*no such file or directory/,
  });
});

t.test('hostname, domain name, sysctls, limits, out-of-memory score', async (t) => {
  const { out, err } = await place.sh(
    'hostname; cat /proc/sys/kernel/domainname /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/self/oom_score_adj; ulimit -n',
    {
      spec: {
        hostname: 'box',
        domainname: 'example.org',
        hostConfig: {
          Sysctls: { 'net.core.somaxconn': '77' },
          OomScoreAdj: 500,
          Ulimits: [{ Name: 'nofile', Soft: 99, Hard: 100 }],
        },
      },
    },
  );
  t.equal(out, 'box\nexample.org\n77\n0\n500\n99\n', err);
  await t.rejects(place.sh('true', { spec: { hostConfig: { Sysctls: { 'vm.swappiness': '1' } } } }), {
    message: 'sysctl "vm.swappiness" is not in a separate kernel namespace',
  });
});

t.test('its own cgroups are shown, read-only; in a namespace of its own when asked', async (t) => {
  const { out } = await place.sh(
    'ls /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cgroup.procs 2>/dev/null; cat /proc/self/cgroup | wc -l',
  );
  t.match(out, /cgroup/);
  const own = await place.sh('cut -d: -f3 /proc/self/cgroup | sort -u', {
    spec: { hostConfig: { CgroupnsMode: 'private' } },
  });
  t.equal(own.out, '/\n');
});

t.test('init', async (t) => {
  const run = await place.run(['sh', '-c', 'echo $$; exit 7'], { spec: { hostConfig: { Init: true } } });
  t.match(await run.process.exited, { code: 7 });
  t.not(run.output(), '1\n', 'the program is a child of the reaper');
  const stop = await place.run(['sleep', '1000'], { spec: { hostConfig: { Init: true } } });
  stop.process.signal(15);
  t.match(await stop.process.exited, { code: 143 }, 'signals go on to the program');
});
