// Owns IP addresses, prefixes and MAC addresses as values: text and bytes, both families, no allocation policy. Pure.
import { isIPv4, isIPv6 } from 'node:net';

export type Family = 4 | 6;

/** An address as a number with its family: 32 or 128 bits wide. */
export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** A block of addresses; `address.value` may have host bits. */
export interface Prefix {
  readonly address: Address;
  readonly bits: number;
}

export const widthOf = (family: Family): number => (family === 4 ? 32 : 128);

/** An address from its text, or undefined. Zones (`%eth0`) are refused; an IPv4-mapped IPv6 address is the IPv4 address, as Docker unmaps it. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, value: text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const value = parseGroups(text);
  if (value >> 32n === 0xffffn) return { family: 4, value: value & 0xffffffffn };
  return { family: 6, value };
}

function parseGroups(text: string): bigint {
  const hexadecimal = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a: string, b: string, c: string, d: string) => {
    const high = Number(a) * 256 + Number(b);
    const low = Number(c) * 256 + Number(d);
    return `${high.toString(16)}:${low.toString(16)}`;
  });
  const [left = '', right] = hexadecimal.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const middle = right === undefined ? [] : new Array<string>(8 - head.length - tail.length).fill('0');
  return [...head, ...middle, ...tail].reduce((sum, group) => (sum << 16n) | BigInt(Number.parseInt(group, 16)), 0n);
}

/** The canonical text (RFC 5952 for IPv6). */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - 16 * index)) & 0xffffn));
  const gap = longestZeroRun(groups);
  if (gap.length < 2) return groups.map((group) => group.toString(16)).join(':');
  const write = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  return `${write(groups.slice(0, gap.start))}::${write(groups.slice(gap.start + gap.length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}

/** Network byte order. */
export function addressBytes({ family, value }: Address): Uint8Array {
  const bytes = new Uint8Array(widthOf(family) / 8);
  for (let index = bytes.length - 1, rest = value; index >= 0; index -= 1, rest >>= 8n)
    bytes[index] = Number(rest & 255n);
  return bytes;
}

/** From network byte order; undefined when it is neither 4 nor 16 bytes. */
export function addressOf(bytes: Uint8Array): Address | undefined {
  if (bytes.length !== 4 && bytes.length !== 16) return undefined;
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

/** `ADDRESS/BITS`, or undefined. Host bits stay. */
export function parsePrefix(text: string): Prefix | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = parseAddress(match?.[1] ?? '');
  const bits = Number(match?.[2]);
  if (address === undefined || bits > widthOf(address.family) || (match?.[1]?.includes(':') && address.family === 4)) {
    return undefined;
  }
  return { address, bits };
}

export const formatPrefix = (prefix: Prefix): string => `${formatAddress(prefix.address)}/${prefix.bits}`;

/** The number of addresses. */
export const sizeOf = (prefix: Prefix): bigint => 1n << BigInt(widthOf(prefix.address.family) - prefix.bits);

/** The block without host bits. */
export function masked(prefix: Prefix): Prefix {
  const { family, value } = prefix.address;
  return { address: { family, value: value - (value % sizeOf(prefix)) }, bits: prefix.bits };
}

export function contains(prefix: Prefix, address: Address): boolean {
  if (prefix.address.family !== address.family) return false;
  const start = masked(prefix).address.value;
  return address.value >= start && address.value < start + sizeOf(prefix);
}

export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.bits <= b.bits ? contains(a, b.address) : contains(b, a.address);
}

/** The last address: the broadcast address of an IPv4 block. */
export function lastAddress(prefix: Prefix): Address {
  return { family: prefix.address.family, value: masked(prefix).address.value + sizeOf(prefix) - 1n };
}

/** Six bytes of `02:42:ac:11:00:02`, or undefined. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(/[:-]/), (byte) => Number.parseInt(byte, 16));
}

export const formatMac = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
