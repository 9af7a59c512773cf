// Owns the defaults of HostConfig that inspect shows, and the checks that need nothing but the request. Pure. What the runtime enforces
// (capabilities, limits, namespaces, sysctls) it checks itself; this file checks the rest.
import type { ContainerConfig, HostConfig, LogConfig, RestartPolicy } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import { checkLogConfig } from './log-config.ts';
import { storageSize } from './storage-size.ts';

/** What the daemon's configuration gives to containers that do not say otherwise. */
export interface ContainerDefaults {
  readonly cgroupnsMode: 'host' | 'private';
  readonly logConfig: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
  /** Bytes. */
  readonly shmSize: number;
  readonly ulimits: NonNullable<HostConfig['Ulimits']>;
  readonly init: boolean;
  /** Accepted names of --runtime; the first is the default. */
  readonly runtimes: readonly string[];
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** Address that `host-gateway` stands for; empty: the default bridge's gateway. */
  readonly hostGateway: string;
}

const orDefault = (value: string | undefined, otherwise: string): string =>
  value === undefined || value === '' ? otherwise : value;

const logConfig = (given: LogConfig | undefined, defaults: ContainerDefaults): LogConfig => {
  const type = given?.Type ?? '';
  // The daemon's options belong to the daemon's driver.
  if (type === '' || type === defaults.logConfig.Type) {
    return { Type: defaults.logConfig.Type, Config: { ...defaults.logConfig.Config, ...given?.Config } };
  }
  return { Type: type, Config: { ...given?.Config } };
};

function ulimits(given: HostConfig['Ulimits'], defaults: ContainerDefaults): HostConfig['Ulimits'] {
  if (defaults.ulimits.length === 0) return given;
  const own = new Set((given ?? []).map(({ Name }) => Name));
  return [...(given ?? []), ...defaults.ulimits.filter(({ Name }) => !own.has(Name))];
}

/** The request with Docker's defaults filled in: what is frozen with the container. */
export function withDefaults(given: HostConfig, defaults: ContainerDefaults): HostConfig {
  const memory = given.Memory ?? 0;
  const privileged = given.Privileged === true;
  const networkMode = orDefault(given.NetworkMode, 'default');
  const filled: HostConfig = {
    ...given,
    NetworkMode: networkMode === 'default' ? 'bridge' : networkMode,
    LogConfig: logConfig(given.LogConfig, defaults),
    RestartPolicy: {
      Name: orDefault(given.RestartPolicy?.Name, 'no'),
      MaximumRetryCount: given.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    ConsoleSize: given.ConsoleSize?.length === 2 ? given.ConsoleSize : [0, 0],
    CgroupnsMode: orDefault(given.CgroupnsMode, privileged ? 'host' : defaults.cgroupnsMode),
    IpcMode: orDefault(given.IpcMode, 'private'),
    ShmSize: given.ShmSize === undefined || given.ShmSize === 0 ? defaults.shmSize : given.ShmSize,
    Runtime: orDefault(given.Runtime, defaults.runtimes[0] ?? 'runc'),
    OomKillDisable: given.OomKillDisable ?? false,
    Ulimits: ulimits(given.Ulimits, defaults),
  };
  if (defaults.init && given.Init === undefined) filled.Init = true;
  // As documented for --memory-swap: not given with a memory limit means as much swap again.
  if (memory > 0 && (given.MemorySwap ?? 0) === 0) filled.MemorySwap = memory * 2;
  if (!privileged) {
    filled.MaskedPaths = given.MaskedPaths ?? [...defaults.maskedPaths];
    filled.ReadonlyPaths = given.ReadonlyPaths ?? [...defaults.readonlyPaths];
  }
  return filled;
}

/** Throws invalid-argument in Docker's words. */
export function checkRestartPolicy(policy: RestartPolicy | undefined): void {
  const name = policy?.Name ?? 'no';
  const count = policy?.MaximumRetryCount ?? 0;
  const bad = (why: string) => invalidArgument(`invalid restart policy: ${why}`);
  if (!['', 'no', 'always', 'on-failure', 'unless-stopped'].includes(name)) {
    throw bad(`unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  }
  if (count < 0) throw bad('maximum retry count cannot be negative');
  if (count !== 0 && name !== 'on-failure') throw bad("maximum retry count can only be used with 'on-failure'");
}

/** The checks of HostConfig and of its fit with the rest of the request as it came (before defaults). Throws invalid-argument. */
export function checkHostConfig(hostConfig: HostConfig, config: ContainerConfig, defaults: ContainerDefaults): void {
  checkRestartPolicy(hostConfig.RestartPolicy);
  const policy = hostConfig.RestartPolicy?.Name ?? '';
  if (hostConfig.AutoRemove === true && policy !== '' && policy !== 'no') {
    throw invalidArgument("can't create 'AutoRemove' container with restart policy");
  }
  checkLogConfig(logConfig(hostConfig.LogConfig, defaults));
  storageSize(hostConfig);
  for (const entry of hostConfig.ExtraHosts ?? []) {
    const at = entry.indexOf(':');
    if (at <= 0 || at === entry.length - 1) throw invalidArgument(`bad format for add-host: "${entry}"`);
  }
  const runtime = hostConfig.Runtime ?? '';
  if (runtime !== '' && !defaults.runtimes.includes(runtime)) {
    throw invalidArgument(`unknown or invalid runtime name: ${runtime}`);
  }
  if (hostConfig.UTSMode === 'host' && (config.Hostname ?? '') !== '') {
    throw invalidArgument('conflicting options: hostname and the UTS mode');
  }
  checkConsoleSize(hostConfig);
  checkNetworkMode(hostConfig, config);
}

function checkConsoleSize(hostConfig: HostConfig): void {
  const size = hostConfig.ConsoleSize;
  if (size !== undefined && size.length !== 0 && size.length !== 2) {
    throw invalidArgument(`ConsoleSize: expected two numbers (rows, columns), got ${size.length}`);
  }
}

function checkNetworkMode(hostConfig: HostConfig, config: ContainerConfig): void {
  const mode = hostConfig.NetworkMode ?? '';
  const joined = mode.startsWith('container:');
  const conflicting = (what: string) => invalidArgument(`conflicting options: ${what}`);
  const links = (hostConfig.Links ?? []).length > 0;
  if (mode === 'host' && links) {
    throw conflicting("host type networking can't be used with links. This would result in undefined behavior");
  }
  if (!joined) return;
  if (mode === 'container:')
    throw invalidArgument('invalid network mode: container: needs the name or id of a container');
  if ((config.Hostname ?? '') !== '') throw conflicting('hostname and the network mode');
  if (links)
    throw conflicting("container type network can't be used with links. This would result in undefined behavior");
  if ((hostConfig.Dns ?? []).length > 0) throw conflicting('dns and the network mode');
  if ((hostConfig.ExtraHosts ?? []).length > 0) throw conflicting('custom host-to-IP mapping and the network mode');
  if ((config.MacAddress ?? '') !== '') throw conflicting('mac-address and the network mode');
  if (Object.keys(hostConfig.PortBindings ?? {}).length > 0 || hostConfig.PublishAllPorts === true) {
    throw conflicting('port publishing and the container type network mode');
  }
  if (Object.keys(config.ExposedPorts ?? {}).length > 0) {
    throw conflicting('port exposing and the container type network mode');
  }
}

/** Sentences for the answer of create. */
export function warningsOf(hostConfig: HostConfig): readonly string[] {
  const warnings: string[] = [];
  if (hostConfig.NetworkMode === 'host' && Object.keys(hostConfig.PortBindings ?? {}).length > 0) {
    warnings.push('Published ports are discarded when using host network mode');
  }
  return warnings;
}
