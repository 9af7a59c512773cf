// Owns the wire shapes of a container: inspect and list, with the differences of the API versions. Pure.
import {
  atLeast,
  type ContainerInspect,
  type ContainerState,
  type ContainerSummary,
  type Health,
  type MountPoint as MountPointView,
  type OOMReport,
} from '../../../api-spec/index.ts';
import { rfc3339Nano } from '../../base/time.ts';
import type { ContainerRecord, ContainerView, MountPoint } from '../../containers/types.ts';
import { statusText, statusWord } from './container-status.ts';
import { presentConfig, presentHostConfig, presentLinks } from './host-config.ts';
import { type NetworkNames, presentEndpoints, presentNetworkSettings, presentPorts } from './network-settings.ts';

const PLATFORM = 'linux';

function presentMount(mount: MountPoint): MountPointView {
  const named = mount.type === 'volume';
  return {
    Type: mount.type,
    ...(named ? { Name: mount.name } : {}),
    Source: mount.source,
    Destination: mount.destination,
    ...(named ? { Driver: mount.driver } : {}),
    Mode: mount.mode,
    RW: mount.rw,
    Propagation: mount.propagation,
  };
}

function presentHealth({ health }: ContainerView): { readonly Health?: Health } {
  if (health === undefined) return {};
  return {
    Health: {
      Status: health.status,
      FailingStreak: health.failingStreak,
      Log: health.log.map(({ startNs, endNs, exitCode, output }) => ({
        Start: rfc3339Nano(startNs),
        End: rfc3339Nano(endNs),
        ExitCode: exitCode,
        Output: output,
      })),
    },
  };
}

function presentOomReport({ oomReport: report }: ContainerView): { readonly OOMReport?: OOMReport } {
  if (report === undefined) return {};
  const { victim } = report;
  const optional = (key: string, value: number | undefined) => (value === undefined ? {} : { [key]: value });
  return {
    OOMReport: {
      Victim: {
        Pid: victim.pid,
        Name: victim.name,
        Anonymous: victim.anonymousBytes,
        File: victim.fileBytes,
        Shared: victim.sharedBytes,
      },
      ...optional('Usage', report.usageBytes),
      ...optional('Limit', report.limitBytes),
      ...optional('SwapUsage', report.swapUsageBytes),
      ...optional('SwapLimit', report.swapLimitBytes),
      MemoryByKind: { ...report.memoryByKind },
      Processes: report.processes.map(({ pid, name, residentBytes }) => ({
        Pid: pid,
        Name: name,
        Resident: residentBytes,
      })),
    },
  };
}

function presentState(view: ContainerView): ContainerState {
  const { record } = view;
  const status = statusWord(record);
  const running = status === 'running' || status === 'paused' || status === 'restarting';
  return {
    Status: status,
    Running: running,
    Paused: status === 'paused',
    Restarting: status === 'restarting',
    OOMKilled: record.oomKilled,
    Dead: status === 'dead',
    Pid: running && status !== 'restarting' ? record.pid : 0,
    ExitCode: status === 'running' || status === 'paused' ? 0 : record.exitCode,
    Error: record.error,
    StartedAt: rfc3339Nano(record.startedNs),
    FinishedAt: rfc3339Nano(record.finishedNs),
    ...presentHealth(view),
    ...presentOomReport(view),
  };
}

const argvOf = (record: ContainerRecord): readonly string[] => [
  ...(record.config.Entrypoint ?? []),
  ...(record.config.Cmd ?? []),
];

/** The answer of inspect. */
export function presentContainer(view: ContainerView, names: NetworkNames, version: string): ContainerInspect {
  const { record } = view;
  const [path = '', ...args] = argvOf(record);
  return {
    Id: record.id,
    Created: rfc3339Nano(record.createdNs),
    Path: path,
    Args: args,
    State: presentState(view),
    Image: record.imageId,
    ResolvConfPath: view.resolvConfPath,
    HostnamePath: view.hostnamePath,
    HostsPath: view.hostsPath,
    LogPath: view.logPath,
    ...(view.logLoss === undefined ? {} : { LogLoss: { Bytes: view.logLoss.bytes, Error: view.logLoss.error } }),
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: view.graphDriver.name,
    Platform: PLATFORM,
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: view.execIds.length === 0 ? null : [...view.execIds],
    HostConfig: { ...presentHostConfig(record.hostConfig, version), Links: presentLinks(record) },
    GraphDriver: { Name: view.graphDriver.name, Data: { ...view.graphDriver.data } },
    ...(view.sizeRw === undefined ? {} : { SizeRw: view.sizeRw }),
    ...(view.sizeRootFs === undefined ? {} : { SizeRootFs: view.sizeRootFs }),
    Mounts: record.mounts.map(presentMount),
    Config: presentConfig(record.config, version),
    NetworkSettings: presentNetworkSettings(view, names, version),
  };
}

function commandText(record: ContainerRecord): string {
  const [path = '', ...args] = argvOf(record);
  return [path, ...args.map((one) => (one.includes(' ') ? `'${one}'` : one))].join(' ');
}

/** An entry of the list. `imageName` is what the container's image reference means today. */
export function summarizeContainer(
  view: ContainerView,
  names: NetworkNames,
  imageName: string,
  now: bigint,
  version: string,
): ContainerSummary {
  const { record } = view;
  const annotations = record.hostConfig.Annotations;
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: imageName,
    ImageID: record.imageId,
    Command: commandText(record),
    Created: Number(record.createdNs / 1_000_000_000n),
    Ports: presentPorts(view),
    ...(view.sizeRw === undefined ? {} : { SizeRw: view.sizeRw }),
    ...(view.sizeRootFs === undefined ? {} : { SizeRootFs: view.sizeRootFs }),
    Labels: record.config.Labels ?? {},
    State: statusWord(record),
    Status: statusText(record, now, view.health?.status),
    HostConfig: {
      NetworkMode: record.hostConfig.NetworkMode ?? 'bridge',
      ...(atLeast(version, '1.46') && annotations !== undefined && Object.keys(annotations).length > 0
        ? { Annotations: annotations }
        : {}),
    },
    NetworkSettings: { Networks: presentEndpoints(view, names, version) },
    Mounts: record.mounts.map(presentMount),
    ...(atLeast(version, '1.52')
      ? { Health: { Status: view.health?.status ?? ('none' as const), FailingStreak: view.health?.failingStreak ?? 0 } }
      : {}),
  };
}
