// Owns the lines of a launch plan: their names, numbers and arguments (docs/monitor-protocol.md, "Plan"), and the constants of the kernel
// that stand in them. Pure; what a container needs is decided in plan.ts.

/** Numbers are 8 bytes, texts UTF-8, lists of them are spread at the end. */
export type PlanArgument = number | bigint | boolean | string | Uint8Array;

export interface PlanLine {
  readonly op: OpName;
  readonly args: readonly PlanArgument[];
}

export type Plan = readonly PlanLine[];

/** A descriptor by index. */
export type Slot = number;

export const opNumber = {
  'open-tree': 1,
  open: 2,
  clone: 3,
  write: 10,
  'set-namespace': 11,
  unshare: 12,
  propagation: 13,
  root: 14,
  filesystem: 15,
  attach: 16,
  mkdir: 17,
  device: 18,
  symlink: 19,
  mask: 20,
  readonly: 21,
  sysctl: 22,
  console: 23,
  stdio: 24,
  'pivot-root': 25,
  'remount-root': 26,
  hostname: 27,
  domainname: 28,
  rlimit: 29,
  'oom-score': 30,
  'working-directory': 31,
  user: 32,
  'no-new-privileges': 33,
  'bounding-set': 34,
  capabilities: 35,
  seccomp: 36,
  'death-signal': 37,
  session: 38,
  umask: 39,
  environment: 40,
  'await-go': 41,
  init: 42,
  exec: 43,
  'process-label': 44,
  keyring: 45,
  'mount-attributes': 46,
} as const;

export type OpName = keyof typeof opNumber;

/** CLONE_* of clone(2). */
export const clone = {
  parent: 0x8000,
  mount: 0x20000,
  cgroup: 0x2000000,
  uts: 0x4000000,
  ipc: 0x8000000,
  user: 0x10000000,
  pid: 0x20000000,
  network: 0x40000000,
} as const;

/** MOUNT_ATTR_* of mount_setattr(2). */
export const attribute = {
  ro: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  noatime: 0x10,
  strictatime: 0x20,
  nodiratime: 0x80,
  nosymfollow: 0x200000,
} as const;

/** MS_* of mount(2) that stand for propagation. */
export const propagation = {
  recursive: 0x4000,
  unbindable: 0x20000,
  private: 0x40000,
  slave: 0x80000,
  shared: 0x100000,
} as const;

/** O_* of open(2). */
export const openFlag = { readOnly: 0, writeOnly: 1, directory: 0o200000 } as const;

export const fileType = { character: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

const line = (op: OpName, ...args: readonly PlanArgument[]): PlanLine => ({ op, args });

/** A line for each op, with named arguments. */
export const ops = {
  openTree: (slot: Slot, path: string, recursive: boolean) => line('open-tree', slot, path, recursive),
  open: (slot: Slot, path: string, flags: number) => line('open', slot, path, flags),
  clone: (flags: number, cgroup: Slot | undefined) => line('clone', flags, cgroup ?? -1),
  write: (slot: Slot, bytes: string) => line('write', slot, bytes),
  setNamespace: (slot: Slot, kind: number) => line('set-namespace', slot, kind),
  /** Several namespaces of the container's first process at once, by the pidfd that the monitor holds: exec sessions only. */
  setNamespaces: (kinds: number) => line('set-namespace', -1, kinds),
  unshare: (flags: number) => line('unshare', flags),
  propagation: (flags: number) => line('propagation', flags),
  root: (slot: Slot, staging: string) => line('root', slot, staging),
  filesystem: (type: string, source: string, target: string, attributes: number, options: readonly string[]) =>
    line('filesystem', type, source, target, attributes, ...options),
  attach: (
    slot: Slot,
    target: string,
    how: {
      readonly attributes: number;
      readonly propagation: number;
      readonly recursive: boolean;
      readonly directory: boolean;
    },
  ) => line('attach', slot, target, how.attributes, how.propagation, how.recursive, how.directory),
  mkdir: (path: string, mode: number, uid: number, gid: number) => line('mkdir', path, mode, uid, gid),
  device: (path: string, mode: number, major: number, minor: number, uid: number, gid: number) =>
    line('device', path, mode, major, minor, uid, gid),
  symlink: (value: string, path: string) => line('symlink', value, path),
  mask: (path: string) => line('mask', path),
  readonly: (path: string) => line('readonly', path),
  sysctl: (name: string, value: string) => line('sysctl', name, value),
  console: (rows: number, columns: number, uid: number, gid: number) => line('console', rows, columns, uid, gid),
  stdio: (uid: number, gid: number) => line('stdio', uid, gid),
  pivotRoot: () => line('pivot-root'),
  remountRoot: (attributes: number) => line('remount-root', attributes),
  hostname: (name: string) => line('hostname', name),
  domainname: (name: string) => line('domainname', name),
  rlimit: (resource: number, soft: bigint, hard: bigint) => line('rlimit', resource, soft, hard),
  oomScore: (score: number) => line('oom-score', String(score)),
  workingDirectory: (path: string, uid: number, gid: number) => line('working-directory', path, uid, gid),
  user: (uid: number, gid: number, groups: readonly number[]) => line('user', uid, gid, ...groups),
  noNewPrivileges: () => line('no-new-privileges'),
  boundingSet: (mask: bigint) => line('bounding-set', mask),
  capabilities: (permitted: bigint, effective: bigint, inheritable: bigint, ambient: bigint) =>
    line('capabilities', permitted, effective, inheritable, ambient),
  seccomp: (flags: number, program: Uint8Array, families?: bigint) =>
    families === undefined ? line('seccomp', flags, program) : line('seccomp', flags, program, families),
  deathSignal: (signal: number) => line('death-signal', signal),
  session: () => line('session'),
  umask: (mask: number) => line('umask', mask),
  environment: (variables: readonly string[]) => line('environment', ...variables),
  awaitGo: () => line('await-go'),
  init: () => line('init'),
  exec: (argv: readonly string[]) => line('exec', ...argv),
  processLabel: (kind: 'apparmor' | 'selinux', label: string) => line('process-label', kind, label),
  keyring: () => line('keyring'),
  mountAttributes: (path: string, set: number, clear: number, propagationType: number, recursive: boolean) =>
    line('mount-attributes', path, set, clear, propagationType, recursive),
} as const;

const lengthOf = (argument: PlanArgument): number => {
  if (typeof argument === 'string') return Buffer.byteLength(argument);
  return argument instanceof Uint8Array ? argument.length : 8;
};

/** The plan as the monitor reads it. */
export function encodePlan(plan: Plan): Uint8Array {
  let size = 0;
  for (const { args } of plan) {
    size += 4;
    for (const argument of args) size += 4 + lengthOf(argument);
  }
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { op, args } of plan) {
    at = bytes.writeUInt16LE(opNumber[op], at);
    at = bytes.writeUInt16LE(args.length, at);
    for (const argument of args) {
      const length = lengthOf(argument);
      at = bytes.writeUInt32LE(length, at);
      if (typeof argument === 'string') bytes.write(argument, at);
      else if (argument instanceof Uint8Array) bytes.set(argument, at);
      else bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(argument)), at);
      at += length;
    }
  }
  return bytes;
}
