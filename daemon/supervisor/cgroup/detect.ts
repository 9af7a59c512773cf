// Owns the question which hierarchies this host has mounted, by /proc/self/mountinfo, /proc/self/cgroup and cgroup.controllers. The
// parsing is pure; `openCgroups` is the door of this folder.
import { readFileSync } from 'node:fs';
import { unavailable } from '../../base/errors.ts';
import type { CgroupMode, Cgroups, Hierarchy } from './cgroup.ts';
import { readControl } from './files.ts';
import { HostCgroups } from './host-cgroups.ts';

/** Controllers of v1 as they stand in mount options. */
const v1Controllers: ReadonlySet<string> = new Set([
  'blkio',
  'cpu',
  'cpuacct',
  'cpuset',
  'devices',
  'freezer',
  'hugetlb',
  'memory',
  'misc',
  'net_cls',
  'net_prio',
  'perf_event',
  'pids',
  'rdma',
]);

const decodePath = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** Group of a process by controller (`` for v2, `name=…`), of /proc/PID/cgroup. */
export function parseOwnGroups(text: string): ReadonlyMap<string, string> {
  const groups = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, names, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === undefined || path === undefined) continue;
    for (const name of names.split(',')) groups.set(name, path);
  }
  return groups;
}

/**
 * The mounted hierarchies in the order of their mount points, each once: of several mounts of one, the shortest path counts. v2's
 * controllers come from `controllersAt` its mount point.
 */
export function parseHierarchies(
  mountinfo: string,
  ownGroups: string,
  controllersAt: (mountPoint: string) => readonly string[],
): readonly Hierarchy[] {
  const own = parseOwnGroups(ownGroups);
  const found = new Map<string, Hierarchy>();
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const mountPoint = decodePath(before.split(' ')[4] ?? '');
    const [type, , options = ''] = after.split(' ');
    if ((type !== 'cgroup' && type !== 'cgroup2') || mountPoint === '') continue;
    const controllers =
      type === 'cgroup2'
        ? controllersAt(mountPoint)
        : options.split(',').filter((option) => v1Controllers.has(option) || option.startsWith('name='));
    const key = type === 'cgroup2' ? '' : controllers.join(',');
    if (type === 'cgroup' && controllers.length === 0) continue;
    const known = found.get(key);
    if (known !== undefined && known.mountPoint.length <= mountPoint.length) continue;
    found.set(key, {
      version: type === 'cgroup2' ? 2 : 1,
      controllers,
      mountPoint,
      ownPath: own.get(type === 'cgroup2' ? '' : (controllers[0] ?? '')) ?? '/',
    });
  }
  return [...found.values()].sort((a, b) => (a.mountPoint < b.mountPoint ? -1 : 1));
}

export function modeOf(hierarchies: readonly Hierarchy[]): CgroupMode {
  const hasV1 = hierarchies.some(({ version, controllers }) => version === 1 && !controllers[0]?.startsWith('name='));
  const hasV2 = hierarchies.some(({ version }) => version === 2);
  if (hasV1 && hasV2) return 'hybrid';
  return hasV2 ? 'v2' : 'v1';
}

/** Control groups of this host. Throws unavailable when none is mounted. */
export function openCgroups(): Cgroups {
  const hierarchies = parseHierarchies(
    readFileSync('/proc/self/mountinfo', 'utf8'),
    readFileSync('/proc/self/cgroup', 'utf8'),
    (mountPoint) => (readControl(`${mountPoint}/cgroup.controllers`) ?? '').split(' ').filter((name) => name !== ''),
  );
  if (hierarchies.length === 0) {
    throw unavailable(
      'no control groups are mounted: mount cgroup2 on /sys/fs/cgroup (systemd does) or the v1 controllers below it',
    );
  }
  return new HostCgroups(modeOf(hierarchies), hierarchies);
}
