// Owns bridges: made when missing, adopted when there, brought to what is wanted. Whose a bridge is stands in its alias.
import { deleteAddress, dumpAddresses, newAddress, readAddresses } from './address.ts';
import { formatPrefix, type Prefix } from './ip-address.ts';
import { deleteLink, getLink, type Link, newBridge, readLinks, setAlias, setLinkLocal, setMtu, setUp } from './link.ts';
import type { RouteSocket } from './route-socket.ts';
import type { Request } from './rtnetlink.ts';
import { writeSysctl } from './sysctl.ts';

export interface BridgeWish {
  readonly name: string;
  /** Alias that marks the bridge as one's own. */
  readonly owner: string;
  readonly mac: Uint8Array;
  readonly mtu: number;
  /** The host's addresses on it. */
  readonly addresses: readonly Prefix[];
}

export interface Bridge {
  readonly index: number;
  /** False: somebody else made it; its addresses are left as they are and it is never removed. */
  readonly owned: boolean;
  readonly addresses: readonly Prefix[];
}

/** An interface by its name; undefined when there is none. */
export async function findLink(socket: RouteSocket, name: string): Promise<Link | undefined> {
  const { replies, refused } = await socket.attempt([getLink(name)]);
  const refusal = refused.get(0);
  if (refusal !== undefined && refusal.code !== 'ENODEV') throw refusal;
  return readLinks(replies)[0];
}

async function addressesOf(socket: RouteSocket, index: number): Promise<readonly Prefix[]> {
  const all = readAddresses(await socket.request([dumpAddresses()]));
  return all.filter((one) => one.index === index).map((one) => one.prefix);
}

/**
 * The bridge as wished: there, up, with exactly the wished addresses (link-local ones aside). Throws when the name belongs to an
 * interface that is no bridge or to another owner.
 */
export async function ensureBridge(socket: RouteSocket, wish: BridgeWish): Promise<Bridge> {
  let link = await findLink(socket, wish.name);
  if (link === undefined) {
    await socket.request([newBridge(wish.name, wish.mac, wish.mtu), setAlias(wish.name, wish.owner)]);
    link = await findLink(socket, wish.name);
    if (link === undefined) throw new Error(`bridge ${wish.name} vanished right after it was made`);
  }
  if (link.kind !== 'bridge') throw new Error(`${wish.name} exists and is not a bridge; choose another name`);
  const owned = link.alias === wish.owner;
  if (!owned && link.alias.startsWith('tsd:')) {
    throw new Error(`bridge ${wish.name} belongs to another daemon (${link.alias}); choose another name`);
  }
  return { index: link.index, owned, addresses: await settle(socket, link, owned, wish) };
}

async function settle(socket: RouteSocket, link: Link, owned: boolean, wish: BridgeWish): Promise<readonly Prefix[]> {
  const present = await addressesOf(socket, link.index);
  if (!owned) {
    if (!link.up) await socket.request([setUp(link.index, true)]);
    return present;
  }
  // No router advertisement that a container sends may change the host.
  writeSysctl('0', 'ipv6', 'conf', wish.name, 'accept_ra');
  const wanted = new Set(wish.addresses.map(formatPrefix));
  const isLinkLocal = ({ address }: Prefix): boolean => address.family === 6 && address.value >> 118n === 0x3fan;
  const stale = present.filter((prefix) => !wanted.has(formatPrefix(prefix)) && !isLinkLocal(prefix));
  const batch: Request[] = [];
  if (wish.mtu !== 0 && wish.mtu !== link.mtu) batch.push(setMtu(link.index, wish.mtu));
  if (!link.up && !wish.addresses.some(({ address }) => address.family === 6))
    batch.push(setLinkLocal(link.index, false));
  for (const prefix of stale) batch.push(deleteAddress(link.index, prefix));
  for (const prefix of wish.addresses) batch.push(newAddress(link.index, prefix));
  if (!link.up) batch.push(setUp(link.index, true));
  if (batch.length > 0) await socket.request(batch);
  return wish.addresses;
}

/** Removes a bridge of this owner; harmless when there is none or when it is another's. */
export async function removeBridge(socket: RouteSocket, name: string, owner: string): Promise<void> {
  const link = await findLink(socket, name);
  if (link === undefined || link.kind !== 'bridge' || link.alias !== owner) return;
  const { refused } = await socket.attempt([deleteLink(link.index)]);
  const refusal = refused.get(0);
  if (refusal !== undefined && refusal.code !== 'ENODEV') throw refusal;
}
