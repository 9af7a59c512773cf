// Owns the schemas of networks, their endpoints and ports. Must not know any endpoint of the API.
import { z } from 'zod';
import { boolean, dateTime, int64, listed, string, stringMap, strings, uint64 } from '../fields.ts';

export const PortBinding = z.object({
  HostIp: string.optional().describe('Empty: every address of the host.'),
  HostPort: string.optional().describe('A port or a range; empty: one is chosen.'),
});
export type PortBinding = z.output<typeof PortBinding>;

/** `PORT/PROTOCOL` to bindings; null: exposed without a binding. */
export const PortMap = z.record(z.string(), z.array(PortBinding).nullable());
export type PortMap = z.output<typeof PortMap>;

export const EndpointIpamConfig = z.object({
  IPv4Address: string.optional(),
  IPv6Address: string.optional(),
  LinkLocalIPs: strings.optional(),
});
export type EndpointIpamConfig = z.output<typeof EndpointIpamConfig>;

/** A container's attachment to a network: what was asked for (first six) and what came of it. */
export const EndpointSettings = z.object({
  IPAMConfig: EndpointIpamConfig.optional(),
  Links: strings.optional(),
  Aliases: strings.optional(),
  MacAddress: string.optional(),
  DriverOpts: stringMap.optional(),
  GwPriority: int64.optional().describe('The network with the highest one has the default route.'),
  NetworkID: string.optional(),
  EndpointID: string.optional(),
  Gateway: string.optional(),
  IPAddress: string.optional(),
  IPPrefixLen: int64.optional(),
  IPv6Gateway: string.optional(),
  GlobalIPv6Address: string.optional(),
  GlobalIPv6PrefixLen: int64.optional(),
  DNSNames: strings.optional(),
});
export type EndpointSettings = z.output<typeof EndpointSettings>;

/** EndpointSettings as inspect and list show them. */
export const EndpointSettingsView = listed(
  EndpointSettings.required({
    MacAddress: true,
    NetworkID: true,
    EndpointID: true,
    Gateway: true,
    IPAddress: true,
    IPPrefixLen: true,
    IPv6Gateway: true,
    GlobalIPv6Address: true,
    GlobalIPv6PrefixLen: true,
  }),
  { IPAMConfig: true, Links: true, Aliases: true, DriverOpts: true },
).extend({ DNSNames: strings.nullable().optional() });
export type EndpointSettingsView = z.output<typeof EndpointSettingsView>;

/** Networks of a container by name or id; null: with the defaults. */
export const NetworkingConfig = z.object({
  EndpointsConfig: z.record(z.string(), EndpointSettings.nullable()).optional(),
});
export type NetworkingConfig = z.output<typeof NetworkingConfig>;

export const IpamConfig = z.object({
  Subnet: string.optional(),
  IPRange: string.optional(),
  Gateway: string.optional(),
  AuxiliaryAddresses: stringMap.optional(),
});
export type IpamConfig = z.output<typeof IpamConfig>;

export const Ipam = z.object({
  Driver: string.optional(),
  Config: z.array(IpamConfig).optional(),
  Options: stringMap.optional(),
});
export type Ipam = z.output<typeof Ipam>;

export const ConfigReference = z.object({ Network: string });

export const PeerInfo = z.object({ Name: string, IP: string });

/** A network as the list shows it. */
export const Network = z.object({
  Name: string,
  Id: string,
  Created: dateTime,
  Scope: string,
  Driver: string,
  EnableIPv4: boolean,
  EnableIPv6: boolean,
  IPAM: z.object({
    Driver: string,
    Options: stringMap.nullable(),
    Config: z.array(IpamConfig).nullable(),
  }),
  Internal: boolean,
  Attachable: boolean,
  Ingress: boolean,
  ConfigFrom: ConfigReference,
  ConfigOnly: boolean,
  Options: stringMap.nullable(),
  Labels: stringMap.nullable(),
  Peers: z.array(PeerInfo).optional(),
  Containers: z
    .record(
      z.string(),
      z.object({ Name: string, EndpointID: string, MacAddress: string, IPv4Address: string, IPv6Address: string }),
    )
    .optional()
    .describe('By container id. Older clients get it (empty) in the list as well.'),
});
export type Network = z.output<typeof Network>;

/** A network as inspect shows it. */
export const NetworkInspect = Network.required({ Containers: true }).extend({
  Status: z
    .object({
      IPAM: z.object({
        Subnets: z.record(z.string(), z.object({ IPsInUse: uint64, DynamicIPsAvailable: uint64 })),
      }),
    })
    .optional(),
  Services: z.record(z.string(), z.unknown()).optional(),
});
export type NetworkInspect = z.output<typeof NetworkInspect>;

export const NetworkCreateRequest = z.object({
  Name: string,
  CheckDuplicate: boolean.optional().describe('Without effect; for old clients.'),
  Driver: string.optional().describe('Empty: bridge.'),
  Scope: string.optional(),
  Internal: boolean.optional(),
  Attachable: boolean.optional(),
  Ingress: boolean.optional(),
  ConfigOnly: boolean.optional(),
  ConfigFrom: z.object({ Network: string.optional() }).optional(),
  IPAM: Ipam.optional(),
  EnableIPv4: boolean.optional().describe('Absent: true.'),
  EnableIPv6: boolean.optional(),
  Options: stringMap.optional(),
  Labels: stringMap.optional(),
});
export type NetworkCreateRequest = z.output<typeof NetworkCreateRequest>;

export const NetworkCreateResponse = z.object({ Id: string, Warning: string });
export type NetworkCreateResponse = z.output<typeof NetworkCreateResponse>;

export const NetworkConnectRequest = z.object({
  Container: string,
  EndpointConfig: EndpointSettings.optional(),
});
export type NetworkConnectRequest = z.output<typeof NetworkConnectRequest>;

export const NetworkDisconnectRequest = z.object({ Container: string, Force: boolean.optional() });
export type NetworkDisconnectRequest = z.output<typeof NetworkDisconnectRequest>;

export const NetworkPruneResponse = z.object({ NetworksDeleted: strings.nullable() });
export type NetworkPruneResponse = z.output<typeof NetworkPruneResponse>;
