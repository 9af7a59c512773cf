// Owns the host-dependent part of a container's configuration, as clients give it and as inspect shows it. Must not know any endpoint.
import { z } from 'zod';
import { boolean, command, int64, listed, string, stringMap, strings, uint16, uint32 } from '../fields.ts';
import { PortMap } from './network.ts';

export const ThrottleDevice = z.object({
  Path: string.optional().describe('Device on the host.'),
  Rate: int64.optional().describe('Bytes or operations a second.'),
});
export type ThrottleDevice = z.output<typeof ThrottleDevice>;

export const WeightDevice = z.object({ Path: string.optional(), Weight: uint16.optional() });
export type WeightDevice = z.output<typeof WeightDevice>;

export const DeviceMapping = z.object({
  PathOnHost: string.optional(),
  PathInContainer: string.optional(),
  CgroupPermissions: string.optional().describe('Any of r, w, m.'),
});
export type DeviceMapping = z.output<typeof DeviceMapping>;

export const DeviceRequest = z.object({
  Driver: string.optional(),
  Count: int64.optional().describe('-1: all there are.'),
  DeviceIDs: strings.optional(),
  Capabilities: z.array(strings).optional().describe('Alternatives, each a list that must hold together.'),
  Options: stringMap.optional(),
});
export type DeviceRequest = z.output<typeof DeviceRequest>;

export const Ulimit = z.object({ Name: string.optional(), Soft: int64.optional(), Hard: int64.optional() });
export type Ulimit = z.output<typeof Ulimit>;

export const RestartPolicy = z.object({
  Name: string.optional().describe('no, always, unless-stopped or on-failure; empty is no.'),
  MaximumRetryCount: int64.optional().describe('For on-failure; 0: no bound.'),
});
export type RestartPolicy = z.output<typeof RestartPolicy>;

export const LogConfig = z.object({
  Type: string.optional().describe('Log driver; empty: the default of the engine.'),
  Config: stringMap.optional(),
});
export type LogConfig = z.output<typeof LogConfig>;

/** A mount as `--mount` asks for it. The value of Type is checked by the engine. */
export const Mount = z.object({
  Type: string.optional().describe('bind, volume, tmpfs, image, npipe or cluster.'),
  Source: string.optional(),
  Target: string.optional(),
  ReadOnly: boolean.optional(),
  Consistency: string.optional(),
  BindOptions: z
    .object({
      Propagation: string.optional(),
      NonRecursive: boolean.optional(),
      CreateMountpoint: boolean.optional(),
      ReadOnlyNonRecursive: boolean.optional(),
      ReadOnlyForceRecursive: boolean.optional(),
    })
    .optional(),
  VolumeOptions: z
    .object({
      NoCopy: boolean.optional(),
      Labels: stringMap.optional(),
      Subpath: string.optional(),
      DriverConfig: z.object({ Name: string.optional(), Options: stringMap.optional() }).optional(),
    })
    .optional(),
  ImageOptions: z.object({ Subpath: string.optional() }).optional(),
  TmpfsOptions: z
    .object({
      SizeBytes: int64.optional(),
      Mode: uint32.optional().describe('Permission bits.'),
      Options: z.array(strings).optional().describe('Each [flag] or [key, value].'),
    })
    .optional(),
  ClusterOptions: z.object({}).optional(),
});
export type Mount = z.output<typeof Mount>;

const resourceFields = {
  CpuShares: int64.optional(),
  Memory: int64.optional().describe('Bytes; 0: no limit.'),
  NanoCpus: int64.optional().describe('Billionths of a processor.'),
  CgroupParent: string.optional(),
  BlkioWeight: uint16.optional(),
  BlkioWeightDevice: z.array(WeightDevice).optional(),
  BlkioDeviceReadBps: z.array(ThrottleDevice).optional(),
  BlkioDeviceWriteBps: z.array(ThrottleDevice).optional(),
  BlkioDeviceReadIOps: z.array(ThrottleDevice).optional(),
  BlkioDeviceWriteIOps: z.array(ThrottleDevice).optional(),
  CpuPeriod: int64.optional().describe('Microseconds.'),
  CpuQuota: int64.optional().describe('Microseconds in each period.'),
  CpuRealtimePeriod: int64.optional().describe('Microseconds.'),
  CpuRealtimeRuntime: int64.optional().describe('Microseconds.'),
  CpusetCpus: string.optional().describe('For example 0-2,4.'),
  CpusetMems: string.optional(),
  Devices: z.array(DeviceMapping).optional(),
  DeviceCgroupRules: strings.optional(),
  DeviceRequests: z.array(DeviceRequest).optional(),
  KernelMemory: int64.optional().describe('Without effect; for old clients.'),
  KernelMemoryTCP: int64.optional().describe('Without effect; for old clients.'),
  MemoryReservation: int64.optional().describe('Bytes.'),
  MemorySwap: int64.optional().describe('Memory and swap together in bytes; -1: no limit.'),
  MemorySwappiness: int64.optional().describe('0 to 100; -1: inherit.'),
  OomKillDisable: boolean.optional(),
  PidsLimit: int64.optional().describe('0 or -1: no limit.'),
  Ulimits: z.array(Ulimit).optional(),
  CpuCount: int64.optional().describe('Windows only.'),
  CpuPercent: int64.optional().describe('Windows only.'),
  IOMaximumIOps: int64.optional().describe('Windows only.'),
  IOMaximumBandwidth: int64.optional().describe('Windows only.'),
} as const;

/** Limits of a container: the part of HostConfig that can be updated later. */
export const Resources = z.object(resourceFields);
export type Resources = z.output<typeof Resources>;

/** How the host runs a container. The engine checks values whose message clients know; here only types are checked. */
export const HostConfig = z.object({
  ...resourceFields,
  Binds: strings.optional().describe('SOURCE:TARGET[:OPTIONS], source a path of the host or a volume name.'),
  ContainerIDFile: string.optional(),
  LogConfig: LogConfig.optional(),
  NetworkMode: string.optional().describe('bridge, host, none, container:REF or the name of a network.'),
  PortBindings: PortMap.optional(),
  RestartPolicy: RestartPolicy.optional(),
  AutoRemove: boolean.optional(),
  VolumeDriver: string.optional(),
  VolumesFrom: strings.optional().describe('REF[:ro|rw].'),
  Mounts: z.array(Mount).optional(),
  ConsoleSize: z.array(uint32).optional().describe('Rows and columns.'),
  Annotations: stringMap.optional(),
  CapAdd: command.optional(),
  CapDrop: command.optional(),
  CgroupnsMode: string.optional().describe('private, host or empty for the default of the engine.'),
  Dns: strings.optional(),
  DnsOptions: strings.optional(),
  DnsSearch: strings.optional(),
  ExtraHosts: strings.optional().describe('HOST:ADDRESS.'),
  GroupAdd: strings.optional(),
  IpcMode: string.optional(),
  Cgroup: string.optional(),
  Links: strings.optional(),
  OomScoreAdj: int64.optional(),
  PidMode: string.optional(),
  Privileged: boolean.optional(),
  PublishAllPorts: boolean.optional(),
  ReadonlyRootfs: boolean.optional(),
  SecurityOpt: strings.optional(),
  StorageOpt: stringMap.optional(),
  Tmpfs: stringMap.optional().describe('Path to mount options.'),
  UTSMode: string.optional(),
  UsernsMode: string.optional(),
  ShmSize: int64.optional().describe('Bytes; 0: the default of the engine.'),
  Sysctls: stringMap.optional(),
  Runtime: string.optional(),
  Isolation: string.optional(),
  Init: boolean.optional(),
  MaskedPaths: strings.optional().describe('Absent: the defaults; an empty list: none.'),
  ReadonlyPaths: strings.optional().describe('Absent: the defaults; an empty list: none.'),
});
export type HostConfig = z.output<typeof HostConfig>;

/** HostConfig as inspect shows it: what dockerd always sends is there, lists that were never set may be null. */
export const HostConfigView = listed(
  HostConfig.required({
    ContainerIDFile: true,
    LogConfig: true,
    NetworkMode: true,
    RestartPolicy: true,
    AutoRemove: true,
    VolumeDriver: true,
    CgroupnsMode: true,
    IpcMode: true,
    Cgroup: true,
    OomScoreAdj: true,
    PidMode: true,
    Privileged: true,
    PublishAllPorts: true,
    ReadonlyRootfs: true,
    UTSMode: true,
    UsernsMode: true,
    ShmSize: true,
    Isolation: true,
    CpuShares: true,
    Memory: true,
    NanoCpus: true,
    CgroupParent: true,
    BlkioWeight: true,
    CpuPeriod: true,
    CpuQuota: true,
    CpuRealtimePeriod: true,
    CpuRealtimeRuntime: true,
    CpusetCpus: true,
    CpusetMems: true,
    MemoryReservation: true,
    MemorySwap: true,
    CpuCount: true,
    CpuPercent: true,
    IOMaximumIOps: true,
    IOMaximumBandwidth: true,
  }),
  {
    Binds: true,
    PortBindings: true,
    VolumesFrom: true,
    ConsoleSize: true,
    CapAdd: true,
    CapDrop: true,
    Dns: true,
    DnsOptions: true,
    DnsSearch: true,
    ExtraHosts: true,
    GroupAdd: true,
    Links: true,
    SecurityOpt: true,
    BlkioWeightDevice: true,
    BlkioDeviceReadBps: true,
    BlkioDeviceWriteBps: true,
    BlkioDeviceReadIOps: true,
    BlkioDeviceWriteIOps: true,
    Devices: true,
    DeviceCgroupRules: true,
    DeviceRequests: true,
    MemorySwappiness: true,
    OomKillDisable: true,
    PidsLimit: true,
    Ulimits: true,
    MaskedPaths: true,
    ReadonlyPaths: true,
  },
);
export type HostConfigView = z.output<typeof HostConfigView>;
