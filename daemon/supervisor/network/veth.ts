// Owns the link between a bridge and a network namespace: a veth pair made in one batch outside and one inside.
import { newAddress, newDefaultRoute } from './address.ts';
import type { Address, Prefix } from './ip-address.ts';
import {
  type BridgePort,
  getLink,
  newVeth,
  readLinks,
  setAlias,
  setBridgePort,
  setLinkLocal,
  setUp,
  type VethPair,
} from './link.ts';
import type { RouteSocket } from './route-socket.ts';
import type { Request } from './rtnetlink.ts';

export interface VethWish extends VethPair, BridgePort {
  /** Alias of the host's end: whose it is. */
  readonly owner: string;
  readonly addresses: readonly Prefix[];
  /** Default routes to set, at most one a family. */
  readonly gateways: readonly Address[];
}

/**
 * Makes the pair, its addresses and routes; rejects with NetlinkError. After a rejection the host's end may exist: the caller deletes
 * it by name. The link inside comes up last, so nothing is sent before its addresses are set.
 */
export async function makeVeth(host: RouteSocket, inside: RouteSocket, wish: VethWish): Promise<void> {
  const replies = await host.request([
    newVeth(wish),
    setAlias(wish.hostName, wish.owner),
    setLinkLocal(wish.hostName, false),
    getLink(wish.hostName),
  ]);
  const link = readLinks(replies)[0];
  if (link === undefined) throw new Error(`veth ${wish.hostName} vanished right after it was made`);
  const work: Promise<unknown>[] = [inside.request(insideBatch(link.peer, wish))];
  if (wish.isolated || wish.hairpin) work.push(host.request([setBridgePort(link.index, wish)]));
  // Both are waited for even when one fails: the caller may close the inner socket then.
  for (const outcome of await Promise.allSettled(work)) if (outcome.status === 'rejected') throw outcome.reason;
}

function insideBatch(index: number, wish: VethWish): Request[] {
  const hasIPv6 = wish.addresses.some(({ address }) => address.family === 6);
  return [
    ...(hasIPv6 ? [] : [setLinkLocal(index, false)]),
    ...wish.addresses.map((prefix) => newAddress(index, prefix)),
    setUp(index, true),
    ...wish.gateways.map((gateway) => newDefaultRoute(index, gateway)),
  ];
}
