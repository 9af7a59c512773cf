// Owns the lines of a plan that mount: OCI mounts with their options -> host lines (sources) and child lines. Pure.
import type { CgroupEntry, CgroupMode } from '../supervisor/cgroup/cgroup.ts';
import type { OciMount } from './oci-spec.ts';
import { attribute, clone, openFlag, ops, type PlanLine, propagation, type Slot } from './plan-ops.ts';

/** Numbers slots as they are filled. */
export class SlotCounter {
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  take(): Slot {
    return this.#next++;
  }
}

export interface MountLines {
  /** Before the clone. */
  readonly host: readonly PlanLine[];
  /** In the child, while it sees the host's mounts. */
  readonly early?: readonly PlanLine[];
  readonly child: readonly PlanLine[];
}

export interface CgroupView {
  readonly mode: CgroupMode;
  readonly entries: readonly CgroupEntry[];
  /** The container has a cgroup namespace of its own. */
  readonly isPrivate: boolean;
}

const setBits: ReadonlyMap<string, number> = new Map(Object.entries(attribute));
const noOps: ReadonlySet<string> = new Set([
  'rw',
  'suid',
  'dev',
  'exec',
  'atime',
  'diratime',
  'relatime',
  'norelatime',
  'nostrictatime',
  'defaults',
  'async',
  'nomand',
  'mand',
  'remount',
  'bind',
  'rbind',
]);
const propagations: ReadonlyMap<string, number> = new Map([
  ['private', propagation.private],
  ['slave', propagation.slave],
  ['shared', propagation.shared],
  ['unbindable', propagation.unbindable],
]);

export interface ParsedOptions {
  /** MOUNT_ATTR_* */
  readonly attributes: number;
  /** `rro`: the attribute ro for mounts below, too. */
  readonly recursiveReadOnly: boolean;
  /** MS_*; 0: as it is. */
  readonly propagation: number;
  readonly recursivePropagation: boolean;
  /** What the file system itself is told. */
  readonly data: readonly string[];
}

/** Splits the options of an OCI mount by who they are for. */
export function parseOptions(options: readonly string[]): ParsedOptions {
  let attributes = 0;
  let recursiveReadOnly = false;
  let type = 0;
  let recursivePropagation = false;
  const data: string[] = [];
  for (const option of options) {
    const bit = setBits.get(option);
    const plain = propagations.get(option);
    const recursive = option.startsWith('r') ? propagations.get(option.slice(1)) : undefined;
    if (bit !== undefined) {
      attributes |= bit;
    } else if (option === 'rro') {
      attributes |= attribute.ro;
      recursiveReadOnly = true;
    } else if (plain !== undefined || recursive !== undefined) {
      type = plain ?? recursive ?? 0;
      recursivePropagation = plain === undefined;
    } else if (!noOps.has(option)) {
      data.push(option);
    }
  }
  return { attributes, recursiveReadOnly, propagation: type, recursivePropagation, data };
}

/** Where a bind's source is taken: from the host, or (`/proc/PID/root/…`) from the mount namespace of another container. */
function sourceLines(mount: OciMount, slot: Slot, slots: SlotCounter): Pick<MountLines, 'host' | 'early'> {
  const recursive = mount.options.includes('rbind');
  const [, pid, path] = /^\/proc\/(\d+)\/root(\/.*)$/.exec(mount.source) ?? [];
  if (pid === undefined || path === undefined) return { host: [ops.openTree(slot, mount.source, recursive)] };
  // Only from within a mount namespace can a tree of it be cloned: there and back again.
  const [theirs, ours] = [slots.take(), slots.take()];
  return {
    host: [ops.open(theirs, `/proc/${pid}/ns/mnt`, openFlag.readOnly)],
    early: [
      ops.open(ours, '/proc/self/ns/mnt', openFlag.readOnly),
      ops.setNamespace(theirs, clone.mount),
      ops.openTree(slot, path, recursive),
      ops.setNamespace(ours, clone.mount),
    ],
  };
}

function bindLines(
  mount: OciMount,
  slots: SlotCounter,
  directory: boolean,
  trees: ReadonlyMap<number, Slot>,
): MountLines {
  const given = mount.tree === undefined ? undefined : trees.get(mount.tree.descriptor);
  const slot = given ?? slots.take();
  const source = given === undefined ? sourceLines(mount, slot, slots) : { host: [] };
  const parsed = parseOptions(mount.options);
  const target = mount.destination;
  const how = {
    attributes: parsed.attributes,
    propagation: parsed.propagation,
    recursive: parsed.recursivePropagation,
    directory,
  };
  const alike = parsed.attributes === 0 || parsed.propagation === 0 || parsed.recursiveReadOnly === how.recursive;
  if (alike) {
    const recursive = parsed.propagation === 0 ? parsed.recursiveReadOnly : how.recursive;
    return { ...source, child: [ops.attach(slot, target, { ...how, recursive })] };
  }
  // One reaches below the source and the other does not: two calls.
  return {
    ...source,
    child: [
      ops.attach(slot, target, { ...how, attributes: 0 }),
      ops.mountAttributes(target, parsed.attributes, 0, 0, parsed.recursiveReadOnly),
    ],
  };
}

const CGROUP_ROOT = '/sys/fs/cgroup';

/** Directory below /sys/fs/cgroup: as on the host. */
const nameOf = ({ mountPoint }: CgroupEntry): string => mountPoint.slice(mountPoint.lastIndexOf('/') + 1);

/** v1: a tmpfs with a directory for each hierarchy, showing the container's own group (a mount of its own in a private namespace). */
function cgroupV1Lines(view: CgroupView, attributes: number, slots: SlotCounter): MountLines {
  const hierarchies = view.entries.filter(({ version }) => version === 1);
  const host: PlanLine[] = [];
  const child: PlanLine[] = [ops.filesystem('tmpfs', 'tmpfs', CGROUP_ROOT, attributes & ~attribute.ro, ['mode=755'])];
  for (const entry of hierarchies) {
    const name = nameOf(entry);
    const target = `${CGROUP_ROOT}/${name}`;
    if (view.isPrivate) {
      const [first = ''] = entry.controllers;
      const options = first.startsWith('name=') ? ['none', first] : entry.controllers;
      child.push(ops.mkdir(target, 0o755, 0, 0), ops.filesystem('cgroup', 'cgroup', target, attributes, options));
    } else {
      const slot = slots.take();
      host.push(ops.openTree(slot, entry.directory, false));
      child.push(
        ops.attach(slot, target, { attributes, propagation: propagation.private, recursive: false, directory: true }),
      );
    }
    for (const controller of entry.controllers) {
      if (controller !== name && !controller.startsWith('name=')) {
        child.push(ops.symlink(name, `${CGROUP_ROOT}/${controller}`));
      }
    }
  }
  if ((attributes & attribute.ro) !== 0) child.push(ops.mountAttributes(CGROUP_ROOT, attribute.ro, 0, 0, false));
  return { host, child };
}

/**
 * The lines of one mount. `directory` tells whether the source of a bind is one (the missing target is made alike). An unknown type is
 * mounted as the file system of that name. `trees`: slots of what the daemon has taken already, by descriptor.
 */
export function mountLines(
  mount: OciMount,
  directory: boolean,
  view: CgroupView,
  slots: SlotCounter,
  trees: ReadonlyMap<number, Slot> = new Map(),
): MountLines {
  if (mount.type === 'bind') return bindLines(mount, slots, directory, trees);
  const { attributes, data } = parseOptions(mount.options);
  if (mount.type === 'cgroup') {
    if (view.mode !== 'v2') return cgroupV1Lines(view, attributes, slots);
    return { host: [], child: [ops.filesystem('cgroup2', 'cgroup', mount.destination, attributes, data)] };
  }
  return { host: [], child: [ops.filesystem(mount.type, mount.source, mount.destination, attributes, data)] };
}
