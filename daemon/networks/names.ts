// Owns the kernel names of this room: links, bridges, MACs. Pure functions of the instance and of ids, so that cleaning needs no memory.
import { formatMac, parseAddress } from '../supervisor/network/ip-address.ts';

/** `digits` characters of base 36 from the hexadecimal number, which loses its high part. */
function base36(hexadecimal: string, digits: number): string {
  return (BigInt(`0x${hexadecimal}`) % 36n ** BigInt(digits)).toString(36).padStart(digits, '0');
}

/** What the host's end of every container link of an instance begins with; `veth…` is what network managers are told to leave alone. */
export const linkPrefix = (instance: string): string => `veth${base36(instance, 5)}`;

/** The host's end of an endpoint's link: 15 characters, the most that the kernel takes. */
export const hostLinkOf = (instance: string, endpointId: string): string =>
  linkPrefix(instance) + base36(endpointId.slice(0, 16), 6);

/** The bridge of a network, as Docker names it. */
export const bridgeLinkOf = (networkId: string): string => `br-${networkId.slice(0, 12)}`;

/** The alias on every bridge that an instance made. */
export const ownerOf = (instance: string): string => `tsd:${instance}`;

/** A bridge's own MAC: fixed, so that it does not follow the ports. */
export const bridgeMacOf = (networkId: string): Uint8Array =>
  Uint8Array.of(0x02, 0x42, ...Buffer.from(networkId.slice(0, 8), 'hex'));

/** A container's MAC: 02:42 and its IPv4 address, so that neighbours' caches stay right when an address is given again; by the endpoint's id without one. */
export function macOf(ipAddress: string, endpointId: string): string {
  const address = parseAddress(ipAddress);
  if (address === undefined) return formatMac(Uint8Array.of(0x02, 0x42, ...Buffer.from(endpointId.slice(0, 8), 'hex')));
  const bytes = [24n, 16n, 8n, 0n].map((shift) => Number((address.value >> shift) & 255n));
  return formatMac(Uint8Array.of(0x02, 0x42, ...bytes));
}
