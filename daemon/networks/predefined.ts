// Owns the three networks that every daemon has, and the default bridge's subnet. Decides by configuration; writes no row.

import { invalidArgument, unavailable } from '../base/errors.ts';
import { newId } from '../base/ids.ts';
import { nowNs } from '../base/time.ts';
import type { NetworkRow, PoolRow } from '../store/networks.ts';
import {
  contains,
  formatAddress,
  formatPrefix,
  masked,
  overlaps,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../supervisor/network/ip-address.ts';
import { defaultBridgeOptions } from './bridge-options.ts';
import { chooseSubnet, type DefaultPool, defaultGateway } from './ipam.ts';

/** dockerd's flags of the same names. */
export interface DefaultBridgeConfig {
  /** `none`: no default bridge network. */
  readonly bridge: string;
  readonly bip: string;
  readonly fixedCidr: string;
  readonly defaultGateway: string;
  readonly icc: boolean;
  readonly ipMasq: boolean;
  readonly hostBindingIp: string;
  readonly mtu: number;
}

const blank = (name: string, driver: string): NetworkRow => ({
  id: newId(),
  name,
  driver,
  createdNs: nowNs(),
  internal: false,
  attachable: false,
  enableIPv4: true,
  enableIPv6: false,
  ipamDriver: 'default',
  ipamOptions: {},
  options: {},
  labels: {},
  link: '',
  pools: [],
});

export const hostNetwork = (): NetworkRow => blank('host', 'host');
export const noneNetwork = (): NetworkRow => blank('none', 'null');

/** The row of the default bridge. `previous` keeps its id, time and, where nothing else is configured, its subnet. */
export function bridgeNetwork(
  config: DefaultBridgeConfig,
  previous: NetworkRow | undefined,
  pools: readonly DefaultPool[],
  taken: readonly Prefix[],
  foreign: readonly Prefix[] | undefined,
): NetworkRow {
  return {
    ...(previous ?? blank('bridge', 'bridge')),
    link: config.bridge,
    options: defaultBridgeOptions({ ...config, bridgeName: config.bridge }),
    pools: [defaultPool(config, previous?.pools[0], pools, taken, foreign)],
  };
}

function defaultPool(
  config: DefaultBridgeConfig,
  previous: PoolRow | undefined,
  pools: readonly DefaultPool[],
  taken: readonly Prefix[],
  foreign: readonly Prefix[] | undefined,
): PoolRow {
  const own = config.bip === '' ? foreign?.find((prefix) => prefix.address.family === 4) : parsePrefix(config.bip);
  if (config.bip !== '' && own?.address.family !== 4) {
    throw invalidArgument(
      `bip: expected an IPv4 address with a prefix length such as 192.168.1.5/24, received "${config.bip}"`,
    );
  }
  const range = rangeOf(config);
  if (own !== undefined) {
    const gateway = formatAddress(own.address);
    return poolRow(config, masked(own), gateway, range, true);
  }
  const kept = previous === undefined ? undefined : parsePrefix(previous.subnet);
  if (kept !== undefined && previous !== undefined && (range === undefined || overlaps(kept, range))) {
    return poolRow(config, kept, previous.gateway, range, false);
  }
  const subnet = range === undefined ? chooseSubnet(pools, 4, taken) : masked(range);
  if (subnet === undefined)
    throw unavailable(
      'could not find a free subnet for the default bridge network: all default address pools are in use by the host; set --bip',
    );
  return poolRow(config, subnet, formatAddress(defaultGateway(subnet, undefined)), range, false);
}

function rangeOf(config: DefaultBridgeConfig): Prefix | undefined {
  if (config.fixedCidr === '') return undefined;
  const range = parsePrefix(config.fixedCidr);
  if (range?.address.family !== 4) {
    throw invalidArgument(
      `fixed-cidr: expected an IPv4 subnet such as 192.168.1.128/25, received "${config.fixedCidr}"`,
    );
  }
  return masked(range);
}

function poolRow(
  config: DefaultBridgeConfig,
  subnet: Prefix,
  own: string,
  range: Prefix | undefined,
  configured: boolean,
): PoolRow {
  if (range !== undefined && !overlaps(subnet, range)) {
    throw invalidArgument(
      `fixed-cidr: ${formatPrefix(range)} is not inside the bridge's subnet ${formatPrefix(subnet)}`,
    );
  }
  const gateway = config.defaultGateway === '' ? undefined : parseAddress(config.defaultGateway);
  if (config.defaultGateway !== '' && (gateway === undefined || !contains(subnet, gateway))) {
    throw invalidArgument(
      `default-gateway: expected an address of ${formatPrefix(subnet)}, received "${config.defaultGateway}"`,
    );
  }
  return {
    subnet: formatPrefix(subnet),
    ipRange: range === undefined ? '' : formatPrefix(range),
    gateway: own,
    auxAddresses: gateway === undefined ? {} : { DefaultGatewayIPv4: formatAddress(gateway) },
    configured,
  };
}
