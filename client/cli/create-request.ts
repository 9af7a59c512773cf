// Owns the translation of `run` options to the body of a create request. Pure but for the files that options name.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ContainerCreateRequest, HostConfig } from '../../api-spec/index.ts';
import { UsageError, type Values } from './command.ts';
import { envFileLines, parseBytes, parseEnvironment, parseInteger, parseMap, parsePublish } from './values.ts';

/** Options that describe the container (as against those that describe the run). */
export const containerOptions = {
  'add-host': { value: 'HOST:IP', many: true, help: 'Add a line to /etc/hosts' },
  'cap-add': { value: 'CAP', many: true, help: 'Add a capability' },
  'cap-drop': { value: 'CAP', many: true, help: 'Drop a capability' },
  'cgroup-parent': { value: 'PATH', help: 'Parent cgroup' },
  'cpu-shares': { short: 'c', value: 'N', help: 'Relative weight of processor time' },
  cpus: { value: 'N', help: 'Number of processors' },
  'cpuset-cpus': { value: 'LIST', help: 'Processors to use (0-2,4)' },
  device: { value: 'DEVICE', many: true, help: 'Add a device of the host' },
  dns: { value: 'IP', many: true, help: 'Set a DNS server' },
  entrypoint: { value: 'COMMAND', help: "Replace the image's entrypoint" },
  env: { short: 'e', value: 'NAME=VALUE', many: true, help: 'Set an environment variable' },
  'env-file': { value: 'FILE', many: true, help: 'Read environment variables from a file' },
  hostname: { short: 'h', value: 'NAME', help: 'Host name of the container' },
  init: { help: 'Run an init inside that reaps processes' },
  interactive: { short: 'i', help: 'Keep stdin open' },
  ipc: { value: 'MODE', help: 'IPC namespace' },
  label: { short: 'l', value: 'KEY=VALUE', many: true, help: 'Set a label' },
  'log-driver': { value: 'NAME', help: 'Log driver' },
  'log-opt': { value: 'KEY=VALUE', many: true, help: 'Option of the log driver' },
  memory: { short: 'm', value: 'SIZE', help: 'Limit of memory' },
  'memory-swap': { value: 'SIZE', help: 'Limit of memory and swap together, -1: none' },
  network: { value: 'NETWORK', help: 'Network: bridge, host, none, container:NAME or the name of one' },
  pid: { value: 'MODE', help: 'PID namespace' },
  'pids-limit': { value: 'N', help: 'Limit of processes, -1: none' },
  privileged: { help: 'Give all privileges' },
  publish: { short: 'p', value: '[HOST:]PORT', many: true, help: 'Publish a port' },
  'read-only': { help: 'Mount the root file system read-only' },
  restart: { value: 'POLICY', help: 'no, always, unless-stopped or on-failure[:N]' },
  rm: { help: 'Remove the container when it ends' },
  'security-opt': { value: 'OPTION', many: true, help: 'Security option' },
  'shm-size': { value: 'SIZE', help: 'Size of /dev/shm' },
  'stop-signal': { value: 'SIGNAL', help: 'Signal that stops the container' },
  'stop-timeout': { value: 'SECONDS', help: 'Time to wait before it is killed' },
  sysctl: { value: 'NAME=VALUE', many: true, help: 'Set a kernel parameter of its namespaces' },
  tmpfs: { value: 'PATH[:OPTIONS]', many: true, help: 'Mount a tmpfs' },
  tty: { short: 't', help: 'Give it a terminal' },
  ulimit: { value: 'NAME=SOFT[:HARD]', many: true, help: 'Set a resource limit' },
  user: { short: 'u', value: 'USER[:GROUP]', help: 'User to run as' },
  userns: { value: 'MODE', help: 'User namespace' },
  uts: { value: 'MODE', help: 'UTS namespace' },
  volume: { short: 'v', value: 'SOURCE:TARGET[:OPTIONS]', many: true, help: 'Mount a volume or a path of the host' },
  workdir: { short: 'w', value: 'PATH', help: 'Working directory' },
} as const;

type ContainerValues = Values<typeof containerOptions>;

function parseRestart(text: string): HostConfig['RestartPolicy'] {
  const [name = '', count] = text.split(':');
  return { Name: name, MaximumRetryCount: count === undefined ? 0 : parseInteger('--restart', count) };
}

function parseUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const match = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (!match) {
    throw new UsageError(`invalid value ${JSON.stringify(text)} for --ulimit: expected NAME=SOFT[:HARD]`);
  }
  return { Name: match[1] ?? '', Soft: Number(match[2]), Hard: Number(match[3] ?? match[2]) };
}

function parseDevice(text: string): NonNullable<HostConfig['Devices']>[number] {
  const [host = '', second = '', third] = text.split(':');
  const onlyAccess = third === undefined && /^[rwm]{1,3}$/.test(second);
  return {
    PathOnHost: host,
    PathInContainer: second === '' || onlyAccess ? host : second,
    CgroupPermissions: onlyAccess ? second : (third ?? 'rwm'),
  };
}

function parseCpus(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) {
    throw new UsageError(`invalid value ${JSON.stringify(text)} for --cpus: expected a number`);
  }
  return Math.round(Number(text) * 1e9);
}

/** With a colon a bind or a named volume (a relative source is one of this directory), without one an anonymous volume. */
function splitVolumes(given: readonly string[]): { binds: string[]; anonymous: Record<string, Record<never, never>> } {
  const binds = given
    .filter((one) => one.includes(':'))
    .map((one) => {
      const at = one.indexOf(':');
      const source = one.slice(0, at);
      return /^\.\.?(\/|$)/.test(source) ? resolve(source) + one.slice(at) : one;
    });
  return { binds, anonymous: Object.fromEntries(given.filter((one) => !one.includes(':')).map((one) => [one, {}])) };
}

function readEnvFile(path: string): string[] {
  try {
    return envFileLines(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--env-file ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function hostConfig(values: ContainerValues, ports: ReturnType<typeof parsePublish>, binds: string[]): HostConfig {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const port of ports) {
    bindings[port.container] = [...(bindings[port.container] ?? []), { HostIp: port.hostIp, HostPort: port.hostPort }];
  }
  const swap = values['memory-swap'];
  const optional = <T>(text: string | undefined, parse: (text: string) => T): T | undefined =>
    text === undefined ? undefined : parse(text);
  return {
    AutoRemove: values.rm,
    Binds: binds,
    CapAdd: [...values['cap-add']],
    CapDrop: [...values['cap-drop']],
    CgroupParent: values['cgroup-parent'],
    CpuShares: optional(values['cpu-shares'], (text) => parseInteger('--cpu-shares', text)),
    CpusetCpus: values['cpuset-cpus'],
    Devices: values.device.map(parseDevice),
    Dns: [...values.dns],
    ExtraHosts: [...values['add-host']],
    Init: values.init || undefined,
    IpcMode: values.ipc,
    LogConfig: { Type: values['log-driver'] ?? '', Config: parseMap(values['log-opt']) },
    Memory: optional(values.memory, (text) => parseBytes('--memory', text)),
    MemorySwap: optional(swap, (text) => (text === '-1' ? -1 : parseBytes('--memory-swap', text))),
    NanoCpus: optional(values.cpus, parseCpus),
    NetworkMode: values.network ?? 'default',
    PidMode: values.pid,
    PidsLimit: optional(values['pids-limit'], (text) => parseInteger('--pids-limit', text)),
    PortBindings: bindings,
    Privileged: values.privileged,
    ReadonlyRootfs: values['read-only'],
    RestartPolicy: parseRestart(values.restart ?? 'no'),
    SecurityOpt: [...values['security-opt']],
    ShmSize: optional(values['shm-size'], (text) => parseBytes('--shm-size', text)),
    Sysctls: parseMap(values.sysctl),
    Tmpfs: Object.fromEntries(values.tmpfs.map((one) => [one.split(':')[0], one.split(':').slice(1).join(':')])),
    Ulimits: values.ulimit.map(parseUlimit),
    UTSMode: values.uts,
    UsernsMode: values.userns,
  };
}

/** The body for `image` and the command behind it. Throws UsageError for values that are not what their option takes. */
export function createRequest(
  values: ContainerValues,
  [image, ...command]: readonly string[],
  detach: boolean,
  environment: Readonly<Record<string, string | undefined>>,
): ContainerCreateRequest {
  const { binds, anonymous } = splitVolumes(values.volume);
  const ports = values.publish.flatMap(parsePublish);
  const env = [...values['env-file'].flatMap(readEnvFile), ...values.env];
  return {
    Image: image,
    Cmd: command.length > 0 ? command : undefined,
    // An empty one takes the image's away.
    Entrypoint: values.entrypoint === undefined ? undefined : [values.entrypoint],
    Env: parseEnvironment(env, environment),
    ExposedPorts: Object.fromEntries(ports.map((port) => [port.container, {}])),
    Hostname: values.hostname,
    Labels: parseMap(values.label),
    StopSignal: values['stop-signal'],
    StopTimeout:
      values['stop-timeout'] === undefined ? undefined : parseInteger('--stop-timeout', values['stop-timeout']),
    Tty: values.tty,
    User: values.user,
    Volumes: anonymous,
    WorkingDir: values.workdir,
    AttachStdin: values.interactive && !detach,
    AttachStdout: !detach,
    AttachStderr: !detach,
    OpenStdin: values.interactive,
    StdinOnce: values.interactive && !detach,
    HostConfig: hostConfig(values, ports, binds),
  };
}
