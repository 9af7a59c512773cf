// Owns the decision which networks a container joins, in which order, with which settings. Pure.
import type { EndpointSettings, HostConfig, NetworkingConfig } from '../../api-spec/index.ts';

export type NetworkPlan =
  /** The namespace of another container. */
  | { readonly kind: 'container'; readonly reference: string }
  | {
      readonly kind: 'networks';
      /** `host`: no namespace of its own. */
      readonly namespace: 'own' | 'host';
      readonly joins: readonly Join[];
    };

export interface Join {
  readonly network: string;
  readonly settings: EndpointSettings;
  readonly defaultRoute: boolean;
}

/** `default` is another word for the default bridge. */
const nameOf = (mode: string): string => (mode === 'default' || mode === '' ? 'bridge' : mode);

/**
 * What is frozen at create: the networks by name. Where the client names none it is the one of NetworkMode; from then on the list alone
 * says which networks a container is on, so that one can leave the network that it was made with.
 */
export function initialNetworking(hostConfig: HostConfig, networking: NetworkingConfig): NetworkingConfig {
  const mode = nameOf(hostConfig.NetworkMode ?? '');
  if (mode.startsWith('container:')) return networking;
  const given = Object.entries(networking.EndpointsConfig ?? {});
  if (given.length === 0) return { ...networking, EndpointsConfig: { [mode]: {} } };
  return { ...networking, EndpointsConfig: Object.fromEntries(given.map(([name, one]) => [nameOf(name), one])) };
}

/**
 * NetworkMode's network comes first (eth0), the others by name. The default route goes to the highest GwPriority, of equal ones to the
 * first by name, as Docker's; networks that lead nowhere (`isInternal` says which) come last.
 */
export function networkPlan(
  hostConfig: HostConfig,
  networking: NetworkingConfig,
  isInternal: (network: string) => boolean = () => false,
): NetworkPlan {
  const first = nameOf(hostConfig.NetworkMode ?? '');
  if (first.startsWith('container:')) return { kind: 'container', reference: first.slice('container:'.length) };
  const endpoints = networking.EndpointsConfig ?? { [first]: {} };
  const settings = new Map(Object.entries(endpoints).map(([name, one]) => [nameOf(name), one ?? {}]));
  const names = [...settings.keys()].sort();
  const ordered = [...names.filter((name) => name === first), ...names.filter((name) => name !== first)];
  const routed = names.filter((name) => name !== 'host' && name !== 'none');
  const outward = routed.filter((name) => !isInternal(name));
  const candidates = outward.length > 0 ? outward : routed;
  const priority = (name: string): number => settings.get(name)?.GwPriority ?? 0;
  const highest = Math.max(...candidates.map(priority));
  const chosen = candidates.find((name) => priority(name) === highest);
  return {
    kind: 'networks',
    namespace: first === 'host' ? 'host' : 'own',
    joins: ordered.map((network) => ({
      network,
      settings: settings.get(network) ?? {},
      defaultRoute: network === chosen,
    })),
  };
}
