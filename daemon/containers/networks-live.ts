// Owns joining and leaving networks after the create: in the record, and at once in a container that runs. Runs under the container's lock.

import { close } from '../../addon/index.ts';
import type { EndpointSettings, NetworkingConfig } from '../../api-spec/index.ts';
import { conflict, EngineError, internal, invalidArgument, messageOf, notFound } from '../base/errors.ts';
import { UndoStack } from '../base/undo-stack.ts';
import { portRequests } from '../networks/ports.ts';
import type { Endpoint, Network, Sandbox } from '../networks/types.ts';
import { isPredefined } from '../networks/validate.ts';
import { current, type Engine, resolve } from './engine.ts';
import { attachOne, isInternal } from './join-networks.ts';
import { hasProcess } from './lifecycle.ts';
import { addHostsOf, nameServiceOf, removeHostsOf, useResolver } from './network-files.ts';
import { networkPlan } from './network-plan.ts';
import type { ContainerRecord } from './types.ts';

type Endpoints = NonNullable<NetworkingConfig['EndpointsConfig']>;

const sharedNetwork = (): EngineError =>
  invalidArgument(
    'container sharing network namespace with another container or host cannot be connected to any other network',
  );
const hostNetwork = (): EngineError =>
  invalidArgument('container cannot be disconnected from host network or connected to host network');
const privateNetwork = (): EngineError =>
  invalidArgument('container cannot be connected to multiple networks with one of the networks in private (none) mode');

/** The record's networks, with the key of one of them (a client may have named it by its id). */
function endpointsOf(record: ContainerRecord, network: Network): { readonly all: Endpoints; readonly key: string } {
  const plan = networkPlan(record.hostConfig, record.networkingConfig);
  const joins = plan.kind === 'networks' ? plan.joins : [];
  const all = Object.fromEntries(joins.map((join) => [join.network, join.settings]));
  const key = [network.name, network.id].find((name) => Object.hasOwn(all, name)) ?? network.name;
  return { all, key };
}

function refuseDying(record: ContainerRecord): void {
  if (record.state !== 'removing' && record.state !== 'dead') return;
  throw conflict(`Container ${record.id} is marked for removal and cannot be connected or disconnected to the network`);
}

/** `docker network connect`: now when the container runs, and at every start from then on. Throws in Docker's words. */
export async function connectNetwork(
  engine: Engine,
  reference: string,
  containerReference: string,
  settings: EndpointSettings,
): Promise<void> {
  const network = engine.networks.get(reference);
  const { id } = resolve(engine.table, containerReference);
  await engine.lock.run(id, async () => {
    const record = current(engine.table, id);
    refuseDying(record);
    const { all, key } = endpointsOf(record, network);
    refuseMode(record, network, all);
    engine.networks.validate(network.name, settings);
    const networkingConfig = { ...record.networkingConfig, EndpointsConfig: { ...all, [key]: settings } };
    const changed = { ...record, networkingConfig };
    if (hasProcess(record.state)) {
      await joinLive(engine, record, changed, network, settings);
    } else {
      engine.table.update(id, { networkingConfig });
    }
  });
}

function refuseMode(record: ContainerRecord, network: Network, all: Endpoints): void {
  const mode = record.hostConfig.NetworkMode ?? '';
  if (network.name === 'host') throw hostNetwork();
  if (mode === 'host' || mode.startsWith('container:')) throw sharedNetwork();
  const others = Object.keys(all).filter((name) => name !== network.name);
  if ((network.name === 'none' && others.length > 0) || Object.hasOwn(all, 'none')) throw privateNetwork();
}

/** The endpoint, the route, the files, then the record; all or nothing. */
async function joinLive(
  engine: Engine,
  before: ContainerRecord,
  after: ContainerRecord,
  network: Network,
  settings: EndpointSettings,
): Promise<void> {
  const sandbox = await engine.networks.openSandbox(before.pid);
  const undo = new UndoStack();
  try {
    const index = freeIndex(engine.networks.endpointsOf(before.id));
    // Under its name: its key in the record may be an id.
    const wanted = { network: network.name, settings, defaultRoute: false };
    const endpoint = await attachOne(engine, before, wanted, index, sandbox);
    undo.push('endpoint', () => engine.networks.detach(before.id, network.id));
    undo.push('gateway', () => moveGateway(engine, before, sandbox));
    await moveGateway(engine, after, sandbox);
    if (!isPredefined(network.name)) await serveNames(engine, after, sandbox);
    addHostsOf(engine, after, endpoint);
    engine.table.update(before.id, { networkingConfig: after.networkingConfig });
    undo.commit();
  } catch (error) {
    await undo.unwind((name, failure) =>
      engine.log.error({ err: failure, container: before.id }, `undo ${name}: ${messageOf(failure)}`),
    );
    throw error;
  } finally {
    close(sandbox.netlink);
    close(sandbox.namespace);
  }
}

/** The number of the next interface: eth0, eth1, … */
function freeIndex(endpoints: readonly Endpoint[]): number {
  const used = new Set(endpoints.map(({ interfaceName }) => Number(/\d+$/.exec(interfaceName)?.[0] ?? -1)));
  for (let index = 0; ; index++) if (!used.has(index)) return index;
}

/** The default route and the published ports are where the record's networks want them. */
async function moveGateway(engine: Engine, record: ContainerRecord, sandbox: Sandbox): Promise<void> {
  const plan = networkPlan(record.hostConfig, record.networkingConfig, (name) => isInternal(engine, name));
  if (plan.kind === 'container') return;
  await engine.networks.moveGateway({
    containerId: record.id,
    network: plan.joins.find(({ defaultRoute }) => defaultRoute)?.network,
    sandbox,
    ports: portRequests(record.hostConfig, record.config),
  });
}

/** The engine's resolver, from the first user-defined network on. */
async function serveNames(engine: Engine, record: ContainerRecord, sandbox: Sandbox): Promise<void> {
  const sockets = await engine.networks.serveNames({
    containerId: record.id,
    namespace: sandbox.namespace,
    service: nameServiceOf(engine, record),
  });
  engine.live.get(record.id)?.process.hold(sockets);
  useResolver(engine, record);
}

/** `docker network disconnect`. With `force` what a container that is gone has left on the network is removed. Throws in Docker's words. */
export async function disconnectNetwork(
  engine: Engine,
  reference: string,
  containerReference: string,
  force: boolean,
): Promise<void> {
  const network = engine.networks.get(reference);
  let id: string;
  try {
    id = resolve(engine.table, containerReference).id;
  } catch (error) {
    if (!force || !(error instanceof EngineError) || error.kind !== 'not-found') throw error;
    return forget(engine, network, containerReference);
  }
  await engine.lock.run(id, async () => {
    const record = current(engine.table, id);
    refuseDying(record);
    if (network.name === 'host') throw hostNetwork();
    const { all, key } = endpointsOf(record, network);
    const runs = hasProcess(record.state);
    // A daemon that died in the middle of a connect leaves an endpoint that the record does not know.
    const attached = engine.networks.endpointsOf(id).some(({ networkId }) => networkId === network.id);
    if (!Object.hasOwn(all, key) && !attached) {
      // Docker's two wordings.
      const to = runs ? `to network ${network.name}` : `to the network ${network.name}`;
      throw internal(`container ${id} is not connected ${to}`);
    }
    const { [key]: _left, ...rest } = all;
    const networkingConfig = { ...record.networkingConfig, EndpointsConfig: rest };
    if (runs) await leaveLive(engine, record, { ...record, networkingConfig }, network);
    engine.table.update(id, { networkingConfig });
  });
}

/** An endpoint by the name of a container that is not there any more. */
async function forget(engine: Engine, network: Network, name: string): Promise<void> {
  const left = engine.networks.endpointsOn(network.id).find(({ containerId }) => containerId.startsWith(name));
  if (left === undefined) throw notFound(`endpoint ${name} not found`);
  await engine.networks.detach(left.containerId, network.id);
}

/** The route goes elsewhere before the link goes. */
async function leaveLive(
  engine: Engine,
  before: ContainerRecord,
  after: ContainerRecord,
  network: Network,
): Promise<void> {
  const endpoint = engine.networks.endpointsOf(before.id).find(({ networkId }) => networkId === network.id);
  if (endpoint === undefined) return;
  const sandbox = await engine.networks.openSandbox(before.pid);
  try {
    await moveGateway(engine, after, sandbox);
  } catch (error) {
    engine.log.warn({ err: error, container: before.id }, `leave network ${network.name}: ${messageOf(error)}`);
  } finally {
    close(sandbox.netlink);
    close(sandbox.namespace);
  }
  await engine.networks.detach(before.id, network.id);
  removeHostsOf(engine, after, endpoint);
  await engine.networks.settled();
}

/** After a restart of the daemon: the resolver of a container that ran on, with the sockets that its monitor kept. */
export async function resumeNames(engine: Engine, record: ContainerRecord): Promise<void> {
  const live = engine.live.get(record.id);
  const plan = networkPlan(record.hostConfig, record.networkingConfig);
  if (live === undefined || plan.kind === 'container') return;
  const held = live.process.takeHeld();
  const userDefined = plan.joins.some(({ network }) => !isPredefined(network));
  if (plan.namespace === 'host' || (!userDefined && held.length === 0)) return;
  const sandbox = await engine.networks.openSandbox(record.pid);
  try {
    const service = nameServiceOf(engine, record);
    const request = { containerId: record.id, namespace: sandbox.namespace, service };
    const sockets = await engine.networks.serveNames({ ...request, held });
    if (held.length === 0) live.process.hold(sockets);
  } finally {
    close(sandbox.netlink);
    close(sandbox.namespace);
  }
}
