// Owns the handlers of networks. Each parses, calls the service once and presents.
import { routes } from '../../../api-spec/index.ts';
import { invalidArgument } from '../../base/errors.ts';
import type { Network } from '../../networks/types.ts';
import { inspectNetwork, presentNetwork } from '../presenters/network.ts';
import type { RouteContext } from './context.ts';

export function networkRoutes({ services, on }: RouteContext): void {
  const { networks, containers } = services;

  on(routes.NetworkList, ({ query, version }) => ({
    status: 200,
    body: networks
      .list()
      .filter((network) => matches(network, query.filters, networks.endpointsOn(network.id).length > 0))
      .map((network) => presentNetwork(network, version)),
  }));

  on(routes.NetworkInspect, async ({ params, version }) => {
    const network = networks.get(params.id);
    const endpoints = networks.endpointsOn(network.id);
    const names = new Map<string, string>();
    for (const { containerId } of endpoints) {
      const view = await containers.get(containerId).catch(() => undefined);
      names.set(containerId, view?.record.name ?? '');
    }
    return { status: 200, body: inspectNetwork(network, endpoints, (id) => names.get(id) ?? '', version) };
  });

  on(routes.NetworkCreate, async ({ body }) => {
    const { id, warning } = await networks.create({
      name: body.Name,
      driver: body.Driver ?? '',
      internal: body.Internal ?? false,
      attachable: body.Attachable ?? false,
      enableIPv4: body.EnableIPv4 ?? true,
      enableIPv6: body.EnableIPv6 ?? false,
      ipam: {
        driver: body.IPAM?.Driver ?? '',
        options: body.IPAM?.Options ?? {},
        pools: (body.IPAM?.Config ?? []).map((pool) => ({
          subnet: pool.Subnet ?? '',
          ipRange: pool.IPRange ?? '',
          gateway: pool.Gateway ?? '',
          auxAddresses: pool.AuxiliaryAddresses ?? {},
        })),
      },
      options: body.Options ?? {},
      labels: body.Labels ?? {},
      scope: body.Scope ?? '',
      ingress: body.Ingress ?? false,
      configOnly: body.ConfigOnly ?? false,
      configFrom: body.ConfigFrom?.Network ?? '',
    });
    return { status: 201, body: { Id: id, Warning: warning } };
  });

  on(routes.NetworkDelete, async ({ params }) => {
    await networks.remove(params.id);
    return { status: 204 };
  });

  on(routes.NetworkPrune, async ({ query }) => {
    const deleted = await networks.prune(query.filters);
    return { status: 200, body: { NetworksDeleted: [...deleted] } };
  });

  on(routes.NetworkConnect, async ({ params, body }) => {
    await containers.connectNetwork(params.id, body.Container, body.EndpointConfig ?? {});
    return { status: 200 };
  });

  on(routes.NetworkDisconnect, async ({ params, body }) => {
    await containers.disconnectNetwork(params.id, body.Container, body.Force ?? false);
    return { status: 200 };
  });
}

const predefined = ['bridge', 'host', 'none'];

/** Docker's filters of the list: all keys must match, of a key any value (labels: all). */
function matches(network: Network, filters: Readonly<Record<string, readonly string[]>>, used: boolean): boolean {
  return Object.entries(filters).every(([key, values]) => {
    switch (key) {
      case 'name':
        return values.some((value) => network.name.includes(value));
      case 'id':
        return values.some((value) => network.id.startsWith(value));
      case 'driver':
        return values.includes(network.driver);
      case 'scope':
        return values.includes('local');
      case 'type':
        return values.some((value) => isOfType(network, value));
      case 'label':
        return values.every((value) => hasLabel(network.labels, value));
      case 'dangling':
        return values.some(
          (value) => ['1', 'true'].includes(value.toLowerCase()) === (!used && !predefined.includes(network.name)),
        );
      default:
        return true;
    }
  });
}

function isOfType(network: Network, type: string): boolean {
  if (type !== 'custom' && type !== 'builtin') throw invalidArgument(`invalid filter: 'type'='${type}'`);
  return predefined.includes(network.name) === (type === 'builtin');
}

/** `key` or `key=value`. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  if (equals < 0) return Object.hasOwn(labels, wanted);
  return labels[wanted.slice(0, equals)] === wanted.slice(equals + 1);
}
