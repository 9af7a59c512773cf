// Owns the contract of control groups: one interface over v1, v2 and hybrid hosts. The mechanism is in v1.ts, v2.ts and hybrid.ts, what
// the host has in detect.ts. Speaks of groups by path below each hierarchy's root (`/tsd-1a2b3c4d/<id>`), never of containers.
import type { LinuxResources } from './resources.ts';

export type CgroupMode = 'v1' | 'v2' | 'hybrid';

/** A mounted hierarchy: one of v1 with its controllers, or the single one of v2. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** v1: the controllers that are mounted together (`cpu`, `cpuacct`), or `name=systemd`. v2: those in cgroup.controllers. */
  readonly controllers: readonly string[];
  /** Host path of its mount point. */
  readonly mountPoint: string;
  /** Group of this process in it, the root of everything below: mostly `/`. */
  readonly ownPath: string;
}

export interface BlockIoEntry {
  readonly major: number;
  readonly minor: number;
  /** `read`, `write`, `sync`, `async`, `discard`, `total` in lower case. */
  readonly operation: string;
  readonly value: number;
}

/** Pressure stall information (Documentation/accounting/psi.rst). */
export interface Pressure {
  readonly some: PressureLine;
  readonly full?: PressureLine;
}
export interface PressureLine {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  /** Microseconds. */
  readonly total: number;
}

/** One reading. Numbers that the kernel does not offer are absent. */
export interface CgroupStatistics {
  readonly cpu?: {
    /** Nanoseconds. */
    readonly totalUsage: number;
    readonly userUsage: number;
    readonly systemUsage: number;
    readonly perCpuUsage?: readonly number[];
    readonly periods: number;
    readonly throttledPeriods: number;
    /** Nanoseconds. */
    readonly throttledTime: number;
  };
  readonly memory?: {
    /** Bytes; absent limit: none. */
    readonly usage: number;
    readonly maxUsage?: number;
    readonly limit?: number;
    readonly failures: number;
    readonly swapUsage?: number;
    /** The lines of memory.stat as the kernel names them. */
    readonly details: Readonly<Record<string, number>>;
  };
  readonly pids?: { readonly current: number; readonly limit?: number };
  readonly blockIo?: {
    readonly serviceBytes: readonly BlockIoEntry[];
    readonly serviced: readonly BlockIoEntry[];
  };
  readonly hugepages?: Readonly<
    Record<string, { readonly usage: number; readonly maxUsage?: number; readonly failures: number }>
  >;
  readonly pressure?: { readonly cpu?: Pressure; readonly memory?: Pressure; readonly io?: Pressure };
}

/** Where a process has to be put to be in a group. */
export interface CgroupEntry {
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  /** Host path of the group's directory. */
  readonly directory: string;
  /** Host path of the hierarchy's mount point. */
  readonly mountPoint: string;
}

/**
 * Control groups of a host. `path` begins with a slash. All calls but `remove` are short, synchronous file operations on kernel memory;
 * failures are EngineErrors that name the file and the value.
 */
export interface Cgroups {
  readonly mode: CgroupMode;
  /** Controllers that can be used, sorted: `blkio` (`io` on v2), `cpu`, `cpuset`, `devices`, `freezer`, `hugetlb`, `memory`, `pids`, … */
  readonly controllers: readonly string[];
  /** Makes the group in every hierarchy (existing ones are fine) and writes its limits; undone when a limit is refused. */
  create(path: string, resources: LinuxResources): void;
  /** Writes limits of an existing group; the values before are restored when one is refused. */
  update(path: string, resources: LinuxResources): void;
  /** The group's directories, for the launch of a process into it. */
  entries(path: string): readonly CgroupEntry[];
  freeze(path: string): Promise<void>;
  thaw(path: string): Promise<void>;
  /** SIGKILL to every process of the group and of groups below. */
  killAll(path: string): void;
  /** Process ids of the group and of groups below it. */
  processes(path: string): readonly number[];
  /** How many processes the out-of-memory killer took in this group since it was made; 0 when the kernel cannot tell or the group is gone. */
  oomKills(path: string): number;
  statistics(path: string): CgroupStatistics;
  exists(path: string): boolean;
  /** Removes the group and those below it in every hierarchy. Waits for its last process to be gone, without polling. Missing ones are fine. */
  remove(path: string): Promise<void>;
  /** Names of the groups directly below `parent`, of all hierarchies: for sweeping. */
  list(parent: string): readonly string[];
  /** What of `resources` this host cannot do, as sentences for the user (`Your kernel does not support …`). Nothing is written. */
  unsupported(resources: LinuxResources): readonly string[];
}
