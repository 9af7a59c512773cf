// Owns the look at what networks have in the kernel against their rows: endpoints, links, bridges, rules. The sweep at boot heals what it
// finds, the check on request tells it.
import type { Leak } from '../base/leak.ts';
import type { NetworksContext } from './context.ts';
import type { Endpoints } from './endpoints.ts';

/** Everything that is amiss at this moment; `alive`: ids of containers that may have endpoints. */
export async function lookForNetworkLeaks(
  context: NetworksContext,
  endpoints: Endpoints,
  alive: ReadonlySet<string>,
): Promise<readonly Leak[]> {
  const { present, own } = await context.driver.links();
  return [
    ...strayEndpoints(context, endpoints, alive),
    ...strayLinks(context, own),
    ...missingLinks(context, alive, present),
    ...(await wrongRules(context)),
  ];
}

function strayEndpoints(context: NetworksContext, endpoints: Endpoints, alive: ReadonlySet<string>): readonly Leak[] {
  return context.table
    .endpoints()
    .filter(({ containerId }) => !alive.has(containerId))
    .map((endpoint) => ({
      kind: 'row',
      name: `endpoint ${endpoint.id}`,
      owner: endpoint.containerId,
      problem: 'an endpoint of a container that does not run',
      heal: async () => {
        await endpoints.detachOne(endpoint);
        await context.driver.settled();
      },
    }));
}

function strayLinks(context: NetworksContext, own: readonly string[]): readonly Leak[] {
  const keep = (): ReadonlySet<string> =>
    new Set([
      ...context.table.list().map(({ link }) => link),
      ...context.table.endpoints().map(({ hostLink }) => hostLink),
    ]);
  const kept = keep();
  return own
    .filter((name) => !kept.has(name))
    .map((name) => ({
      kind: 'link',
      name,
      problem: 'a link that no endpoint and no network has',
      heal: async () => {
        if (!keep().has(name)) await context.driver.removeLinks([name]);
      },
    }));
}

function missingLinks(
  context: NetworksContext,
  alive: ReadonlySet<string>,
  present: ReadonlySet<string>,
): readonly Leak[] {
  const bridges = context.table
    .list()
    .filter(({ link }) => link !== '' && !present.has(link))
    .map(
      (network): Leak => ({
        kind: 'row',
        name: `network ${network.name}: bridge ${network.link}`,
        owner: network.id,
        problem: 'the bridge of the network is missing; containers on it have to be restarted',
        heal: async () => {
          if (context.table.byId(network.id) !== undefined) await context.driver.ensure(network);
        },
      }),
    );
  const ends = context.table
    .endpoints()
    .filter(
      ({ ready, hostLink, containerId }) =>
        ready && hostLink !== '' && alive.has(containerId) && !present.has(hostLink),
    )
    .map(
      (endpoint): Leak => ({
        kind: 'row',
        name: `endpoint ${endpoint.id}: link ${endpoint.hostLink}`,
        owner: endpoint.containerId,
        problem: `the link of container ${endpoint.containerName || endpoint.containerId} is missing: restart the container`,
      }),
    );
  return [...bridges, ...ends];
}

async function wrongRules(context: NetworksContext): Promise<readonly Leak[]> {
  const { stray, missing } = await context.driver.auditFirewall(context.table.list(), context.ports());
  return [
    ...stray.map(
      ({ family, table, rule }): Leak => ({
        kind: 'rule',
        name: `${family === 4 ? 'iptables' : 'ip6tables'} -t ${table} ${rule}`,
        problem: 'a rule that no network and no published port has',
        heal: () => context.healRules(),
      }),
    ),
    ...missing.map(
      ({ family, table, rule }): Leak => ({
        kind: 'row',
        name: `${family === 4 ? 'iptables' : 'ip6tables'} -t ${table} ${rule}`,
        problem: 'a rule of a network or a published port is missing',
        heal: () => context.healRules(),
      }),
    ),
  ];
}
