// Owns the network side of a start: the namespace, the endpoints, and the files that name them (hosts, hostname, resolv.conf).
import { readFileSync, writeFileSync } from 'node:fs';
import { hostname as hostName } from 'node:os';
import { join } from 'node:path';
import { close } from '../../addon/index.ts';
import type { UndoStack } from '../base/undo-stack.ts';
import { portRequests } from '../networks/ports.ts';
import type { Endpoint, Sandbox } from '../networks/types.ts';
import type { BindMount } from '../runtime/types.ts';
import { type Engine, running } from './engine.ts';
import { hostsFile, resolvConf } from './hosts-files.ts';
import { type Join, networkPlan } from './network-plan.ts';
import { containerDirectory } from './paths.ts';
import type { ContainerRecord } from './types.ts';

export interface Joined {
  readonly namespace: 'own' | 'host';
  /** Of the namespace; absent when it is the host's. */
  readonly descriptor?: number;
  readonly hostname: string;
  readonly domainname: string;
  readonly files: readonly BindMount[];
}

const fileNames = ['resolv.conf', 'hostname', 'hosts'] as const;

/** The engine's three files over the image's, unless the user mounts something there. */
function fileBinds(record: ContainerRecord, directory: string): readonly BindMount[] {
  const taken = new Set(record.mounts.map(({ destination }) => destination));
  return fileNames
    .filter((name) => !taken.has(`/etc/${name}`))
    .map((name) => ({
      source: join(directory, name),
      target: `/etc/${name}`,
      readOnly: record.hostConfig.ReadonlyRootfs === true,
      recursiveReadOnly: false,
      recursive: true,
      propagation: 'rprivate',
    }));
}

/** Pushes the inverse of each step; descriptors for the caller to close go into `descriptors`. */
export async function joinNetworks(
  engine: Engine,
  record: ContainerRecord,
  undo: UndoStack,
  descriptors: number[],
): Promise<Joined> {
  const plan = networkPlan(record.hostConfig, record.networkingConfig, (name) => isInternal(engine, name));
  if (plan.kind === 'container') return joinOther(engine, record, plan.reference, descriptors);
  let sandbox: Sandbox | undefined;
  if (plan.namespace === 'own') {
    sandbox = await engine.networks.createSandbox();
    descriptors.push(sandbox.namespace, sandbox.netlink);
  }
  undo.push('networks', () => engine.networks.detach(record.id));
  const endpoints: Endpoint[] = [];
  for (const [index, each] of plan.joins.entries()) {
    endpoints.push(await attachOne(engine, record, each, index, sandbox));
  }
  const directory = containerDirectory(engine, record.id);
  const hostname = record.config.Hostname ?? '';
  writeFiles(engine, record, directory, plan.namespace, plan.joins[0]?.network ?? '', hostname, endpoints);
  return {
    namespace: plan.namespace,
    descriptor: sandbox?.namespace,
    hostname,
    domainname: record.config.Domainname ?? '',
    files: fileBinds(record, directory),
  };
}

/** A network that is not there is refused at its attachment, with Docker's message. */
function isInternal(engine: Engine, network: string): boolean {
  try {
    return engine.networks.get(network).internal;
  } catch {
    return false;
  }
}

function attachOne(
  engine: Engine,
  record: ContainerRecord,
  wanted: Join,
  index: number,
  sandbox: Sandbox | undefined,
): Promise<Endpoint> {
  return engine.networks.attach({
    containerId: record.id,
    containerName: record.name,
    network: wanted.network,
    settings: wanted.settings,
    sandbox,
    defaultRoute: wanted.defaultRoute,
    index,
    attributes: {},
    ports: wanted.defaultRoute ? portRequests(record.hostConfig, record.config) : undefined,
  });
}

/** Namespace, name and files are the other container's. */
async function joinOther(
  engine: Engine,
  record: ContainerRecord,
  reference: string,
  descriptors: number[],
): Promise<Joined> {
  const other = running(engine.table, reference, 'network');
  const otherMode = other.hostConfig.NetworkMode ?? '';
  const shared = { hostname: other.config.Hostname ?? '', domainname: other.config.Domainname ?? '' };
  const files = fileBinds(record, containerDirectory(engine, other.id));
  if (otherMode === 'host') return { namespace: 'host', ...shared, files };
  const sandbox = await engine.networks.openSandbox(other.pid);
  descriptors.push(sandbox.namespace);
  close(sandbox.netlink);
  return { namespace: 'own', descriptor: sandbox.namespace, ...shared, files };
}

const readHost = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

function writeFiles(
  engine: Engine,
  record: ContainerRecord,
  directory: string,
  namespace: 'own' | 'host',
  network: string,
  hostname: string,
  endpoints: readonly Endpoint[],
): void {
  const { hostConfig, config } = record;
  const own = namespace === 'own';
  const choose = (asked: readonly string[] | undefined, otherwise: readonly string[]): readonly string[] =>
    asked !== undefined && asked.length > 0 ? asked : otherwise;
  const { defaults } = engine;
  const extraHosts = hostConfig.ExtraHosts ?? [];
  const hosts = own
    ? hostsFile({
        hostname,
        domainname: config.Domainname ?? '',
        addresses: endpoints.flatMap(({ ipAddress, ipv6Address }) => [ipAddress, ipv6Address]),
        extraHosts,
        hostGateway: hostGateway(engine, extraHosts),
      })
    : hostHosts(engine, extraHosts);
  const resolver = resolvConf({
    host: readHost('/etc/resolv.conf'),
    dns: choose(hostConfig.Dns, defaults.dns),
    search: choose(hostConfig.DnsSearch, defaults.dnsSearch),
    options: choose(hostConfig.DnsOptions, defaults.dnsOptions),
    ownNetwork: own && network !== 'none',
  });
  const name = own ? hostname : hostname === '' ? hostName() : hostname;
  writeFileSync(join(directory, 'hosts'), hosts, { mode: 0o644 });
  writeFileSync(join(directory, 'resolv.conf'), resolver, { mode: 0o644 });
  writeFileSync(join(directory, 'hostname'), `${name}\n`, { mode: 0o644 });
}

/** With the host's network: the host's own file, with the extra entries behind. */
function hostHosts(engine: Engine, extraHosts: readonly string[]): string {
  const extra = hostsFile({
    hostname: '',
    domainname: '',
    addresses: [],
    extraHosts,
    hostGateway: hostGateway(engine, extraHosts),
  });
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
