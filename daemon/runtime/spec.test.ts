import t, { type Test } from 'tap';
import type { HostConfig } from '../../api-spec/index.ts';
import { defaultMaskedPaths, defaultReadonlyPaths } from './defaults.ts';
import { buildSpec } from './spec.ts';
import { cleanTarget, tmpfsOptions } from './spec-mounts.ts';
import { parseCpuset, parseDeviceRule } from './spec-resources.ts';
import { fakeLookup, specInput } from './testing.ts';
import type { SpecInput } from './types.ts';

const spec = (hostConfig: HostConfig = {}, more: Partial<SpecInput> = {}) =>
  buildSpec(specInput({ hostConfig, ...more }), fakeLookup);
const resources = (hostConfig: HostConfig) => spec(hostConfig).linux.resources;
const refused = (t: Test, hostConfig: HostConfig, message: string | RegExp): void => {
  t.throws(() => spec(hostConfig), { kind: 'invalid-argument', message });
};

t.test('defaults', async (t) => {
  const { linux, process, root, hostname, mounts } = spec();
  t.same(
    linux.namespaces.map(({ type }) => type),
    ['mount', 'network', 'uts', 'pid', 'ipc'],
  );
  t.same(linux.maskedPaths, defaultMaskedPaths);
  t.same(linux.readonlyPaths, defaultReadonlyPaths);
  t.equal(process.cwd, '/');
  t.equal(process.noNewPrivileges, false);
  t.equal(root.readonly, false);
  t.equal(hostname, 'c0ffee');
  t.same(
    mounts.map(({ destination }) => destination),
    ['/proc', '/dev', '/sys', '/dev/pts', '/dev/mqueue', '/dev/shm', '/etc/hosts', '/sys/fs/cgroup'],
  );
  t.same(linux.sysctl, { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '0 2147483647' });
  t.equal(linux.resources.devices?.length, 12);
  t.equal(linux.resources.memory, undefined);
});

t.test('namespaces by mode', async (t) => {
  const types = (hostConfig: HostConfig, more: Partial<SpecInput> = {}) =>
    spec(hostConfig, more).linux.namespaces.map(({ type, path }) => (path === undefined ? type : `${type}=${path}`));
  t.same(types({ PidMode: 'host', IpcMode: 'host', UTSMode: 'host', NetworkMode: 'host' }, { network: 'host' }), [
    'mount',
  ]);
  t.same(types({ CgroupnsMode: 'private' }).at(-1), 'cgroup');
  t.same(types({}, { host: { ...specInput().host, cgroup: 'v2' } }).at(-1), 'cgroup', 'private is the default of v2');
  t.notOk(types({ CgroupnsMode: 'host' }, { host: { ...specInput().host, cgroup: 'v2' } }).includes('cgroup'));
  t.ok(types({ PidMode: 'container:x' }, { joinPid: 7 }).includes('pid=/proc/7/ns/pid'));
  refused(t, { PidMode: 'container:x' }, /is not running/);
  refused(t, { PidMode: 'nope' }, 'invalid PID mode: nope');
  refused(t, { IpcMode: 'nope' }, 'invalid IPC mode: nope');
  refused(t, { UTSMode: 'nope' }, 'invalid UTS mode: nope');
  t.same(spec({ UTSMode: 'host' }).hostname, undefined);
  t.same(spec({ NetworkMode: 'host' }, { network: 'host' }).linux.sysctl, {});
  t.same(spec({ NetworkMode: 'container:x' }).linux.sysctl, {}, "another container's network keeps its settings");
});

t.test('mounts: modes and users change the default ones', async (t) => {
  const at = (path: string, hostConfig: HostConfig, more: Partial<SpecInput> = {}) =>
    spec(hostConfig, more).mounts.filter(({ destination }) => destination === path);
  t.same(at('/dev/shm', { IpcMode: 'none' }), []);
  t.match(at('/dev/shm', { IpcMode: 'host' }), [{ type: 'bind', source: '/dev/shm' }]);
  t.match(at('/dev/shm', { ShmSize: 1024 }), [{ options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=1024'] }]);
  t.match(at('/sys', { Privileged: true }), [{ options: ['nosuid', 'noexec', 'nodev'] }]);
  t.match(at('/sys/fs/cgroup', { SecurityOpt: ['writable-cgroups=true'] }), [
    { options: ['nosuid', 'noexec', 'nodev'] },
  ]);
  const tmpfs = [{ target: '/dev/shm/', options: ['size=1m'] }];
  t.match(at('/dev/shm', {}, { tmpfs }), [{ type: 'tmpfs', options: ['noexec', 'nosuid', 'nodev', 'size=1m'] }]);
  refused(t, { ShmSize: -1 }, 'SHM size can not be less than 0');
  t.throws(() => spec({}, { tmpfs: [{ target: '/proc/self', options: [] }] }), /inside \/proc/);
  t.throws(() => spec({}, { tmpfs: [{ target: 'x', options: [] }] }), /must be absolute/);
  t.throws(() => spec({}, { tmpfs: [{ target: '/x/..', options: [] }] }), /destination can't be '\/'/);
  t.equal(cleanTarget('//a/./b/../c/'), '/a/c');
  t.same(tmpfsOptions(['exec', 'size=1m', 'size=2m', 'ro']), ['nosuid', 'nodev', 'exec', 'size=2m', 'ro']);
  t.throws(() => tmpfsOptions(['nope']), { message: 'Invalid tmpfs option ["nope"]' });
  t.throws(() => tmpfsOptions(['lowerdir=/']), /Invalid tmpfs option/);
});

t.test('privileged', async (t) => {
  const { linux, process } = spec({ Privileged: true });
  t.same(linux.maskedPaths, []);
  t.same(linux.readonlyPaths, []);
  t.equal(linux.seccomp, undefined);
  t.same(linux.resources.devices, [{ allow: true, type: 'a', access: 'rwm' }]);
  t.ok(linux.devices.some(({ path }) => path === '/dev/vda'));
  t.equal(linux.devices.filter(({ path }) => path === '/dev/null').length, 1);
  t.equal(process.capabilities.bounding.length, 41);
  t.not(
    spec({ Privileged: true, SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'] }).linux.seccomp,
    undefined,
  );
});

t.test('memory', async (t) => {
  const MIB = 1024 * 1024;
  t.same(resources({ Memory: 8 * MIB }).memory, { limit: 8 * MIB, swap: 16 * MIB }, 'as much swap again');
  t.same(resources({ Memory: 8 * MIB, MemorySwap: -1 }).memory, { limit: 8 * MIB, swap: -1 });
  t.same(resources({ Memory: 8 * MIB, MemorySwap: 8 * MIB, MemorySwappiness: 0, OomKillDisable: true }).memory, {
    limit: 8 * MIB,
    swap: 8 * MIB,
    swappiness: 0,
    disableOOMKiller: true,
  });
  t.equal(resources({ MemorySwappiness: -1 }).memory, undefined);
  refused(t, { Memory: 1024 }, 'Minimum memory limit allowed is 6MB');
  refused(
    t,
    { Memory: 8 * MIB, MemorySwap: 7 * MIB },
    'Minimum memoryswap limit should be larger than memory limit, see usage',
  );
  refused(t, { MemorySwap: 7 * MIB }, 'You should always set the Memory limit when using Memoryswap limit, see usage');
  refused(t, { MemorySwappiness: 101 }, 'Invalid value: 101, valid memory swappiness range is 0-100');
  refused(t, { MemoryReservation: 1 }, 'Minimum memory reservation allowed is 6MB');
  refused(
    t,
    { Memory: 8 * MIB, MemoryReservation: 9 * MIB },
    'Minimum memory limit can not be less than memory reservation limit, see usage',
  );
});

t.test('processors', async (t) => {
  t.same(resources({ NanoCpus: 1_500_000_000 }).cpu, { quota: 150_000, period: 100_000 });
  t.same(resources({ CpuShares: 7, CpuQuota: 5000, CpuPeriod: 10_000, CpusetCpus: '0-1' }).cpu, {
    shares: 7,
    quota: 5000,
    period: 10_000,
    cpus: '0-1',
  });
  refused(t, { NanoCpus: 5e9 }, 'Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available');
  refused(t, { NanoCpus: 1e9, CpuQuota: 5000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  refused(t, { CpuPeriod: 1 }, /CPU cfs period can not be less than 1ms/);
  refused(t, { CpuQuota: 1 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)');
  refused(t, { CpusetCpus: '7' }, 'Requested CPUs are not available - requested 7, available: 0-3');
  refused(t, { CpusetMems: '1' }, 'Requested memory nodes are not available - requested 1, available: 0');
  refused(t, { CpusetCpus: 'x' }, 'Invalid value x for cpuset cpus');
  t.same(parseCpuset('0-2,7'), [0, 1, 2, 7]);
  t.equal(parseCpuset('3-1'), undefined);
});

t.test('block devices, processes, other devices', async (t) => {
  t.same(resources({ BlkioWeight: 300, BlkioDeviceReadBps: [{ Path: '/dev/vda', Rate: 1024 }] }).blockIO, {
    weight: 300,
    throttleReadBpsDevice: [{ major: 254, minor: 0, rate: 1024 }],
  });
  refused(t, { BlkioWeight: 5 }, 'Range of blkio weight is from 10 to 1000');
  t.same(resources({ PidsLimit: 5 }).pids, { limit: 5 });
  t.equal(resources({ PidsLimit: -1 }).pids, undefined);
  const given = spec({ Devices: [{ PathOnHost: '/dev/fuse', PathInContainer: '/dev/f', CgroupPermissions: 'rw' }] });
  t.match(given.linux.devices.at(-1), { path: '/dev/f', major: 10, minor: 229 });
  t.match(given.linux.resources.devices?.at(-1), { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' });
  refused(t, { Devices: [{ PathOnHost: '/dev/fuse', CgroupPermissions: 'x' }] }, /expected r, w, m/);
  t.same(parseDeviceRule('c 1:* rw'), { allow: true, type: 'c', major: 1, access: 'rw' });
  refused(t, { DeviceCgroupRules: ['nope'] }, "invalid device cgroup rule format: 'nope'");
  refused(
    t,
    { DeviceRequests: [{ Driver: '', Count: -1, Capabilities: [['gpu']] }] },
    'could not select device driver "" with capabilities: [[gpu]]',
  );
});

t.test('sysctls, ulimits, scores, paths', async (t) => {
  t.match(
    spec({ Sysctls: { 'kernel.msgmax': '1', 'fs.mqueue.msg_max': '2', 'net/core/somaxconn': '3' } }).linux.sysctl,
    {
      'kernel.msgmax': '1',
    },
  );
  refused(t, { Sysctls: { 'kernel.msgmax': '1' }, IpcMode: 'host' }, /not allowed in the hosts ipc namespace/);
  refused(t, { Sysctls: { 'kernel.hostname': 'x' } }, /conflicts with the OCI "hostname" field/);
  refused(t, { Sysctls: { 'vm.x': '1' } }, 'sysctl "vm.x" is not in a separate kernel namespace');
  refused(t, { Sysctls: { 'net.../../x': '1' } }, /invalid sysctl name/);
  t.throws(
    () => spec({ Sysctls: { 'net.core.x': '1' } }, { network: 'host' }),
    /not allowed in host network namespace/,
  );
  t.same(
    spec({
      Ulimits: [
        { Name: 'nofile', Soft: 1, Hard: 2 },
        { Name: 'core', Soft: -1, Hard: -1 },
      ],
    }).process.rlimits,
    [
      { type: 'RLIMIT_NOFILE', soft: 1, hard: 2 },
      { type: 'RLIMIT_CORE', soft: -1, hard: -1 },
    ],
  );
  refused(
    t,
    { Ulimits: [{ Name: 'nofiles', Soft: 1, Hard: 2 }] },
    'invalid ulimit type: nofiles (did you mean nofile?)',
  );
  refused(
    t,
    { Ulimits: [{ Name: 'nofile', Soft: 3, Hard: 2 }] },
    /soft limit must be less than or equal to hard limit: 3 > 2/,
  );
  refused(t, { OomScoreAdj: 1001 }, 'Invalid value 1001, range for oom score adj is [-1000, 1000]');
  t.same(spec({ MaskedPaths: [], ReadonlyPaths: ['/x'] }).linux.readonlyPaths, ['/x']);
  t.same(spec({ MaskedPaths: [] }).linux.maskedPaths, []);
  t.throws(() => spec({}, { config: { WorkingDir: 'x' } }), /needs to be an absolute path/);
  t.throws(() => spec({}, { args: [] }), /no command specified/);
});

t.test('security options', async (t) => {
  t.equal(spec({ SecurityOpt: ['no-new-privileges:true'] }).process.noNewPrivileges, true);
  t.equal(spec({ SecurityOpt: ['no-new-privileges', 'no-new-privileges=false'] }).process.noNewPrivileges, false);
  t.equal(spec({ SecurityOpt: ['seccomp:unconfined'] }).linux.seccomp, undefined);
  t.doesNotThrow(() => spec({ SecurityOpt: ['label=disable', 'apparmor=unconfined', 'systempaths=unconfined'] }));
  refused(t, { SecurityOpt: ['nope'] }, 'invalid --security-opt 1: "nope"');
  refused(t, { SecurityOpt: ['a=b'] }, 'invalid --security-opt 2: "a=b"');
  refused(t, { SecurityOpt: ['no-new-privileges=maybe'] }, /expected true or false/);
  refused(t, { SecurityOpt: ['apparmor=mine'] }, /AppArmor is not enabled on this host/);
  refused(t, { SecurityOpt: ['label=type:x'] }, /SELinux is not enabled on this host/);
  refused(t, { Runtime: 'nope' }, 'unknown or invalid runtime name: nope');
});
