import t from 'tap';
import { modeOf, parseHierarchies, parseOwnGroups } from './detect.ts';
import { parseKeyed } from './files.ts';
import type { LinuxResources } from './resources.ts';
import { unsupportedLimits } from './unsupported.ts';
import { deviceText, parseBlockIo, v1Writes } from './v1.ts';
import { ioWeight, parseIoStat, parsePressure, v2Writes, weightOfShares } from './v2.ts';

const MIB = 1024 * 1024;
const everything: LinuxResources = {
  devices: [
    { allow: false, type: 'a', access: 'rwm' },
    { allow: true, type: 'c', major: 136, access: 'rwm' },
  ],
  memory: {
    limit: 64 * MIB,
    swap: 96 * MIB,
    reservation: 32 * MIB,
    swappiness: 10,
    disableOOMKiller: true,
    high: 60 * MIB,
  },
  cpu: { shares: 512, quota: 50_000, period: 100_000, burst: 10_000, cpus: '0-1', mems: '0' },
  blockIO: {
    weight: 500,
    weightDevice: [{ major: 8, minor: 0, weight: 300 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1024 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 10 }],
  },
  pids: { limit: 100 },
  hugepageLimits: [{ pageSize: '2MB', limit: 4 * MIB }],
};
const lines = (writes: ReturnType<typeof v1Writes>) =>
  writes.map(({ files, value }) => `${files.join('|')} = ${value}`);

t.test('limits on v1', async (t) => {
  t.same(lines(v1Writes(everything)), [
    'devices.deny = a',
    'devices.allow = c 136:* rwm',
    'memory.limit_in_bytes = 67108864',
    'memory.memsw.limit_in_bytes = 100663296',
    'memory.soft_limit_in_bytes = 33554432',
    'memory.swappiness = 10',
    'memory.oom_control = 1',
    'cpu.shares = 512',
    'cpu.cfs_period_us = 100000',
    'cpu.cfs_quota_us = 50000',
    'cpu.cfs_burst_us = 10000',
    'cpuset.cpus = 0-1',
    'cpuset.mems = 0',
    'blkio.weight|blkio.bfq.weight = 500',
    'blkio.weight_device|blkio.bfq.weight_device = 8:0 300',
    'blkio.throttle.read_bps_device = 8:0 1024',
    'blkio.throttle.write_iops_device = 8:16 10',
    'pids.max = 100',
    'hugetlb.2MB.limit_in_bytes = 4194304',
  ]);
  t.same(lines(v1Writes({ pids: { limit: -1 } })), ['pids.max = max']);
  t.same(v1Writes({}), []);
  t.equal(deviceText({ allow: true, type: 'b', access: 'm' }), 'b *:* m');
});

t.test('limits on v2', async (t) => {
  t.same(lines(v2Writes({ ...everything, unified: { 'memory.oom.group': '1' } })), [
    'memory.swap.max = 33554432',
    'memory.max = 67108864',
    'memory.low = 33554432',
    'memory.high = 62914560',
    'cpu.weight = 59',
    'cpu.max = 50000 100000',
    'cpu.max.burst = 10000',
    'cpuset.cpus = 0-1',
    'cpuset.mems = 0',
    'io.bfq.weight = 500',
    'io.weight = 4950',
    'io.bfq.weight = 8:0 300',
    'io.max = 8:0 rbps=1024',
    'io.max = 8:16 wiops=10',
    'pids.max = 100',
    'hugetlb.2MB.max = 4194304',
    'memory.oom.group = 1',
  ]);
  t.same(lines(v2Writes({ memory: { limit: 64, swap: 64 } })), ['memory.swap.max = 0', 'memory.max = 64']);
  t.same(lines(v2Writes({ memory: { limit: -1, swap: -1 } })), ['memory.swap.max = max', 'memory.max = max']);
  t.same(lines(v2Writes({ cpu: { period: 5000 } })), ['cpu.max = max 5000']);
  t.same(lines(v2Writes({ cpu: { quota: -1 } })), ['cpu.max = max']);
});

t.test('weights keep their ends and defaults', async (t) => {
  t.same([2, 1024, 262144].map(weightOfShares), [1, 100, 10000]);
  t.same([10, 1000].map(ioWeight), [1, 10000]);
  for (let shares = 3; shares < 262144; shares *= 2) {
    t.ok(weightOfShares(shares) <= weightOfShares(shares * 2), `${shares}`);
  }
});

t.test('hierarchies of a hybrid host', async (t) => {
  const mountinfo = [
    '22 27 0:21 / /proc rw,relatime - proc proc rw',
    '31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct',
    '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory',
    '36 31 0:32 / /elsewhere/with\\040blank/memory rw,relatime - cgroup cgroup rw,memory',
    '40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd',
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate',
  ].join('\n');
  const own = '9:name=systemd:/init.scope\n4:memory:/process\n1:cpu,cpuacct:/\n0::/init.scope\n';
  const hierarchies = parseHierarchies(mountinfo, own, () => ['hugetlb']);
  t.same(hierarchies, [
    { version: 1, controllers: ['cpu', 'cpuacct'], mountPoint: '/sys/fs/cgroup/cpu,cpuacct', ownPath: '/' },
    { version: 1, controllers: ['memory'], mountPoint: '/sys/fs/cgroup/memory', ownPath: '/process' },
    { version: 1, controllers: ['name=systemd'], mountPoint: '/sys/fs/cgroup/systemd', ownPath: '/init.scope' },
    { version: 2, controllers: ['hugetlb'], mountPoint: '/sys/fs/cgroup/unified', ownPath: '/init.scope' },
  ]);
  t.equal(modeOf(hierarchies), 'hybrid');
  t.equal(modeOf(hierarchies.slice(0, 2)), 'v1');
  t.equal(modeOf(hierarchies.slice(2)), 'v2', 'a named hierarchy is none of v1 with controllers');
  t.equal(parseOwnGroups(own).get('cpuacct'), '/');
});

t.test('readings', async (t) => {
  t.same(parseKeyed('cache 1\nrss 2\n'), { cache: 1, rss: 2 });
  t.same(parseBlockIo('8:0 Read 4096\n8:0 Write 1\nTotal 4097\n'), [
    { major: 8, minor: 0, operation: 'read', value: 4096 },
    { major: 8, minor: 0, operation: 'write', value: 1 },
  ]);
  t.same(parseIoStat('8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n'), {
    serviceBytes: [
      { major: 8, minor: 0, operation: 'read', value: 1 },
      { major: 8, minor: 0, operation: 'write', value: 2 },
      { major: 8, minor: 0, operation: 'discard', value: 5 },
    ],
    serviced: [
      { major: 8, minor: 0, operation: 'read', value: 3 },
      { major: 8, minor: 0, operation: 'write', value: 4 },
      { major: 8, minor: 0, operation: 'discard', value: 6 },
    ],
  });
  t.same(parseIoStat(undefined), { serviceBytes: [], serviced: [] });
  t.same(
    parsePressure('some avg10=0.50 avg60=1.00 avg300=2.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7'),
    {
      some: { avg10: 0.5, avg60: 1, avg300: 2, total: 77 },
      full: { avg10: 0, avg60: 0, avg300: 0, total: 7 },
    },
  );
  t.equal(parsePressure(undefined), undefined);
});

t.test('what cannot be kept is said', async (t) => {
  const bare = { controllers: new Set<string>(), version: 1, swap: false, ioWeight: false } as const;
  t.equal(unsupportedLimits(everything, bare).length, 12);
  const full = {
    controllers: new Set(['memory', 'cpu', 'cpuset', 'blkio', 'pids']),
    version: 1,
    swap: true,
    ioWeight: true,
  } as const;
  t.same(unsupportedLimits(everything, full), []);
  t.same(unsupportedLimits({ memory: { limit: 1, swap: 2 } }, { ...full, swap: false }), [
    'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
  ]);
  t.match(
    unsupportedLimits({ memory: { disableOOMKiller: true } }, full)[0],
    /OOM killer is disabled for the container/,
  );
  t.match(
    unsupportedLimits(
      { memory: { swappiness: 1 } },
      { ...full, controllers: new Set(['memory', 'io']), version: 2 },
    )[0],
    /memory swappiness/,
  );
});
