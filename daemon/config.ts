// Owns the configuration of the daemon: flags and daemon.json merged, checked and typed. Reads one file; starts nothing.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { EngineError, invalidArgument, messageOf } from './base/errors.ts';
import { nearest } from './base/nearest.ts';
import type { FlagValues } from './config/command-line.ts';
import { type ListenAddress, parseHost } from './config/hosts.ts';
import { type OptionSpec, options } from './config/options.ts';
import { type RegistryHostSettings, registries } from './config/registries.ts';
import {
  type AddressPool,
  addressPools,
  fromFile,
  fromFlag,
  type JsonValue,
  parseSize,
  show,
  type Ulimit,
  ulimits,
  type Value,
} from './config/values.ts';

export { helpText, parseCommandLine } from './config/command-line.ts';
export type { ListenAddress } from './config/hosts.ts';
export type { AddressPool, Ulimit } from './config/values.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** What SIGHUP may change. */
export interface ReloadableConfig {
  readonly debug: boolean;
  readonly logLevel: LogLevel;
  readonly labels: readonly string[];
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  /** By host; mirrors and trust for any registry. */
  readonly registries: Readonly<Record<string, RegistryHostSettings>>;
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  readonly maxDownloadAttempts: number;
  readonly defaultUlimits: readonly Ulimit[];
  /** Seconds. */
  readonly shutdownTimeout: number;
}

export interface TlsConfig {
  /** Clients must show a certificate. */
  readonly verify: boolean;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** dockerd's options by their names, typed. Paths are absolute. */
export interface DaemonConfig extends ReloadableConfig {
  readonly configFile: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly hosts: readonly ListenAddress[];
  readonly group: string;
  readonly tls?: TlsConfig;
  readonly bridge: string;
  readonly bip: string;
  readonly defaultAddressPools: readonly AddressPool[];
  readonly mtu: number;
  readonly iptables: boolean;
  readonly ipForward: boolean;
  readonly ipMasq: boolean;
  readonly icc: boolean;
  readonly fixedCidr: string;
  readonly defaultGateway: string;
  /** Address that published ports are bound to when the client names none. */
  readonly hostBindingIp: string;
  readonly hostGateway: string;
  readonly ipForwardNoDrop: boolean;
  readonly firewallBackend: string;
  readonly dns: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly logFormat: 'text' | 'json';
  readonly logDriver: 'json-file' | 'local' | 'none';
  readonly logOpts: Readonly<Record<string, string>>;
  /** Bytes. */
  readonly defaultShmSize: number;
  readonly defaultRuntime: string;
  readonly runtimes: readonly string[];
  readonly cgroupParent: string;
  readonly init: boolean;
  readonly seccompProfile: string;
  readonly noNewPrivileges: boolean;
  readonly experimental: boolean;
  readonly liveRestore: boolean;
  readonly validate: boolean;
  /** What was set and changes nothing, as sentences for the log. */
  readonly warnings: readonly string[];
}

export type ReadConfigFile = (path: string) => string;

const readText: ReadConfigFile = (path) => readFileSync(path, 'utf8');

const byKey = new Map(options.flatMap((option) => (option.key === undefined ? [] : [[option.key, option] as const])));

/**
 * The configuration of flags and file. Throws invalid-argument with dockerd's words: a setting in both, an unknown key, a value of
 * the wrong type. A missing file is an error only when `--config-file` names it.
 */
export function loadConfig(flags: FlagValues, read: ReadConfigFile = readText): DaemonConfig {
  const fileOption = options.find((option) => option.flag === 'config-file');
  const named = fileOption === undefined ? undefined : flags.get(fileOption)?.at(-1);
  const configFile = resolve(named ?? fileOption?.initial ?? '');
  const fromCommandLine = new Map([...flags].map(([option, texts]) => [option, fromFlag(option, texts)]));
  let fromJson: Map<OptionSpec, Value>;
  try {
    fromJson = readFile(configFile, named !== undefined, read);
    refuseConflicts(fromCommandLine, fromJson);
  } catch (error) {
    throw invalidArgument(`unable to configure the Docker daemon with file ${configFile}: ${messageOf(error)}`, error);
  }
  return build(configFile, new Map([...fromJson, ...fromCommandLine]));
}

function readFile(path: string, mustExist: boolean, read: ReadConfigFile): Map<OptionSpec, Value> {
  let text: string;
  try {
    text = read(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' && !mustExist) return new Map();
    if (code === 'ENOENT') throw invalidArgument(`open ${path}: no such file or directory`);
    throw error;
  }
  return parseFile(text);
}

function parseFile(text: string): Map<OptionSpec, Value> {
  let json: JsonValue;
  try {
    // An empty file is dockerd's empty configuration.
    json = text.trim() === '' ? {} : (JSON.parse(text.replace(/^\uFEFF/, '')) as JsonValue);
  } catch (error) {
    throw invalidArgument(`the file is not valid JSON: ${messageOf(error)}`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalidArgument('expected a JSON object');
  const entries = Object.entries(json as Record<string, JsonValue>);
  const unknown = entries.map(([key]) => key).filter((key) => !byKey.has(key));
  if (unknown.length > 0) {
    const words = unknown.sort().map((key) => {
      const near = nearest(key, [...byKey.keys()]);
      return near.length === 0 ? key : `${key} (did you mean "${near.join('" or "')}"?)`;
    });
    throw invalidArgument(`the following directives don't match any configuration option: ${words.join(', ')}`);
  }
  const values = new Map<OptionSpec, Value>();
  for (const [key, value] of entries) {
    const option = byKey.get(key);
    if (option !== undefined) values.set(option, fromFile(option, value));
  }
  return values;
}

function refuseConflicts(flags: ReadonlyMap<OptionSpec, Value>, file: ReadonlyMap<OptionSpec, Value>): void {
  const conflicts: string[] = [];
  for (const [option, value] of flags) {
    const other = file.get(option);
    if (other === undefined) continue;
    conflicts.push(`${option.key}: (from flag: ${show(value)}, from file: ${show(other)})`);
  }
  if (conflicts.length > 0) {
    throw invalidArgument(
      `the following directives are specified both as a flag and in the configuration file: ${conflicts.join(', ')}`,
    );
  }
}

/** Typed access to the merged values, initial ones included. */
class Values {
  readonly #set: ReadonlyMap<OptionSpec, Value>;

  constructor(set: ReadonlyMap<OptionSpec, Value>) {
    this.#set = set;
  }

  raw(name: string): Value | undefined {
    const option = options.find((one) => (one.key ?? one.flag) === name);
    if (option === undefined) throw new EngineError('internal', `no option ${name}`);
    const value = this.#set.get(option);
    if (value !== undefined) return value;
    return option.initial === undefined ? undefined : fromFlag(option, [option.initial]);
  }

  text(name: string): string {
    return String(this.raw(name) ?? '');
  }

  path(name: string): string {
    const value = this.text(name);
    return value === '' ? '' : resolve(value);
  }

  boolean(name: string): boolean {
    return this.raw(name) === true;
  }

  integer(name: string, least: number): number {
    const value = Number(this.raw(name) ?? 0);
    if (value < least) throw invalidArgument(`${name}: expected at least ${least}, received ${value}`);
    return value;
  }

  list(name: string): readonly string[] {
    return (this.raw(name) ?? []) as readonly string[];
  }

  oneOf<const T extends readonly string[]>(name: string, allowed: T): T[number] {
    const value = this.text(name);
    if (!allowed.includes(value)) {
      throw invalidArgument(`${name}: expected one of ${allowed.join(', ')}, received "${value}"`);
    }
    return value;
  }

  /** Sentences about what was set without an effect. */
  warnings(): readonly string[] {
    return [...this.#set].flatMap(([option, value]) => {
      const harmless = option.kind === 'boolean' && String(value) === (option.initial ?? 'false');
      if (option.without === undefined || harmless) return [];
      return [`${option.flag === undefined ? option.key : `--${option.flag}`} ${option.without}`];
    });
  }
}

function logLevel(values: Values): LogLevel {
  const text = values.text('log-level').toLowerCase();
  const level = text === 'warning' ? 'warn' : text === 'trace' ? 'debug' : text === 'panic' ? 'fatal' : text;
  if (!['debug', 'info', 'warn', 'error', 'fatal'].includes(level)) {
    throw invalidArgument(`invalid logging level: ${text}: expected one of debug, info, warn, error, fatal`);
  }
  return level as LogLevel;
}

function tlsOf(values: Values): TlsConfig | undefined {
  const verify = values.boolean('tlsverify');
  if (!verify && !values.boolean('tls')) return undefined;
  const directory = process.env.DOCKER_CERT_PATH ?? join(homedir(), '.docker');
  const file = (name: string, initial: string) => values.path(name) || join(directory, initial);
  return { verify, ca: file('tlscacert', 'ca.pem'), cert: file('tlscert', 'cert.pem'), key: file('tlskey', 'key.pem') };
}

/** TCP without TLS is root for everyone who reaches the port: it must be asked for, as with dockerd 28. */
function refuseOpenTcp(values: Values, hosts: readonly ListenAddress[]): void {
  const open = hosts.find((host) => host.kind === 'tcp');
  if (open === undefined || values.raw('tls') !== undefined || values.raw('tlsverify') !== undefined) return;
  throw invalidArgument(
    `hosts: listening on tcp://${open.kind === 'tcp' ? `${open.host}:${open.port}` : ''} without TLS gives root on this host to everyone ` +
      'who reaches it: give --tlsverify with --tlscacert, --tlscert and --tlskey, or --tls=false to do it anyway',
  );
}

function labels(values: Values): readonly string[] {
  const list = values.list('labels');
  const wrong = list.find((label) => !/^[^=]+=/.test(label));
  if (wrong !== undefined) throw invalidArgument(`bad attribute format: ${wrong}: labels are expected as key=value`);
  return [...new Set(list)];
}

function build(configFile: string, set: ReadonlyMap<OptionSpec, Value>): DaemonConfig {
  const values = new Values(set);
  const tls = tlsOf(values);
  const given = values.list('hosts');
  const hosts = (given.length === 0 ? ['unix:///var/run/tsd.sock'] : given).map((host) =>
    parseHost(host, tls !== undefined),
  );
  refuseOpenTcp(values, hosts);
  const bip = values.text('bip');
  if (bip !== '' && !/^\d+\.\d+\.\d+\.\d+\/\d+$/.test(bip)) {
    throw invalidArgument(`bip: expected an address with a prefix length such as 192.168.1.5/24, received "${bip}"`);
  }
  const pidfile = values.path('pidfile');
  if (values.text('pidfile') !== '' && !isAbsolute(pidfile)) throw invalidArgument('pidfile: expected a path');
  return {
    configFile,
    dataRoot: values.path('data-root'),
    execRoot: values.path('exec-root'),
    pidfile,
    hosts,
    group: values.text('group'),
    tls,
    bridge: values.text('bridge'),
    bip,
    defaultAddressPools: addressPools((values.raw('default-address-pools') ?? []) as JsonValue),
    mtu: values.integer('mtu', 68),
    iptables: values.boolean('iptables'),
    ipForward: values.boolean('ip-forward'),
    ipMasq: values.boolean('ip-masq'),
    icc: values.boolean('icc'),
    fixedCidr: values.text('fixed-cidr'),
    defaultGateway: values.text('default-gateway'),
    hostBindingIp: values.text('ip'),
    hostGateway: values.text('host-gateway-ip'),
    ipForwardNoDrop: values.boolean('ip-forward-no-drop'),
    firewallBackend: values.text('firewall-backend') || 'iptables',
    dns: values.list('dns'),
    dnsOptions: values.list('dns-opts'),
    dnsSearch: values.list('dns-search'),
    logFormat: values.oneOf('log-format', ['text', 'json']),
    logDriver: values.oneOf('log-driver', ['json-file', 'local', 'none']),
    logOpts: (values.raw('log-opts') ?? {}) as Readonly<Record<string, string>>,
    defaultShmSize: parseSize('default-shm-size', values.text('default-shm-size')),
    defaultRuntime: values.text('default-runtime'),
    runtimes: Object.keys((values.raw('runtimes') ?? {}) as Readonly<Record<string, JsonValue>>),
    cgroupParent: values.text('cgroup-parent'),
    init: values.boolean('init'),
    seccompProfile: values.text('seccomp-profile'),
    noNewPrivileges: values.boolean('no-new-privileges'),
    experimental: values.boolean('experimental'),
    liveRestore: values.boolean('live-restore'),
    validate: values.boolean('validate'),
    warnings: values.warnings(),
    debug: values.boolean('debug'),
    logLevel: logLevel(values),
    labels: labels(values),
    insecureRegistries: values.list('insecure-registries'),
    registryMirrors: values.list('registry-mirrors'),
    registries: registries((values.raw('registries') ?? {}) as JsonValue),
    maxConcurrentDownloads: values.integer('max-concurrent-downloads', 1),
    maxConcurrentUploads: values.integer('max-concurrent-uploads', 1),
    maxDownloadAttempts: values.integer('max-download-attempts', 1),
    defaultUlimits: ulimits((values.raw('default-ulimits') ?? {}) as JsonValue),
    shutdownTimeout: values.integer('shutdown-timeout', -1),
  };
}
