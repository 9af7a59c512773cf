// Owns giving out addresses: policy over the address rows, which alone make it exclusive. Call it inside of one transaction.
import { type EngineError, forbidden, internal } from '../base/errors.ts';
import type { NetworkRow, NetworkTable } from '../store/networks.ts';
import { type Address, contains, type Family, formatAddress } from '../supervisor/network/ip-address.ts';
import { addressAt, offsetOf, rangeOf, storedAddress, storedPrefix } from './ipam.ts';

export interface Allocation {
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
}

const NONE: Allocation = { address: '', prefixLength: 0, gateway: '' };

/** Keeps the gateways and auxiliary addresses of a new network from being given out. */
export function reserve(table: NetworkTable, network: NetworkRow): void {
  for (const [position, pool] of network.pools.entries()) {
    const subnet = storedPrefix(pool.subnet);
    for (const text of [pool.gateway, ...Object.values(pool.auxAddresses)]) {
      if (text === '') continue;
      const address = storedAddress(text);
      const row = { networkId: network.id, address: formatAddress(address), position, endpointId: undefined };
      table.insertAddress({ ...row, offset: offsetOf(subnet, address) });
    }
  }
}

/**
 * An address of the family for an endpoint: `wanted`, or the lowest free one of the network's pools in order. Empty when the network has
 * not the family. Throws forbidden `Address already in use`, or internal when the pools are exhausted.
 */
export function allocate(
  table: NetworkTable,
  network: NetworkRow,
  family: Family,
  wanted: Address | undefined,
  endpointId: string,
): Allocation {
  const pools = [...network.pools.entries()]
    .map(([position, pool]) => ({ position, pool, subnet: storedPrefix(pool.subnet) }))
    .filter(({ subnet }) => subnet.address.family === family);
  if (pools.length === 0) return NONE;
  for (const { position, pool, subnet } of pools) {
    const address = wanted ?? lowestFree(table, network.id, position, pool.subnet, pool.ipRange);
    if (address === undefined || !contains(subnet, address)) continue;
    const text = formatAddress(address);
    const row = { networkId: network.id, address: text, position, endpointId };
    if (!table.insertAddress({ ...row, offset: offsetOf(subnet, address) })) throw inUse();
    return {
      address: text,
      prefixLength: subnet.bits,
      gateway: network.internal ? '' : (pool.auxAddresses.DefaultGatewayIPv4 ?? pool.gateway),
    };
  }
  throw internal(
    `no available IPv${family} addresses on this network's address pools: ${network.name} (${network.id})`,
  );
}

const inUse = (): EngineError => forbidden('Address already in use');

function lowestFree(
  table: NetworkTable,
  networkId: string,
  position: number,
  subnetText: string,
  rangeText: string,
): Address | undefined {
  const subnet = storedPrefix(subnetText);
  const range = rangeOf(subnet, rangeText === '' ? undefined : storedPrefix(rangeText));
  const offset = table.lowestFreeOffset(networkId, position, range.first);
  return offset > range.last ? undefined : addressAt(subnet, offset);
}
