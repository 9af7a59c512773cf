// Owns the arithmetic of address management: which subnet, which range, which gateway. Pure; the rows that make it exclusive are the store's.
import {
  type Address,
  contains,
  type Family,
  formatAddress,
  masked,
  overlaps,
  type Prefix,
  parseAddress,
  parsePrefix,
  sizeOf,
  widthOf,
} from '../supervisor/network/ip-address.ts';

/** Subnets of `size` bits are cut from `base`. */
export interface DefaultPool {
  readonly base: string;
  readonly size: number;
}

/** Docker's own default pools. */
export const DEFAULT_POOLS: readonly DefaultPool[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
];

/** A unique local /48 (RFC 4193) that is this instance's own, cut into /64. */
export function localPool(instance: string): DefaultPool {
  const global = BigInt(`0x${instance.padEnd(10, '0').slice(0, 10)}`);
  const value = (0xfdn << 120n) | (global << 80n);
  return { base: `${formatAddress({ family: 6, value })}/48`, size: 64 };
}

/** The first subnet of the pools that overlaps nothing of `taken`; undefined when there is none. Pools that are no prefixes are passed over. */
export function chooseSubnet(
  pools: readonly DefaultPool[],
  family: Family,
  taken: readonly Prefix[],
): Prefix | undefined {
  for (const pool of pools) {
    const base = parsePrefix(pool.base);
    if (base === undefined || base.address.family !== family || pool.size < base.bits) continue;
    const found = firstFree(masked(base), pool.size, taken);
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstFree(base: Prefix, bits: number, taken: readonly Prefix[]): Prefix | undefined {
  const step = sizeOf({ address: base.address, bits });
  const end = base.address.value + sizeOf(base);
  for (let value = base.address.value; value < end; ) {
    const candidate: Prefix = { address: { family: base.address.family, value }, bits };
    const hit = taken.find((one) => overlaps(one, candidate));
    if (hit === undefined) return candidate;
    // A larger block is passed in one step.
    const hitEnd = masked(hit).address.value + sizeOf(hit);
    value += step;
    if (hitEnd > value) value = hitEnd;
  }
  return undefined;
}

/** Where automatic addresses come from: offsets from the subnet's first address, both ends included. */
export interface OffsetRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** Never the subnet's own address, nor an IPv4 subnet's broadcast address. Both texts must be valid prefixes. */
export function rangeOf(subnet: Prefix, ipRange: Prefix | undefined): OffsetRange {
  const start = masked(subnet).address.value;
  const inner = masked(ipRange ?? subnet);
  let first = inner.address.value - start;
  let last = first + sizeOf(inner) - 1n;
  const isPoint = widthOf(subnet.address.family) - subnet.bits < 2;
  if (isPoint) return { first, last };
  if (first === 0n) first = 1n;
  if (subnet.address.family === 4 && last === sizeOf(subnet) - 1n) last -= 1n;
  return { first, last };
}

export function addressAt(subnet: Prefix, offset: bigint): Address {
  return { family: subnet.address.family, value: masked(subnet).address.value + offset };
}

/** From the subnet's first address; undefined when it lies outside or beyond what the store counts. */
export function offsetOf(subnet: Prefix, address: Address): bigint | undefined {
  if (!contains(subnet, address)) return undefined;
  const offset = address.value - masked(subnet).address.value;
  return offset < 1n << 62n ? offset : undefined;
}

/** The gateway when none is named: the first address of the range. */
export function defaultGateway(subnet: Prefix, ipRange: Prefix | undefined): Address {
  return addressAt(subnet, rangeOf(subnet, ipRange).first);
}

/** `parsePrefix` for a text that was validated when it was stored. */
export function storedPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`not a subnet: ${text}`);
  return prefix;
}

/** `parseAddress` for a text that was validated when it was stored. */
export function storedAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
}
