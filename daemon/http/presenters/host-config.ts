// Owns how a container's configuration is shown: what dockerd always sends is there, lists that were never set are null. Pure.
import {
  atLeast,
  type ContainerConfig,
  type ContainerConfigView,
  type HostConfig,
  type HostConfigView,
} from '../../../api-spec/index.ts';
import type { ContainerRecord } from '../../containers/types.ts';

const hostDefaults: HostConfigView = {
  Binds: null,
  ContainerIDFile: '',
  LogConfig: { Type: 'json-file', Config: {} },
  NetworkMode: 'bridge',
  PortBindings: {},
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: 'private',
  Dns: null,
  DnsOptions: null,
  DnsSearch: null,
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: 'private',
  Cgroup: '',
  Links: null,
  OomScoreAdj: 0,
  PidMode: '',
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: 67108864,
  Runtime: 'runc',
  Isolation: '',
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: null,
  BlkioDeviceReadBps: null,
  BlkioDeviceWriteBps: null,
  BlkioDeviceReadIOps: null,
  BlkioDeviceWriteIOps: null,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: null,
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
  Ulimits: null,
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
  MaskedPaths: null,
  ReadonlyPaths: null,
};

const isSet = ([, value]: readonly [string, unknown]): boolean => value !== undefined;

/** HostConfig as inspect shows it to a client of this version. */
export function presentHostConfig(config: HostConfig, version: string): HostConfigView {
  const set = Object.fromEntries(Object.entries(config).filter(isSet)) as HostConfig;
  const view: HostConfigView = { ...hostDefaults, ...set };
  // The client's -1 means: as the parent has it.
  if (view.MemorySwappiness === -1) view.MemorySwappiness = null;
  // No limit, in every way to say it.
  if ((view.PidsLimit ?? 0) <= 0) view.PidsLimit = null;
  if (atLeast(version, '1.42')) delete view.KernelMemory;
  else view.KernelMemory ??= 0;
  if (atLeast(version, '1.52')) delete view.KernelMemoryTCP;
  else view.KernelMemoryTCP ??= 0;
  return view;
}

const configDefaults: ContainerConfigView = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: '',
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
};

/** ContainerConfig as inspect shows it to a client of this version. */
export function presentConfig(config: ContainerConfig, version: string): ContainerConfigView {
  const set = Object.fromEntries(Object.entries(config).filter(isSet)) as ContainerConfig;
  const view: ContainerConfigView = { ...configDefaults, ...set };
  if (atLeast(version, '1.52')) {
    delete view.MacAddress;
    if (view.OnBuild === null) delete view.OnBuild;
  }
  return view;
}

/** Legacy links with both names; those of user-defined networks are shown with their network. */
export function presentLinks({ name, hostConfig }: ContainerRecord): HostConfigView['Links'] {
  if (hostConfig.NetworkMode !== 'bridge' || (hostConfig.Links ?? []).length === 0) return null;
  return (hostConfig.Links ?? []).map((link) => {
    const [target = '', alias = target] = link.split(':');
    return `/${target.replace(/^\//, '')}:/${name}/${alias.replace(/^.*\//, '')}`;
  });
}
