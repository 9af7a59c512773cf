// Owns which subnets a new network gets: those that the client names, and one of the default pools for a family without. Pure.
import { forbidden, invalidArgument } from '../base/errors.ts';
import type { NetworkRow, PoolRow } from '../store/networks.ts';
import {
  formatAddress,
  formatPrefix,
  masked,
  overlaps,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../supervisor/network/ip-address.ts';
import { chooseSubnet, type DefaultPool, defaultGateway, storedPrefix } from './ipam.ts';
import type { IpamPool, NetworkCreate } from './types.ts';

export const subnetsOf = (networks: readonly NetworkRow[]): readonly Prefix[] =>
  networks.flatMap((network) => network.pools.map((pool) => storedPrefix(pool.subnet)));

/**
 * `used`: subnets of other networks, which nobody may overlap. `taken`: what the host uses, which only automatic choice avoids. The
 * request has been validated. Throws forbidden for an overlap and invalid-argument when the default pools are exhausted, as Docker does.
 */
export function choosePools(
  request: Pick<NetworkCreate, 'ipam' | 'enableIPv4' | 'enableIPv6'>,
  defaults: readonly DefaultPool[],
  used: readonly Prefix[],
  taken: readonly Prefix[],
): readonly PoolRow[] {
  const enabled = (family: 4 | 6): boolean => (family === 4 ? request.enableIPv4 : request.enableIPv6);
  const pools = request.ipam.pools
    .filter((pool) => (pool.subnet ?? '') !== '')
    .map(namedPool)
    .filter((pool) => enabled(storedPrefix(pool.subnet).address.family));
  const busy = [...used];
  for (const pool of pools) {
    const subnet = storedPrefix(pool.subnet);
    if (busy.some((other) => overlaps(other, subnet))) {
      throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
    }
    busy.push(subnet);
  }
  for (const family of [4, 6] as const) {
    if (!enabled(family) || pools.some((pool) => storedPrefix(pool.subnet).address.family === family)) continue;
    const subnet = chooseSubnet(defaults, family, [...busy, ...taken]);
    if (subnet === undefined) throw invalidArgument('all predefined address pools have been fully subnetted');
    pools.push(chosenPool(subnet));
  }
  return pools;
}

const canonical = (text: string): string => {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
};

function namedPool(pool: Partial<IpamPool>): PoolRow {
  const subnet = masked(storedPrefix(pool.subnet ?? ''));
  const range = parsePrefix(pool.ipRange ?? '');
  const gateway = canonical(pool.gateway ?? '');
  const auxiliary = Object.entries(pool.auxAddresses ?? {}).map(([name, text]) => [name, canonical(text)]);
  return {
    subnet: formatPrefix(subnet),
    ipRange: range === undefined ? '' : formatPrefix(range),
    gateway: gateway === '' ? formatAddress(defaultGateway(subnet, range)) : gateway,
    auxAddresses: Object.fromEntries(auxiliary),
    configured: true,
  };
}

const chosenPool = (subnet: Prefix): PoolRow => ({
  subnet: formatPrefix(subnet),
  ipRange: '',
  gateway: formatAddress(defaultGateway(subnet, undefined)),
  auxAddresses: {},
  configured: false,
});
