// Owns inputs for the tests of this folder: a container that asks for nothing, and a host that is always the same. Not used by the engine.
import type { HostLookup } from './host-lookup.ts';
import type { CgroupView } from './plan-mounts.ts';
import type { SpecInput } from './types.ts';

/** All capabilities up to CAP_CHECKPOINT_RESTORE. */
export const everyCapability = (1n << 41n) - 1n;

/** A busybox that echoes, changed by `more`. */
export function specInput(more: Partial<SpecInput> = {}): SpecInput {
  return {
    id: 'c0ffee',
    config: { Tty: false, WorkingDir: '' },
    hostConfig: { NetworkMode: 'bridge' },
    user: { uid: 0, gid: 0, additionalGids: [0, 10], home: '/root', name: 'root' },
    args: ['echo', 'hello world'],
    env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOSTNAME=c0ffee', 'HOME=/root'],
    hostname: 'c0ffee',
    domainname: '',
    binds: [
      {
        source: '/data/containers/c0ffee/hosts',
        target: '/etc/hosts',
        readOnly: false,
        recursiveReadOnly: false,
        recursive: true,
        propagation: 'rprivate',
      },
    ],
    tmpfs: [],
    cgroupPath: '/tsd-12345678/c0ffee',
    network: 'own',
    host: {
      boundingSet: everyCapability,
      seccomp: true,
      apparmor: false,
      selinux: false,
      cgroup: 'hybrid',
      cgroupControllers: ['cpu', 'devices', 'memory', 'pids'],
      kernelRelease: '6.18.0',
    },
    ...more,
  };
}

/** Four processors, one disk, one sound card. */
export const fakeLookup: HostLookup = {
  devices: (path) => [{ path, type: 'c', major: 10, minor: 229, fileMode: 0o600, uid: 0, gid: 0 }],
  allDevices: () => [
    { path: '/dev/vda', type: 'b', major: 254, minor: 0, fileMode: 0o660, uid: 0, gid: 6 },
    { path: '/dev/null', type: 'c', major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 },
  ],
  blockDevice: () => ({ major: 254, minor: 0 }),
  cpus: () => '0-3',
  memoryNodes: () => '0',
  thermalPaths: () => [],
};

/** Three hierarchies of v1, one of them with two controllers, and the one of v2. */
export const hybridView: CgroupView = {
  mode: 'hybrid',
  isPrivate: false,
  entries: [
    {
      version: 1,
      controllers: ['cpu', 'cpuacct'],
      directory: '/sys/fs/cgroup/cpu,cpuacct/tsd-12345678/c0ffee',
      mountPoint: '/sys/fs/cgroup/cpu,cpuacct',
    },
    {
      version: 1,
      controllers: ['memory'],
      directory: '/sys/fs/cgroup/memory/tsd-12345678/c0ffee',
      mountPoint: '/sys/fs/cgroup/memory',
    },
    {
      version: 1,
      controllers: ['name=systemd'],
      directory: '/sys/fs/cgroup/systemd/tsd-12345678/c0ffee',
      mountPoint: '/sys/fs/cgroup/systemd',
    },
    {
      version: 2,
      controllers: [],
      directory: '/sys/fs/cgroup/unified/tsd-12345678/c0ffee',
      mountPoint: '/sys/fs/cgroup/unified',
    },
  ],
};
