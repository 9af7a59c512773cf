// Owns the mounts of a container: Docker's default ones, changed by modes, and the user's binds and tmpfs, in the order in which they are
// made. Pure; sources are host paths that the launch opens.
import { invalidArgument } from '../base/errors.ts';
import { DEFAULT_SHM_SIZE } from './defaults.ts';
import type { OciMount } from './oci-spec.ts';
import { parseSecurityOptions } from './security-options.ts';
import type { BindMount, SpecInput, TmpfsMount } from './types.ts';

const mount = (destination: string, type: string, source: string, options: readonly string[]): OciMount => ({
  destination,
  type,
  source,
  options,
});

function sharedMemory(input: SpecInput): readonly OciMount[] {
  const mode = input.hostConfig.IpcMode ?? '';
  if (mode === 'none') return [];
  if (mode === 'host') return [mount('/dev/shm', 'bind', '/dev/shm', ['rbind', 'rprivate'])];
  if (mode.startsWith('container:')) {
    return [mount('/dev/shm', 'bind', `/proc/${input.joinIpc ?? 0}/root/dev/shm`, ['rbind', 'rprivate'])];
  }
  const size = input.hostConfig.ShmSize ?? 0;
  if (size < 0) throw invalidArgument('SHM size can not be less than 0');
  const bytes = size === 0 ? DEFAULT_SHM_SIZE : size;
  return [mount('/dev/shm', 'tmpfs', 'shm', ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${bytes}`])];
}

function defaultMounts(input: SpecInput): readonly OciMount[] {
  const { hostConfig: host } = input;
  const sys = host.Privileged === true ? [] : ['ro'];
  const { writableCgroups } = parseSecurityOptions(host.SecurityOpt ?? []);
  const cgroup = (writableCgroups ?? host.Privileged === true) ? [] : ['ro'];
  return [
    mount('/proc', 'proc', 'proc', ['nosuid', 'noexec', 'nodev']),
    mount('/dev', 'tmpfs', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    mount('/dev/pts', 'devpts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']),
    mount('/sys', 'sysfs', 'sysfs', ['nosuid', 'noexec', 'nodev', ...sys]),
    mount('/sys/fs/cgroup', 'cgroup', 'cgroup', [...cgroup, 'nosuid', 'noexec', 'nodev']),
    mount('/dev/mqueue', 'mqueue', 'mqueue', ['nosuid', 'noexec', 'nodev']),
    ...sharedMemory(input),
  ];
}

const bindMount = (bind: BindMount): OciMount => ({
  ...mount(bind.target, 'bind', bind.source, [
    bind.recursive ? 'rbind' : 'bind',
    bind.propagation,
    ...(bind.readOnly ? [bind.recursiveReadOnly && bind.recursive ? 'rro' : 'ro'] : ['rw']),
  ]),
  ...(bind.tree === undefined ? {} : { tree: bind.tree }),
});

/** Flag options of tmpfs with the one each of them undoes. */
const opposites: ReadonlyMap<string, string> = new Map([
  ['exec', 'noexec'],
  ['noexec', 'exec'],
  ['suid', 'nosuid'],
  ['nosuid', 'suid'],
  ['dev', 'nodev'],
  ['nodev', 'dev'],
  ['ro', 'rw'],
  ['rw', 'ro'],
  ['atime', 'noatime'],
  ['noatime', 'atime'],
  ['diratime', 'nodiratime'],
  ['nodiratime', 'diratime'],
  ['sync', 'async'],
  ['async', 'sync'],
]);
const otherFlags: ReadonlySet<string> = new Set([
  'relatime',
  'norelatime',
  'strictatime',
  'nostrictatime',
  'defaults',
  'dirsync',
  'mand',
  'nomand',
  'remount',
  'bind',
  'rbind',
  'private',
  'rprivate',
  'shared',
  'rshared',
  'slave',
  'rslave',
  'unbindable',
  'runbindable',
]);
const tmpfsValues: ReadonlySet<string> = new Set([
  'size',
  'mode',
  'uid',
  'gid',
  'nr_inodes',
  'nr_blocks',
  'mpol',
  'huge',
]);

/**
 * Options of a tmpfs: Docker's noexec, nosuid, nodev unless the user says the opposite; a later one wins. Throws invalid-argument for one that
 * tmpfs does not have.
 */
export function tmpfsOptions(given: readonly string[]): readonly string[] {
  const merged = new Map<string, string>();
  for (const option of ['noexec', 'nosuid', 'nodev', ...given]) {
    if (option === '') continue;
    const equals = option.indexOf('=');
    const key = equals < 0 ? option : option.slice(0, equals);
    const known = equals < 0 ? opposites.has(key) || otherFlags.has(key) : tmpfsValues.has(key);
    if (!known) throw invalidArgument(`Invalid tmpfs option ["${option}"]`);
    const opposite = opposites.get(key);
    if (opposite !== undefined) merged.delete(opposite);
    merged.set(key, option);
  }
  return [...merged.values()];
}

const tmpfsMount = (tmpfs: TmpfsMount): OciMount => mount(tmpfs.target, 'tmpfs', 'tmpfs', tmpfsOptions(tmpfs.options));

/** `/a//b/../c/` -> `/a/c`. Throws invalid-argument when it is not absolute or is the root itself. */
export function cleanTarget(target: string): string {
  if (!target.startsWith('/')) {
    throw invalidArgument(`invalid mount path: '${target}' mount path must be absolute`);
  }
  const parts: string[] = [];
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  if (parts.length === 0) throw invalidArgument(`invalid specification: destination can't be '/'`);
  return `/${parts.join('/')}`;
}

const depth = (path: string): number => path.split('/').length;

/** A mount over a part of /proc would let a container feed the engine false kernel files (CVE-2019-16884). */
const procAllowed: ReadonlySet<string> = new Set([
  '/proc/cpuinfo',
  '/proc/diskstats',
  '/proc/meminfo',
  '/proc/stat',
  '/proc/swaps',
  '/proc/uptime',
  '/proc/loadavg',
  '/proc/slabinfo',
  '/proc/net/dev',
  '/proc/sys/kernel/ns_last_pid',
  '/proc/sys/crypto/fips_enabled',
]);

function checkTarget(wanted: OciMount): void {
  const inProc = wanted.destination === '/proc' || wanted.destination.startsWith('/proc/');
  if (!inProc || procAllowed.has(wanted.destination)) return;
  if (wanted.destination === '/proc' && wanted.type === 'bind' && wanted.source === '/proc') return;
  throw invalidArgument(
    `"${wanted.destination}" cannot be mounted because it is inside /proc (only ${[...procAllowed].join(', ')} can)`,
  );
}

/**
 * All mounts, parents before children. A user's mount takes the place of the default one at the same path, one at /dev those of everything
 * below it; of two at the same path the later one counts.
 */
export function mountsOf(input: SpecInput): readonly OciMount[] {
  const user = new Map<string, OciMount>();
  for (const wanted of [...input.binds.map(bindMount), ...input.tmpfs.map(tmpfsMount)]) {
    const destination = cleanTarget(wanted.destination);
    const cleaned = { ...wanted, destination };
    checkTarget(cleaned);
    user.delete(destination);
    user.set(destination, cleaned);
  }
  const kept = defaultMounts(input).filter(
    ({ destination }) => !user.has(destination) && !(user.has('/dev') && destination.startsWith('/dev/')),
  );
  return [...kept, ...user.values()].sort((a, b) => depth(a.destination) - depth(b.destination));
}
