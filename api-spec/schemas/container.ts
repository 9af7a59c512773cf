// Owns the schemas of containers: configuration, create, list, inspect and the small answers. Must not know any endpoint.
import { z } from 'zod';
import {
  boolean,
  command,
  dateTime,
  int64,
  listed,
  nanoseconds,
  string,
  stringMap,
  stringSet,
  strings,
  uint16,
  uint32,
} from '../fields.ts';
import { DriverData, OciDescriptor } from './common.ts';
import { HostConfig, HostConfigView, Resources, RestartPolicy } from './host-config.ts';
import { EndpointSettingsView, NetworkingConfig, PortMap } from './network.ts';

export const HealthConfig = z.object({
  Test: command
    .optional()
    .describe('[]: inherit, ["NONE"]: none, ["CMD", ARG…]: executed, ["CMD-SHELL", TEXT]: by the shell.'),
  Interval: nanoseconds.optional(),
  Timeout: nanoseconds.optional(),
  StartPeriod: nanoseconds.optional(),
  StartInterval: nanoseconds.optional(),
  Retries: int64.optional(),
});
export type HealthConfig = z.output<typeof HealthConfig>;

/** The portable part of a container's configuration. */
export const ContainerConfig = z.object({
  Hostname: string.optional(),
  Domainname: string.optional(),
  User: string.optional().describe('USER[:GROUP], names or numbers.'),
  AttachStdin: boolean.optional(),
  AttachStdout: boolean.optional(),
  AttachStderr: boolean.optional(),
  ExposedPorts: stringSet.optional(),
  Tty: boolean.optional(),
  OpenStdin: boolean.optional(),
  StdinOnce: boolean.optional(),
  Env: strings.optional().describe('NAME=VALUE; NAME alone removes the one of the image.'),
  Cmd: command.optional(),
  Healthcheck: HealthConfig.optional(),
  ArgsEscaped: boolean.optional(),
  Image: string.optional(),
  Volumes: stringSet.optional(),
  WorkingDir: string.optional(),
  Entrypoint: command.optional(),
  NetworkDisabled: boolean.optional(),
  MacAddress: string.optional().describe('For clients before 1.44; later in the endpoint settings.'),
  OnBuild: strings.optional(),
  Labels: stringMap.optional(),
  StopSignal: string.optional(),
  StopTimeout: int64.optional().describe('Seconds.'),
  Shell: command.optional(),
});
export type ContainerConfig = z.output<typeof ContainerConfig>;

/** ContainerConfig as inspect shows it. */
export const ContainerConfigView = listed(
  ContainerConfig.required({
    Hostname: true,
    Domainname: true,
    User: true,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: true,
    OpenStdin: true,
    StdinOnce: true,
    Image: true,
    WorkingDir: true,
    Labels: true,
  }),
  { Env: true, Cmd: true, Volumes: true, Entrypoint: true },
).extend({ OnBuild: strings.nullable().optional() });
export type ContainerConfigView = z.output<typeof ContainerConfigView>;

export const ContainerCreateRequest = ContainerConfig.extend({
  HostConfig: HostConfig.optional(),
  NetworkingConfig: NetworkingConfig.optional(),
});
export type ContainerCreateRequest = z.output<typeof ContainerCreateRequest>;

export const ContainerCreateResponse = z.object({ Id: string, Warnings: strings });
export type ContainerCreateResponse = z.output<typeof ContainerCreateResponse>;

export const ContainerUpdateRequest = Resources.extend({ RestartPolicy: RestartPolicy.optional() });
export type ContainerUpdateRequest = z.output<typeof ContainerUpdateRequest>;

export const ContainerUpdateResponse = z.object({ Warnings: strings.nullable() });
export type ContainerUpdateResponse = z.output<typeof ContainerUpdateResponse>;

export const ContainerWaitResponse = z.object({
  StatusCode: int64,
  Error: z.object({ Message: string }).optional(),
});
export type ContainerWaitResponse = z.output<typeof ContainerWaitResponse>;

export const ContainerTopResponse = z.object({ Titles: strings, Processes: z.array(strings) });
export type ContainerTopResponse = z.output<typeof ContainerTopResponse>;

/** Kind: 0 modified, 1 added, 2 deleted. */
export const FilesystemChange = z.object({ Path: string, Kind: uint32 });
export type FilesystemChange = z.output<typeof FilesystemChange>;

export const ContainerPruneResponse = z.object({ ContainersDeleted: strings.nullable(), SpaceReclaimed: int64 });
export type ContainerPruneResponse = z.output<typeof ContainerPruneResponse>;

const containerStatus = z.enum(['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead']);
export type ContainerStatus = z.output<typeof containerStatus>;

const healthStatus = z.enum(['none', 'starting', 'healthy', 'unhealthy']);

export const Health = z.object({
  Status: healthStatus,
  FailingStreak: int64,
  Log: z.array(z.object({ Start: dateTime, End: dateTime, ExitCode: int64, Output: string })).nullable(),
});
export type Health = z.output<typeof Health>;

/** An extension: how the last kill for lack of memory came about. Bytes; with swap what counts against its limit. */
export const OOMReport = z.object({
  Victim: z.object({ Pid: int64, Name: string, Anonymous: int64, File: int64, Shared: int64 }),
  Usage: int64.optional(),
  Limit: int64.optional(),
  SwapUsage: int64.optional(),
  SwapLimit: int64.optional(),
  MemoryByKind: z.record(z.string(), int64),
  Processes: z.array(z.object({ Pid: int64, Name: string, Resident: int64 })),
});
export type OOMReport = z.output<typeof OOMReport>;

export const ContainerState = z.object({
  Status: containerStatus,
  Running: boolean,
  Paused: boolean,
  Restarting: boolean,
  OOMKilled: boolean,
  Dead: boolean,
  Pid: int64,
  ExitCode: int64,
  Error: string,
  StartedAt: dateTime,
  FinishedAt: dateTime,
  Health: Health.optional(),
  OOMReport: OOMReport.optional(),
});
export type ContainerState = z.output<typeof ContainerState>;

/** A mount of a container as it came about. */
export const MountPoint = z.object({
  Type: z.enum(['bind', 'cluster', 'image', 'npipe', 'tmpfs', 'volume']),
  Name: string.optional(),
  Source: string,
  Destination: string,
  Driver: string.optional(),
  Mode: string,
  RW: boolean,
  Propagation: string,
});
export type MountPoint = z.output<typeof MountPoint>;

/** Ports and addresses. The fields from Bridge on are of the default bridge and go to clients before 1.52 only. */
export const NetworkSettings = z.object({
  SandboxID: string,
  SandboxKey: string,
  Ports: PortMap,
  Networks: z.record(z.string(), EndpointSettingsView),
  Bridge: string.optional(),
  HairpinMode: boolean.optional(),
  LinkLocalIPv6Address: string.optional(),
  LinkLocalIPv6PrefixLen: int64.optional(),
  SecondaryIPAddresses: z
    .array(z.object({ Addr: string, PrefixLen: int64 }))
    .nullable()
    .optional(),
  SecondaryIPv6Addresses: z
    .array(z.object({ Addr: string, PrefixLen: int64 }))
    .nullable()
    .optional(),
  EndpointID: string.optional(),
  Gateway: string.optional(),
  GlobalIPv6Address: string.optional(),
  GlobalIPv6PrefixLen: int64.optional(),
  IPAddress: string.optional(),
  IPPrefixLen: int64.optional(),
  IPv6Gateway: string.optional(),
  MacAddress: string.optional(),
});
export type NetworkSettings = z.output<typeof NetworkSettings>;

export const ContainerInspect = z.object({
  Id: string,
  Created: dateTime,
  Path: string,
  Args: strings,
  State: ContainerState,
  Image: string,
  ResolvConfPath: string,
  HostnamePath: string,
  HostsPath: string,
  LogPath: string,
  LogLoss: z
    .object({ Bytes: int64, Error: string })
    .optional()
    .describe('Extension: output of the last run that could not be written to the log.'),
  Name: string.describe('With a leading slash.'),
  RestartCount: int64,
  Driver: string,
  Platform: string,
  ImageManifestDescriptor: OciDescriptor.optional(),
  MountLabel: string,
  ProcessLabel: string,
  AppArmorProfile: string,
  ExecIDs: strings.nullable(),
  HostConfig: HostConfigView,
  GraphDriver: DriverData.optional(),
  Storage: z
    .object({ RootFS: z.object({ Snapshot: z.object({ Name: string.optional() }).optional() }).optional() })
    .optional(),
  SizeRw: int64.optional(),
  SizeRootFs: int64.optional(),
  Mounts: z.array(MountPoint),
  Config: ContainerConfigView,
  NetworkSettings: NetworkSettings,
});
export type ContainerInspect = z.output<typeof ContainerInspect>;

export const PortSummary = z.object({
  IP: string.optional(),
  PrivatePort: uint16,
  PublicPort: uint16.optional(),
  Type: z.enum(['tcp', 'udp', 'sctp']),
});
export type PortSummary = z.output<typeof PortSummary>;

export const ContainerSummary = z.object({
  Id: string,
  Names: strings,
  Image: string,
  ImageID: string,
  ImageManifestDescriptor: OciDescriptor.optional(),
  Command: string,
  Created: int64.describe('Seconds since 1970.'),
  Ports: z.array(PortSummary),
  SizeRw: int64.optional(),
  SizeRootFs: int64.optional(),
  Labels: stringMap,
  State: containerStatus,
  Status: string.describe('For people: Up 2 hours.'),
  HostConfig: z.object({ NetworkMode: string.optional(), Annotations: stringMap.optional() }),
  NetworkSettings: z.object({ Networks: z.record(z.string(), EndpointSettingsView) }),
  Mounts: z.array(MountPoint),
  Health: z.object({ Status: healthStatus, FailingStreak: int64 }).optional(),
});
export type ContainerSummary = z.output<typeof ContainerSummary>;
