// Owns the words in which limits are told to cgroups: the `linux.resources` object of the OCI runtime specification 1.2, the part that
// is used. Knows no file of a hierarchy (v1.ts and v2.ts do) and no default.

/** A rule of the device list, in order; a later one wins. Absent numbers match every device. */
export interface DeviceRule {
  readonly allow: boolean;
  /** `a` is every device; only as the first rule. */
  readonly type: 'a' | 'b' | 'c';
  readonly major?: number;
  readonly minor?: number;
  /** Out of `r` read, `w` write, `m` mknod. */
  readonly access: string;
}

/** A device number and a rate: bytes or operations a second. */
export interface DeviceRate {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

export interface DeviceWeight {
  readonly major: number;
  readonly minor: number;
  readonly weight: number;
}

export interface MemoryResources {
  /** Bytes; -1 is unlimited. */
  readonly limit?: number;
  /** Soft limit in bytes. */
  readonly reservation?: number;
  /** Memory and swap together in bytes; -1 is unlimited. */
  readonly swap?: number;
  /** 0 to 100. */
  readonly swappiness?: number;
  readonly disableOOMKiller?: boolean;
  /** Bytes above which the kernel reclaims and slows down; v2 only. Not in the OCI specification. */
  readonly high?: number;
}

export interface CpuResources {
  /** Relative weight, 2 to 262144, 1024 the default. */
  readonly shares?: number;
  /** Microseconds a period; -1 is unlimited. */
  readonly quota?: number;
  /** Microseconds. */
  readonly period?: number;
  /** Microseconds that may be saved up. */
  readonly burst?: number;
  readonly realtimeRuntime?: number;
  readonly realtimePeriod?: number;
  /** Lists as in cpuset(7): `0-2,7`. */
  readonly cpus?: string;
  readonly mems?: string;
}

export interface BlockIoResources {
  /** 10 to 1000. */
  readonly weight?: number;
  readonly weightDevice?: readonly DeviceWeight[];
  readonly throttleReadBpsDevice?: readonly DeviceRate[];
  readonly throttleWriteBpsDevice?: readonly DeviceRate[];
  readonly throttleReadIOPSDevice?: readonly DeviceRate[];
  readonly throttleWriteIOPSDevice?: readonly DeviceRate[];
}

export interface HugepageLimit {
  /** As in the file names: `2MB`, `1GB`. */
  readonly pageSize: string;
  /** Bytes. */
  readonly limit: number;
}

/** What is absent is left as the kernel has it. */
export interface LinuxResources {
  readonly devices?: readonly DeviceRule[];
  readonly memory?: MemoryResources;
  readonly cpu?: CpuResources;
  readonly blockIO?: BlockIoResources;
  readonly pids?: { readonly limit: number };
  readonly hugepageLimits?: readonly HugepageLimit[];
  /** Class of net_cls on v1. */
  readonly network?: { readonly classID?: number };
  /** Files of cgroup v2 written as they are, by name. */
  readonly unified?: Readonly<Record<string, string>>;
}
