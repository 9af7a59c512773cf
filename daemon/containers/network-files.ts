// Owns the files of a container that name hosts: hosts, hostname, resolv.conf. Writes them at a start and changes them in a running container.
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname as hostName } from 'node:os';
import { join } from 'node:path';
import type { Endpoint, NameService } from '../networks/types.ts';
import type { Engine } from './engine.ts';
import {
  addHostAddresses,
  hostNames,
  hostsFile,
  type ResolverInput,
  removeHostAddresses,
  resolvConf,
  resolverConf,
} from './hosts-files.ts';
import { linkedHosts } from './links.ts';
import { containerDirectory } from './paths.ts';
import type { ContainerRecord } from './types.ts';

/** What a file of this kind may hold before it is left alone: a container can write to it without end. */
const MAX_BYTES = 1 << 20;

const readHost = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

const choose = (asked: readonly string[] | undefined, otherwise: readonly string[]): readonly string[] =>
  asked !== undefined && asked.length > 0 ? asked : otherwise;

const addressesOf = (endpoints: readonly Endpoint[]): readonly string[] =>
  endpoints.flatMap(({ ipAddress, ipv6Address }) => [ipAddress, ipv6Address]);

const namesOf = ({ config }: ContainerRecord): string => hostNames(config.Hostname ?? '', config.Domainname ?? '');

function resolverInput(engine: Engine, record: ContainerRecord, ownNetwork: boolean): ResolverInput {
  const { hostConfig } = record;
  const { defaults } = engine;
  return {
    host: readHost('/etc/resolv.conf'),
    dns: choose(hostConfig.Dns, defaults.dns),
    search: choose(hostConfig.DnsSearch, defaults.dnsSearch),
    options: choose(hostConfig.DnsOptions, defaults.dnsOptions),
    ownNetwork,
  };
}

/** How the container's resolver asks others. */
export function nameServiceOf(engine: Engine, record: ContainerRecord): NameService {
  const { dns, options } = resolverInput(engine, record, true);
  return { servers: dns, ndots: options.some((option) => option.startsWith('ndots:') && option !== 'ndots:0') };
}

export interface FilesInput {
  readonly namespace: 'own' | 'host';
  /** It has a network, of whatever kind. */
  readonly networked: boolean;
  /** The engine's resolver answers in it. */
  readonly resolver: boolean;
  readonly hostname: string;
  readonly endpoints: readonly Endpoint[];
}

/** At a start. */
export function writeNetworkFiles(engine: Engine, record: ContainerRecord, input: FilesInput): void {
  const { namespace, hostname, endpoints } = input;
  const directory = containerDirectory(engine, record.id);
  const own = namespace === 'own';
  const extraHosts = record.hostConfig.ExtraHosts ?? [];
  const gateway = hostGateway(engine, extraHosts);
  const hosts = own
    ? hostsFile({
        hostname,
        domainname: record.config.Domainname ?? '',
        addresses: addressesOf(endpoints),
        extraHosts,
        hostGateway: gateway,
        links: linkedHosts(engine, record),
      })
    : hostHosts(extraHosts, gateway);
  const name = own ? hostname : hostname === '' ? hostName() : hostname;
  const resolver = resolverInput(engine, record, own && input.networked);
  writeFileSync(join(directory, 'hosts'), hosts, { mode: 0o644 });
  writeFileSync(join(directory, 'resolv.conf'), input.resolver ? resolverConf(resolver) : resolvConf(resolver), {
    mode: 0o644,
  });
  writeFileSync(join(directory, 'hostname'), `${name}\n`, { mode: 0o644 });
}

/** With the host's network: the host's own file, with the extra entries behind. */
function hostHosts(extraHosts: readonly string[], hostGateway: string): string {
  const extra = hostsFile({ hostname: '', domainname: '', addresses: [], extraHosts, hostGateway });
  const fixed = hostsFile({ hostname: '', domainname: '', addresses: [], extraHosts: [], hostGateway: '' });
  const host = readHost('/etc/hosts');
  return `${host}${host === '' || host.endsWith('\n') ? '' : '\n'}${extra.slice(fixed.length)}`;
}

/** The address that `host-gateway` stands for; asked only when somebody uses it. */
function hostGateway(engine: Engine, extraHosts: readonly string[]): string {
  if (!extraHosts.some((entry) => entry.endsWith('host-gateway'))) return '';
  if (engine.defaults.hostGateway !== '') return engine.defaults.hostGateway;
  return engine.networks.get('bridge').pools[0]?.gateway ?? '';
}

/** A running container has an address more, or less. */
export function addHostsOf(engine: Engine, record: ContainerRecord, endpoint: Endpoint): void {
  edit(engine, record, 'hosts', (text) => addHostAddresses(text, addressesOf([endpoint]), namesOf(record)));
}

export function removeHostsOf(engine: Engine, record: ContainerRecord, endpoint: Endpoint): void {
  edit(engine, record, 'hosts', (text) => removeHostAddresses(text, addressesOf([endpoint]), namesOf(record)));
}

/** A running container got the engine's resolver: unless somebody has changed the file, it is asked from now on. */
export function useResolver(engine: Engine, record: ContainerRecord): void {
  const input = resolverInput(engine, record, true);
  const before = [resolvConf(input), resolvConf({ ...input, ownNetwork: false })];
  edit(engine, record, 'resolv.conf', (text) => (before.includes(text) ? resolverConf(input) : text));
}

/** In place: the container has this very file mounted. */
function edit(engine: Engine, record: ContainerRecord, name: string, change: (text: string) => string): void {
  const path = join(containerDirectory(engine, record.id), name);
  const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    if (fstatSync(fd).size > MAX_BYTES) {
      engine.log.warn({ container: record.id }, `${name} is longer than ${MAX_BYTES} bytes and was left as it is`);
      return;
    }
    const text = readFileSync(fd, 'utf8');
    const next = Buffer.from(change(text));
    if (next.equals(Buffer.from(text))) return;
    writeSync(fd, next, 0, next.length, 0);
    ftruncateSync(fd, next.length);
  } finally {
    closeSync(fd);
  }
}
