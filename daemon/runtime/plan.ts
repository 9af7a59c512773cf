// Owns the order of a start: OCI spec -> launch plan. Pure. The order is the kernel's and past escapes' doing; each reason stands beside.
import { capabilityMask } from './capabilities.ts';
import { defaultSymlinks } from './defaults.ts';
import type { OciDevice, OciNamespace, OciRlimit, OciSpec } from './oci-spec.ts';
import { type CgroupView, mountLines, SlotCounter } from './plan-mounts.ts';
import {
  attribute,
  clone,
  fileType,
  openFlag,
  ops,
  type Plan,
  type PlanLine,
  propagation,
  type Slot,
} from './plan-ops.ts';
import type { SeccompFilter } from './seccomp-filters.ts';
import { rlimitNumbers } from './spec-process.ts';

const SIGKILL = 9;
/** A terminal keeps the group that devpts gave it (tty). */
export const TERMINAL_GROUP = -1;

export interface PlanInput {
  readonly spec: OciSpec;
  /** Slots that the launch message fills. */
  readonly root: Slot;
  readonly network?: Slot;
  /** An empty host directory for `root`. */
  readonly staging: string;
  readonly cgroup: CgroupView;
  /** Host paths of bind sources that are no directories. */
  readonly files: ReadonlySet<string>;
  /** Slots of the trees of mounts, by their descriptor in the daemon. */
  readonly trees?: ReadonlyMap<number, Slot>;
  readonly seccomp?: SeccompFilter;
  readonly init: boolean;
  /** Rows and columns. */
  readonly consoleSize?: readonly [number, number];
}

const namespaceFlag: Readonly<Record<OciNamespace['type'], number>> = {
  mount: clone.mount,
  uts: clone.uts,
  ipc: clone.ipc,
  pid: clone.pid,
  network: clone.network,
  cgroup: clone.cgroup,
  user: clone.user,
};

/** A limit of -1 is RLIM_INFINITY, all bits set. */
export const rlimitLines = (rlimits: readonly OciRlimit[]): readonly PlanLine[] =>
  rlimits.map(({ type, soft, hard }) =>
    ops.rlimit(rlimitNumbers[type.replace('RLIMIT_', '').toLowerCase()] ?? 0, BigInt(soft), BigInt(hard)),
  );

interface Entering {
  readonly host: readonly PlanLine[];
  /** First lines after the clone, while still in the host's mount namespace. */
  readonly child: readonly PlanLine[];
  /** Directory of the v2 group, for CLONE_INTO_CGROUP. */
  readonly cgroup?: Slot;
}

/** Into the cgroups: born in that of v2, by a write into those of v1 (before anything of the image can run). */
export function cgroupLines(view: CgroupView, slots: SlotCounter): Entering {
  const host: PlanLine[] = [];
  const child: PlanLine[] = [];
  let born: Slot | undefined;
  for (const { version, directory } of view.entries) {
    const slot = slots.take();
    if (version === 2) {
      born = slot;
      host.push(ops.open(slot, directory, openFlag.readOnly | openFlag.directory));
    } else {
      host.push(ops.open(slot, `${directory}/cgroup.procs`, openFlag.writeOnly));
      child.push(ops.write(slot, '0'));
    }
  }
  return { host, child, cgroup: born };
}

/** Namespaces of other processes, by path. A joined pid namespace holds for children only: a second clone is needed. */
function cloneLines(input: PlanInput, entering: Entering, slots: SlotCounter): { host: PlanLine[]; child: PlanLine[] } {
  const host: PlanLine[] = [...entering.host];
  const join: PlanLine[] = [];
  let flags = 0;
  let secondClone = false;
  for (const { type, path } of input.spec.linux.namespaces) {
    if (path !== undefined) {
      const slot = slots.take();
      host.push(ops.open(slot, path, openFlag.readOnly));
      join.push(ops.setNamespace(slot, namespaceFlag[type]));
      secondClone ||= type === 'pid';
    } else if (type === 'network') {
      if (input.network !== undefined) join.push(ops.setNamespace(input.network, clone.network));
    } else if (type !== 'cgroup') {
      flags |= namespaceFlag[type];
    }
  }
  const ownCgroups = input.spec.linux.namespaces.some(({ type }) => type === 'cgroup');
  // A cgroup namespace's root is the group of the process that makes it: only after it has moved there.
  const unshare = ownCgroups ? [ops.unshare(clone.cgroup)] : [];
  if (secondClone) {
    host.push(ops.clone(0, entering.cgroup));
    return { host, child: [...entering.child, ...join, ops.clone(flags | clone.parent, undefined), ...unshare] };
  }
  host.push(ops.clone(flags, entering.cgroup));
  return { host, child: [...entering.child, ...join, ...unshare] };
}

function deviceLine({ path, type, major, minor, fileMode, uid, gid }: OciDevice): PlanLine {
  const kind = type === 'b' ? fileType.block : type === 'p' ? fileType.fifo : fileType.character;
  return ops.device(path, kind | fileMode, major, minor, uid, gid);
}

/** Nodes and links of /dev; none when the user put a /dev of his own there. */
function deviceLines(spec: OciSpec): readonly PlanLine[] {
  const mounted = new Set(spec.mounts.map(({ destination }) => destination));
  if (spec.mounts.some(({ destination, type }) => destination === '/dev' && type === 'bind')) return [];
  return [
    ...spec.linux.devices.filter(({ path }) => !mounted.has(path)).map(deviceLine),
    ...defaultSymlinks.filter(([, path]) => !mounted.has(path)).map(([value, path]) => ops.symlink(value, path)),
  ];
}

/** The last steps before the program: rights are given up in the order in which each still allows the next. */
export function credentialLines(process: OciSpec['process'], seccomp: SeccompFilter | undefined): readonly PlanLine[] {
  const { uid, gid, additionalGids } = process.user;
  const filter = seccomp === undefined ? [] : [ops.seccomp(seccomp.flags, seccomp.program, seccomp.families)];
  const { permitted, effective, inheritable, ambient, bounding } = process.capabilities;
  const labels = [
    ...(process.apparmorProfile === undefined ? [] : [ops.processLabel('apparmor', process.apparmorProfile)]),
    ...(process.selinuxLabel === undefined ? [] : [ops.processLabel('selinux', process.selinuxLabel)]),
  ];
  return [
    ...labels,
    ops.boundingSet(capabilityMask(bounding)),
    // Without no_new_privs a filter needs CAP_SYS_ADMIN, which goes with the next lines; the profile has to admit those.
    ...(process.noNewPrivileges ? [] : filter),
    ops.user(uid, gid, additionalGids),
    ops.capabilities(
      capabilityMask(permitted),
      capabilityMask(effective),
      capabilityMask(inheritable),
      capabilityMask(ambient),
    ),
    // A change of credentials clears the death signal.
    ops.deathSignal(SIGKILL),
    ...(process.noNewPrivileges ? [ops.noNewPrivileges(), ...filter] : []),
  ];
}

function terminalLine(input: PlanInput): PlanLine {
  const { process } = input.spec;
  const { uid, gid } = process.user;
  if (!process.terminal) return ops.stdio(uid, gid);
  const size = process.consoleSize;
  const [rows, columns] = input.consoleSize ?? [size?.height ?? 0, size?.width ?? 0];
  return ops.console(rows, columns, uid, TERMINAL_GROUP);
}

/** The whole plan of a container's first process. */
export function buildPlan(input: PlanInput): Plan {
  const { spec } = input;
  const { trees = new Map<number, Slot>() } = input;
  const slots = new SlotCounter(Math.max(input.root, input.network ?? 0, ...trees.values()) + 1);
  const entering = cgroupLines(input.cgroup, slots);
  const mounts = spec.mounts.map((mount) =>
    mountLines(mount, mount.tree?.directory ?? !input.files.has(mount.source), input.cgroup, slots, trees),
  );
  const start = cloneLines(input, entering, slots);
  const { process, linux } = spec;
  return [
    ...mounts.flatMap(({ host }) => host),
    ...start.host,
    ...start.child,
    ...mounts.flatMap(({ early = [] }) => early),
    ops.session(),
    ops.keyring(),
    ops.propagation(propagation.slave | propagation.recursive),
    ops.root(input.root, input.staging),
    ...mounts.flatMap(({ child }) => child),
    ...deviceLines(spec),
    terminalLine(input),
    ops.pivotRoot(),
    ...(spec.hostname === undefined ? [] : [ops.hostname(spec.hostname)]),
    ...(spec.domainname === undefined ? [] : [ops.domainname(spec.domainname)]),
    // /proc/sys is still writable.
    ...Object.entries(linux.sysctl).map(([name, value]) => ops.sysctl(name, value)),
    // After the last mount: nothing may come to lie over a mask.
    ...linux.readonlyPaths.map(ops.readonly),
    ...linux.maskedPaths.map(ops.mask),
    ...rlimitLines(process.rlimits),
    ...(process.oomScoreAdj === undefined ? [] : [ops.oomScore(process.oomScoreAdj)]),
    ops.umask(process.user.umask ?? 0o022),
    ops.workingDirectory(process.cwd, 0, 0),
    // The working directory may have had to be made.
    ...(spec.root.readonly ? [ops.remountRoot(attribute.ro)] : []),
    ops.awaitGo(),
    ...credentialLines(process, input.seccomp),
    ...(input.init ? [ops.init()] : []),
    ops.environment(process.env),
    ops.exec(process.args),
  ];
}
