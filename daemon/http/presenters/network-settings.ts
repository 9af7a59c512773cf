// Owns how a container's networks and ports are shown, with what only older clients get. Pure.
import {
  atLeast,
  type EndpointSettings,
  type EndpointSettingsView,
  type NetworkSettings,
  type PortSummary,
} from '../../../api-spec/index.ts';
import { shortId } from '../../base/ids.ts';
import type { ContainerView } from '../../containers/types.ts';
import type { Endpoint } from '../../networks/types.ts';

/** Name of a network by id, and its id by name; undefined when it is gone. */
export interface NetworkNames {
  nameOf(id: string): string | undefined;
  idOf(name: string): string | undefined;
}

const PREDEFINED = ['bridge', 'host', 'none'];

const isAlive = (view: ContainerView): boolean => ['running', 'paused', 'stopping'].includes(view.record.state);

/** The networks that a container is to be on, as its configuration has them. */
function requestedNetworks(view: ContainerView): Readonly<Record<string, EndpointSettings>> {
  const mode = view.record.hostConfig.NetworkMode ?? 'bridge';
  if (mode.startsWith('container:')) return {};
  const { EndpointsConfig: frozen } = view.record.networkingConfig;
  const asked = Object.entries(frozen ?? {}).map(
    ([name, settings]) => [name === 'default' ? 'bridge' : name, settings ?? {}] as const,
  );
  if (frozen !== undefined) return Object.fromEntries(asked);
  return { [mode === 'default' || mode === '' ? 'bridge' : mode]: {} };
}

function present(
  view: ContainerView,
  name: string,
  settings: EndpointSettings,
  endpoint: Endpoint | undefined,
  networkId: string,
  version: string,
): EndpointSettingsView {
  const { id, name: containerName, config } = view.record;
  const userDefined = !PREDEFINED.includes(name);
  const aliases = settings.Aliases ?? [];
  const short = shortId(id);
  const named = atLeast(version, '1.45') || !userDefined ? aliases : [...new Set([...aliases, short])];
  const hostname = config.Hostname ?? '';
  const dnsNames = userDefined
    ? [...new Set([containerName, ...aliases, short, ...(hostname === '' || hostname === short ? [] : [hostname])])]
    : null;
  return {
    IPAMConfig: settings.IPAMConfig ?? null,
    Links: settings.Links ?? null,
    Aliases: named.length === 0 ? null : named,
    MacAddress: endpoint?.macAddress ?? settings.MacAddress ?? '',
    DriverOpts: settings.DriverOpts ?? null,
    ...(atLeast(version, '1.48') ? { GwPriority: settings.GwPriority ?? 0 } : {}),
    NetworkID: endpoint?.networkId ?? networkId,
    EndpointID: endpoint?.id ?? '',
    Gateway: endpoint?.gateway ?? '',
    IPAddress: endpoint?.ipAddress ?? '',
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: endpoint?.ipv6Gateway ?? '',
    GlobalIPv6Address: endpoint?.ipv6Address ?? '',
    GlobalIPv6PrefixLen: endpoint?.ipv6PrefixLength ?? 0,
    ...(atLeast(version, '1.44') ? { DNSNames: dnsNames } : {}),
  };
}

/** Attachments by network name: what is attached now, and what the configuration asks for. */
export function presentEndpoints(
  view: ContainerView,
  names: NetworkNames,
  version: string,
): Record<string, EndpointSettingsView> {
  const requested = requestedNetworks(view);
  const byName = new Map(view.endpoints.map((one) => [names.nameOf(one.networkId) ?? one.networkId, one]));
  const result: Record<string, EndpointSettingsView> = {};
  for (const key of Object.keys(requested)) {
    // A client may name a network by its id.
    const name = names.nameOf(key) ?? key;
    const settings = requested[key] ?? {};
    result[name] = present(view, name, settings, byName.get(name), names.idOf(name) ?? '', version);
  }
  for (const [name, endpoint] of byName) {
    result[name] ??= present(view, name, { Aliases: [...endpoint.aliases] }, endpoint, endpoint.networkId, version);
  }
  // Before the first start dockerd shows the network without its id.
  if (!isAlive(view) && view.record.startedNs === 0n) for (const one of Object.values(result)) one.NetworkID = '';
  return result;
}

const exposedPorts = (view: ContainerView): readonly string[] => [
  ...new Set(
    [
      ...Object.keys(view.record.config.ExposedPorts ?? {}),
      ...Object.keys(view.record.hostConfig.PortBindings ?? {}),
    ].map((port) => (port.includes('/') ? port : `${port}/tcp`)),
  ),
];

function portMap(view: ContainerView): NetworkSettings['Ports'] {
  if (!isAlive(view)) return {};
  const ports: NetworkSettings['Ports'] = Object.fromEntries(exposedPorts(view).map((port) => [port, null]));
  for (const { protocol, containerPort, hostIp, hostPort } of view.endpoints.flatMap((one) => one.ports)) {
    const key = `${containerPort}/${protocol}`;
    ports[key] = [...(ports[key] ?? []), { HostIp: hostIp, HostPort: String(hostPort) }];
  }
  return ports;
}

/** The `Ports` of the container list. */
export function presentPorts(view: ContainerView): PortSummary[] {
  return Object.entries(portMap(view)).flatMap(([key, bindings]) => {
    const [port, type = 'tcp'] = key.split('/');
    const base = { PrivatePort: Number(port), Type: type as PortSummary['Type'] };
    if (bindings === null) return [base];
    return bindings.map((binding) => ({ IP: binding.HostIp, ...base, PublicPort: Number(binding.HostPort) }));
  });
}

/** `NetworkSettings` of inspect. */
export function presentNetworkSettings(view: ContainerView, names: NetworkNames, version: string): NetworkSettings {
  const { record } = view;
  const own = isAlive(view) && record.hostConfig.NetworkMode?.startsWith('container:') !== true;
  const endpoints = presentEndpoints(view, names, version);
  const settings: NetworkSettings = {
    SandboxID: own ? record.id : '',
    SandboxKey: own && record.pid > 0 ? `/proc/${record.pid}/ns/net` : '',
    Ports: portMap(view),
    Networks: endpoints,
  };
  if (atLeast(version, '1.52')) return settings;
  const bridge = endpoints.bridge;
  return {
    Bridge: '',
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge?.EndpointID ?? '',
    Gateway: bridge?.Gateway ?? '',
    GlobalIPv6Address: bridge?.GlobalIPv6Address ?? '',
    GlobalIPv6PrefixLen: bridge?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: bridge?.IPAddress ?? '',
    IPPrefixLen: bridge?.IPPrefixLen ?? 0,
    IPv6Gateway: bridge?.IPv6Gateway ?? '',
    MacAddress: bridge?.MacAddress ?? '',
    ...settings,
  };
}
