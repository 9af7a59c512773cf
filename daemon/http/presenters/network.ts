// Owns the wire shapes of networks, with the differences of the API versions. Pure.
import { atLeast, type NetworkInspect, type Network as NetworkView } from '../../../api-spec/index.ts';
import { rfc3339Nano } from '../../base/time.ts';
import type { Endpoint, Network } from '../../networks/types.ts';

/** A network as the list shows it. */
export function presentNetwork(network: Network, version: string): NetworkView {
  const configured = network.pools.map((pool) => ({
    Subnet: pool.subnet,
    ...(pool.ipRange === '' ? {} : { IPRange: pool.ipRange }),
    ...(pool.gateway === '' ? {} : { Gateway: pool.gateway }),
    ...(Object.keys(pool.auxAddresses).length === 0 ? {} : { AuxiliaryAddresses: { ...pool.auxAddresses } }),
  }));
  return {
    Name: network.name,
    Id: network.id,
    Created: rfc3339Nano(network.createdNs),
    Scope: 'local',
    Driver: network.driver,
    EnableIPv4: network.enableIPv4,
    EnableIPv6: network.enableIPv6,
    IPAM: {
      Driver: network.ipamDriver,
      Options: Object.keys(network.ipamOptions).length === 0 ? null : { ...network.ipamOptions },
      Config: configured,
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Options: { ...network.options },
    Labels: { ...network.labels },
    // The list has had the field, always empty, until 1.52.
    ...(atLeast(version, '1.52') ? {} : { Containers: {} }),
  };
}

const withPrefix = (address: string, prefix: number): string => (address === '' ? '' : `${address}/${prefix}`);

/** The answer of inspect. `nameOf` is the name of a container. */
export function inspectNetwork(
  network: Network,
  endpoints: readonly Endpoint[],
  nameOf: (containerId: string) => string,
  version: string,
): NetworkInspect {
  const entries = endpoints.map((endpoint) => [
    endpoint.containerId,
    {
      Name: nameOf(endpoint.containerId),
      EndpointID: endpoint.id,
      MacAddress: endpoint.macAddress,
      IPv4Address: withPrefix(endpoint.ipAddress, endpoint.prefixLength),
      IPv6Address: withPrefix(endpoint.ipv6Address, endpoint.ipv6PrefixLength),
    },
  ]);
  return { ...presentNetwork(network, version), Containers: Object.fromEntries(entries) };
}
