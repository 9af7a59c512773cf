// Owns the messages about addresses and routes (RTM_*ADDR, RTM_*ROUTE of rtnetlink(7)) and the reading of their answers. Pure.
import { type Address, addressBytes, addressOf, lastAddress, masked, type Prefix, widthOf } from './ip-address.ts';
import {
  bytes,
  fields,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  type Reply,
  type Request,
  readAttributes,
  readU32,
  u32,
} from './rtnetlink.ts';

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

const ADDRESS_HEADER = 8;
const ROUTE_HEADER = 12;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 2;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_TABLE = 15;

const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_NOWHERE = 255;
const RTN_UNICAST = 1;

const AF_INET = 2;
const AF_INET6 = 10;
const familyOf = (address: Address): number => (address.family === 4 ? AF_INET : AF_INET6);

/** An address of an interface. */
export interface InterfaceAddress {
  readonly index: number;
  readonly prefix: Prefix;
}

/** A route of the main table. */
export interface Route {
  readonly destination: Prefix;
  /** 0: none. */
  readonly index: number;
  readonly gateway: Address | undefined;
}

/** struct ifaddrmsg: family, prefix length, flags, scope, index. */
function addressHeader(index: number, prefix: Prefix): Uint8Array {
  const flags = prefix.address.family === 6 ? IFA_F_NODAD : 0;
  return fields([1, familyOf(prefix.address)], [1, prefix.bits], [1, flags], [1, 0], [4, index]);
}

/** IPv6 addresses are used at once, without duplicate address detection: they come from an allocation that has no duplicates. */
export function newAddress(index: number, prefix: Prefix): Request {
  const data = addressBytes(prefix.address);
  const broadcast =
    prefix.address.family === 4 && prefix.bits < 31 ? [bytes(IFA_BROADCAST, addressBytes(lastAddress(prefix)))] : [];
  return {
    what: 'add address',
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    header: addressHeader(index, prefix),
    attributes: [bytes(IFA_LOCAL, data), bytes(IFA_ADDRESS, data), ...broadcast],
  };
}

export function deleteAddress(index: number, prefix: Prefix): Request {
  return {
    what: 'delete address',
    type: RTM_DELADDR,
    flags: 0,
    header: addressHeader(index, prefix),
    attributes: [bytes(IFA_LOCAL, addressBytes(prefix.address))],
  };
}

export function newDefaultRoute(index: number, gateway: Address): Request {
  return {
    what: 'add default route',
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header: fields(
      [1, familyOf(gateway)],
      [1, 0],
      [1, 0],
      [1, 0],
      [1, RT_TABLE_MAIN],
      [1, RTPROT_BOOT],
      [1, RT_SCOPE_UNIVERSE],
      [1, RTN_UNICAST],
      [4, 0],
    ),
    attributes: [bytes(RTA_GATEWAY, addressBytes(gateway)), u32(RTA_OIF, index)],
  };
}

/** Removes the default route of the family; harmless when there is none. */
export function deleteDefaultRoute(family: 4 | 6): Request {
  return {
    what: 'delete default route',
    type: RTM_DELROUTE,
    flags: 0,
    header: fields(
      [1, family === 4 ? AF_INET : AF_INET6],
      [1, 0],
      [1, 0],
      [1, 0],
      [1, RT_TABLE_MAIN],
      [1, 0],
      [1, RT_SCOPE_NOWHERE],
      [1, 0],
      [4, 0],
    ),
    attributes: [],
    optional: true,
  };
}

export function dumpAddresses(): Request {
  return {
    what: 'list addresses',
    type: RTM_GETADDR,
    flags: NLM_F_DUMP,
    header: fields([1, 0], [1, 0], [1, 0], [1, 0], [4, 0]),
    attributes: [],
  };
}

export function dumpRoutes(): Request {
  return {
    what: 'list routes',
    type: RTM_GETROUTE,
    flags: NLM_F_DUMP,
    header: fields([4, 0], [4, 0], [4, 0]),
    attributes: [],
  };
}

export function readAddresses(replies: readonly Reply[]): InterfaceAddress[] {
  return replies.flatMap(({ type, payload }) => {
    if (type !== RTM_NEWADDR || payload.length < ADDRESS_HEADER) return [];
    const attributes = readAttributes(payload, ADDRESS_HEADER);
    const address = addressOf(attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS) ?? new Uint8Array());
    return address === undefined ? [] : [{ index: readU32(payload, 4), prefix: { address, bits: payload[1] ?? 0 } }];
  });
}

/** The routes of the main table. */
export function readRoutes(replies: readonly Reply[]): Route[] {
  return replies.flatMap(({ type, payload }) => {
    if (type !== RTM_NEWROUTE || payload.length < ROUTE_HEADER) return [];
    const attributes = readAttributes(payload, ROUTE_HEADER);
    const table = attributes.get(RTA_TABLE);
    const family = payload[0] === AF_INET ? 4 : payload[0] === AF_INET6 ? 6 : undefined;
    if (family === undefined || (table === undefined ? payload[4] : readU32(table)) !== RT_TABLE_MAIN) return [];
    const address = addressOf(attributes.get(RTA_DST) ?? new Uint8Array(widthOf(family) / 8));
    const oif = attributes.get(RTA_OIF);
    if (address === undefined) return [];
    return [
      {
        destination: masked({ address, bits: payload[1] ?? 0 }),
        index: oif === undefined ? 0 : readU32(oif),
        gateway: addressOf(attributes.get(RTA_GATEWAY) ?? new Uint8Array()),
      },
    ];
  });
}
