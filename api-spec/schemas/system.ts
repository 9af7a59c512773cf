// Owns the schemas of the engine itself: version, info, events, disk usage, build cache, credentials. Must not know any endpoint.
import { z } from 'zod';
import { boolean, dateTime, int64, string, stringMap, strings } from '../fields.ts';
import { diskUsage } from './common.ts';
import { ContainerSummary } from './container.ts';
import { ImageSummary } from './image.ts';
import { Volume } from './volume.ts';

export const SystemVersion = z.object({
  Platform: z.object({ Name: string }),
  Components: z.array(z.object({ Name: string, Version: string, Details: stringMap.optional() })),
  Version: string,
  ApiVersion: string,
  MinAPIVersion: string,
  GitCommit: string,
  GoVersion: string,
  Os: string,
  Arch: string,
  KernelVersion: string,
  Experimental: boolean.optional(),
  BuildTime: string,
});
export type SystemVersion = z.output<typeof SystemVersion>;

const commit = z.object({ ID: string, Expected: string.optional() });
const pairs = z.array(strings);

export const SystemInfo = z.object({
  ID: string,
  Containers: int64,
  ContainersRunning: int64,
  ContainersPaused: int64,
  ContainersStopped: int64,
  Images: int64,
  Driver: string,
  DriverStatus: pairs,
  SystemStatus: pairs.nullable().optional(),
  DockerRootDir: string,
  Plugins: z.object({
    Volume: strings,
    Network: strings,
    Authorization: strings.nullable(),
    Log: strings,
  }),
  MemoryLimit: boolean,
  SwapLimit: boolean,
  KernelMemory: boolean.optional(),
  KernelMemoryTCP: boolean.optional(),
  CpuCfsPeriod: boolean,
  CpuCfsQuota: boolean,
  CPUShares: boolean,
  CPUSet: boolean,
  PidsLimit: boolean,
  OomKillDisable: boolean,
  IPv4Forwarding: boolean,
  BridgeNfIptables: boolean.optional(),
  BridgeNfIp6tables: boolean.optional(),
  Debug: boolean,
  NFd: int64,
  NGoroutines: int64,
  SystemTime: dateTime,
  LoggingDriver: string,
  CgroupDriver: z.enum(['cgroupfs', 'systemd', 'none']),
  CgroupVersion: z.enum(['1', '2']),
  NEventsListener: int64,
  KernelVersion: string,
  OperatingSystem: string,
  OSVersion: string,
  OSType: string,
  Architecture: string,
  NCPU: int64,
  MemTotal: int64.describe('Bytes.'),
  IndexServerAddress: string,
  RegistryConfig: z.object({
    AllowNondistributableArtifactsCIDRs: strings.nullable().optional(),
    AllowNondistributableArtifactsHostnames: strings.nullable().optional(),
    InsecureRegistryCIDRs: strings,
    IndexConfigs: z.record(
      z.string(),
      z.object({ Name: string, Mirrors: strings, Secure: boolean, Official: boolean }),
    ),
    Mirrors: strings,
  }),
  GenericResources: z.array(z.record(z.string(), z.unknown())).nullable(),
  HttpProxy: string,
  HttpsProxy: string,
  NoProxy: string,
  Name: string,
  Labels: strings,
  ExperimentalBuild: boolean,
  ServerVersion: string,
  ClusterStore: string.optional(),
  ClusterAdvertise: string.optional(),
  Runtimes: z.record(
    z.string(),
    z.object({ path: string, runtimeArgs: strings.optional(), status: stringMap.optional() }),
  ),
  DefaultRuntime: string,
  Swarm: z.object({
    NodeID: string,
    NodeAddr: string,
    LocalNodeState: z.enum(['', 'inactive', 'pending', 'active', 'error', 'locked']),
    ControlAvailable: boolean,
    Error: string,
    RemoteManagers: z.array(z.object({ NodeID: string, Addr: string })).nullable(),
    Nodes: int64.optional(),
    Managers: int64.optional(),
    Cluster: z.record(z.string(), z.unknown()).optional(),
  }),
  LiveRestoreEnabled: boolean,
  Isolation: z.enum(['default', 'hyperv', 'process', '']),
  InitBinary: string,
  ContainerdCommit: commit,
  RuncCommit: commit,
  InitCommit: commit,
  SecurityOptions: strings,
  ProductLicense: string.optional(),
  DefaultAddressPools: z.array(z.object({ Base: string, Size: int64 })).optional(),
  FirewallBackend: z.object({ Driver: string, Info: pairs.optional() }).optional(),
  DiscoveredDevices: z.array(z.object({ Source: string, ID: string })).optional(),
  NRI: z.object({ Info: pairs.optional() }).optional(),
  CDISpecDirs: strings,
  Containerd: z
    .object({ Address: string.optional(), Namespaces: z.object({ Containers: string, Plugins: string }) })
    .optional(),
  Warnings: strings,
});
export type SystemInfo = z.output<typeof SystemInfo>;

export const EventActor = z.object({ ID: string, Attributes: stringMap });

/** One event. `status`, `id` and `from` are the form of clients before 1.22 that many still read. */
export const EventMessage = z.object({
  Type: z.enum([
    'builder',
    'config',
    'container',
    'daemon',
    'image',
    'network',
    'node',
    'plugin',
    'secret',
    'service',
    'volume',
  ]),
  Action: string,
  Actor: EventActor,
  scope: z.enum(['local', 'swarm']),
  time: int64.describe('Seconds since 1970.'),
  timeNano: int64.describe('Nanoseconds since 1970.'),
  status: string.optional(),
  id: string.optional(),
  from: string.optional(),
});
export type EventMessage = z.output<typeof EventMessage>;

export const BuildCache = z.object({
  ID: string,
  Parent: string.optional(),
  Parents: strings.optional(),
  Type: string,
  Description: string,
  InUse: boolean,
  Shared: boolean,
  Size: int64,
  CreatedAt: dateTime,
  LastUsedAt: dateTime.optional(),
  UsageCount: int64,
});
export type BuildCache = z.output<typeof BuildCache>;

export const BuildPruneResponse = z.object({ CachesDeleted: strings.nullable(), SpaceReclaimed: int64 });
export type BuildPruneResponse = z.output<typeof BuildPruneResponse>;

/** Disk usage; bytes. The lists at the end are the form of clients before 1.52. */
export const SystemDataUsage = z.object({
  ImageUsage: diskUsage(ImageSummary).optional(),
  ContainerUsage: diskUsage(ContainerSummary).optional(),
  VolumeUsage: diskUsage(Volume).optional(),
  BuildCacheUsage: diskUsage(BuildCache).optional(),
  LayersSize: int64.optional(),
  Images: z.array(ImageSummary).nullable().optional(),
  Containers: z.array(ContainerSummary).nullable().optional(),
  Volumes: z.array(Volume).nullable().optional(),
  BuildCache: z.array(BuildCache).nullable().optional(),
  BuilderSize: int64.optional(),
});
export type SystemDataUsage = z.output<typeof SystemDataUsage>;

/** Credentials for a registry; also the content of the X-Registry-Auth header (base64url of its JSON). */
export const AuthConfig = z.object({
  username: string.optional(),
  password: string.optional(),
  email: string.optional(),
  serveraddress: string.optional(),
  auth: string.optional(),
  identitytoken: string.optional(),
  registrytoken: string.optional(),
});
export type AuthConfig = z.output<typeof AuthConfig>;

export const AuthResponse = z.object({ Status: string, IdentityToken: string.optional() });
export type AuthResponse = z.output<typeof AuthResponse>;

/** Things of this instance in the kernel or on disk that no row of the database accounts for, and rows without what they should have. */
export const Leaks = z.object({
  Instance: string,
  Leaks: z.array(
    z.object({
      Kind: z.enum(['cgroup', 'directory', 'link', 'mount', 'namespace', 'process', 'row', 'rule']),
      Name: string.describe('A path, an interface, a rule, a pid: there is no second of its kind and name.'),
      Owner: string.optional().describe('Id of the container, network or volume it belongs to, when it can be told.'),
      Problem: string.describe('What is wrong, and what a person has to do when it cannot be healed.'),
      Healable: boolean,
      Healed: boolean.optional().describe('In the answer to a request to heal.'),
      Error: string.optional().describe('Why it could not be healed.'),
    }),
  ),
});
export type Leaks = z.output<typeof Leaks>;
