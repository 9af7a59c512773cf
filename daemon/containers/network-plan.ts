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

/**
 * NetworkMode's network comes first (eth0), the others by name. The default route goes to the highest GwPriority, then to the first
 * that leads outside (`isInternal` says which do not).
 */
export function networkPlan(
  hostConfig: HostConfig,
  networking: NetworkingConfig,
  isInternal: (network: string) => boolean = () => false,
): NetworkPlan {
  const mode =
    hostConfig.NetworkMode === undefined || hostConfig.NetworkMode === '' ? 'bridge' : hostConfig.NetworkMode;
  if (mode.startsWith('container:')) return { kind: 'container', reference: mode.slice('container:'.length) };
  const first = mode === 'default' ? 'bridge' : mode;
  const endpoints = networking.EndpointsConfig ?? {};
  if (first === 'host' || first === 'none') {
    const settings = endpoints[first] ?? {};
    return {
      kind: 'networks',
      namespace: first === 'host' ? 'host' : 'own',
      joins: [{ network: first, settings, defaultRoute: false }],
    };
  }
  const settingsOfFirst = endpoints[first] ?? (first === 'bridge' ? endpoints.default : undefined) ?? {};
  const others = Object.keys(endpoints)
    .filter((name) => name !== first && name !== 'default')
    .sort();
  const all = [
    { network: first, settings: settingsOfFirst },
    ...others.map((network) => ({ network, settings: endpoints[network] ?? {} })),
  ];
  const outward = all.filter(({ network }) => !isInternal(network));
  const candidates = outward.length > 0 ? outward : all;
  const highest = Math.max(...candidates.map(({ settings }) => settings.GwPriority ?? 0));
  const chosen = candidates.find(({ settings }) => (settings.GwPriority ?? 0) === highest);
  return {
    kind: 'networks',
    namespace: 'own',
    joins: all.map((join) => ({ ...join, defaultRoute: join === chosen })),
  };
}
