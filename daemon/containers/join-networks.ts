// Owns the network side of a start: the namespace, the endpoints, the resolver.
import { join } from 'node:path';
import { close } from '../../addon/index.ts';
import type { UndoStack } from '../base/undo-stack.ts';
import { portRequests } from '../networks/ports.ts';
import type { Endpoint, Sandbox } from '../networks/types.ts';
import { isPredefined } from '../networks/validate.ts';
import type { BindMount } from '../runtime/types.ts';
import { type Engine, running } from './engine.ts';
import { nameServiceOf, writeNetworkFiles } from './network-files.ts';
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
  /** Of the engine's resolver in the namespace; empty when it has none. */
  readonly sockets: readonly number[];
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
  engine.fault?.('network-files');
  const hostname = record.config.Hostname ?? '';
  const resolver = plan.joins.some(({ network }) => !isPredefined(network)) ? sandbox : undefined;
  writeNetworkFiles(engine, record, {
    namespace: plan.namespace,
    networked: plan.joins.some(({ network }) => network !== 'none'),
    resolver: resolver !== undefined,
    hostname,
    endpoints,
  });
  return {
    namespace: plan.namespace,
    descriptor: sandbox?.namespace,
    hostname,
    domainname: record.config.Domainname ?? '',
    files: fileBinds(record, containerDirectory(engine, record.id)),
    sockets: resolver !== undefined ? await serveNames(engine, record, resolver) : [],
  };
}

/** The sockets stay the resolver's; the monitor gets duplicates, so that they outlive this daemon. */
function serveNames(engine: Engine, record: ContainerRecord, sandbox: Sandbox): Promise<readonly number[]> {
  const service = nameServiceOf(engine, record);
  return engine.networks.serveNames({ containerId: record.id, namespace: sandbox.namespace, service });
}

/** A network that is not there is refused at its attachment, with Docker's message. */
export function isInternal(engine: Engine, network: string): boolean {
  try {
    return engine.networks.get(network).internal;
  } catch {
    return false;
  }
}

export function attachOne(
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
    hostname: record.config.Hostname,
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
  if (otherMode === 'host') return { namespace: 'host', ...shared, files, sockets: [] };
  const sandbox = await engine.networks.openSandbox(other.pid);
  descriptors.push(sandbox.namespace);
  close(sandbox.netlink);
  return { namespace: 'own', descriptor: sandbox.namespace, ...shared, files, sockets: [] };
}
