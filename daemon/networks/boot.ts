// Owns bringing the networks of the rows into the kernel when the daemon starts, and sweeping what has no row.
import { withContext } from '../base/errors.ts';
import type { NetworkRow } from '../store/networks.ts';
import type { Prefix } from '../supervisor/network/ip-address.ts';
import { reserve } from './allocate.ts';
import { firewallPorts } from './bridge-driver.ts';
import type { NetworksContext } from './context.ts';
import type { Endpoints } from './endpoints.ts';
import { DEFAULT_POOLS, type DefaultPool } from './ipam.ts';
import { lookForNetworkLeaks } from './leaks.ts';
import { subnetsOf } from './pools.ts';
import { bridgeNetwork, hostNetwork, noneNetwork } from './predefined.ts';

export const defaultPoolsOf = (context: NetworksContext): readonly DefaultPool[] =>
  context.config.defaultAddressPools.length > 0 ? context.config.defaultAddressPools : DEFAULT_POOLS;

/** Everything that the rows say, with what is there adopted. Only a failure of the default bridge or of the rules stops the daemon. */
export async function restoreNetworks(context: NetworksContext, endpoints: Endpoints): Promise<void> {
  const driver = await context.open();
  await restorePredefined(context);
  // Attaches that were cut off; the starts that they belonged to are undone by their own room.
  for (const endpoint of context.table.endpoints()) if (!endpoint.ready) endpoints.forget(endpoint);
  const networks = context.table.list();
  const dropForward = driver.enableForwarding(networks);
  for (const network of networks) {
    if (network.link === '') continue;
    try {
      await driver.ensure(network);
    } catch (error) {
      if (network.name === 'bridge') throw withContext(`network bridge: ${network.link}`, error);
      context.log.warn({ err: error, network: network.name }, 'the bridge of a network could not be restored');
    }
  }
  await driver.applyFirewall(networks, context.ports(), { withPorts: true, dropForward });
  await holdPorts(context);
}

async function restorePredefined(context: NetworksContext): Promise<void> {
  const { config, table } = context;
  context.database.transaction(() => {
    if (table.byName('host') === undefined) table.insert(hostNetwork());
    if (table.byName('none') === undefined) table.insert(noneNetwork());
  });
  const previous = table.byName('bridge');
  if (config.bridge === 'none') {
    if (previous !== undefined && table.endpointsOnNetwork(previous.id).length === 0) {
      table.delete(previous.id);
      await context.driver.removeBridgeOf(previous);
    }
    return;
  }
  const foreign = await context.driver.foreignBridgeAddresses(config.bridge);
  const others = table.list().filter((network) => network.id !== previous?.id);
  const ownLinks = new Set([config.bridge, previous?.link ?? '']);
  const taken = [...(await context.driver.hostPrefixes(ownLinks)), ...subnetsOf(others)];
  const wanted = bridgeNetwork(config, previous, defaultPoolsOf(context), taken, foreign);
  if (previous !== undefined && table.endpointsOnNetwork(previous.id).length > 0) {
    keepBusy(context, previous, wanted);
    return;
  }
  context.database.transaction(() => {
    if (previous !== undefined) table.delete(previous.id);
    table.insert(wanted);
    reserve(table, wanted);
  });
  if (previous !== undefined && previous.link !== wanted.link) await context.driver.removeBridgeOf(previous);
}

/** Containers run on the default bridge: its link and subnet stay, the other options are taken over. */
function keepBusy(context: NetworksContext, previous: NetworkRow, wanted: NetworkRow): void {
  if (previous.link === wanted.link && previous.pools[0]?.subnet === wanted.pools[0]?.subnet) {
    context.table.updateOptions(previous.id, wanted.options);
    return;
  }
  context.log.warn(
    { network: 'bridge', link: previous.link, subnet: previous.pools[0]?.subnet },
    'containers run on the default bridge: its new name or subnet is used from the first start without them',
  );
}

async function holdPorts(context: NetworksContext): Promise<void> {
  const byEndpoint = Map.groupBy(context.table.ports(), (row) => row.endpointId);
  for (const [endpointId, rows] of byEndpoint) {
    const problems = await context.publisher.holdAgain(
      endpointId,
      firewallPorts(rows, () => ''),
    );
    if (problems.length === 0) continue;
    context.log.warn(
      { endpointId, problems },
      'published ports are redirected, but their sockets could not be held again',
    );
  }
}

/** Heals what the look finds. */
export async function sweepNetworks(
  context: NetworksContext,
  endpoints: Endpoints,
  alive: ReadonlySet<string>,
): Promise<void> {
  for (const { heal } of await lookForNetworkLeaks(context, endpoints, alive)) await heal?.();
  await context.driver.settled();
}

/** Subnets that an automatic choice must avoid. */
export const hostPrefixes = (context: NetworksContext): Promise<readonly Prefix[]> =>
  context.driver.hostPrefixes(new Set());
