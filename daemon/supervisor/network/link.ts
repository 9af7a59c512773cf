// Owns the messages about network interfaces (RTM_*LINK of rtnetlink(7), linux/if_link.h) and the reading of their answers. Pure.
import {
  type Attribute,
  bytes,
  fields,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  nest,
  type Reply,
  type Request,
  readAttributes,
  readI32,
  readText,
  readU32,
  text,
  u8,
  u32,
} from './rtnetlink.ts';

export const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;

const IFF_UP = 1;
const HEADER = 16;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_PROTINFO = 12;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_AF_SPEC = 26;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;

const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;

const IFLA_BR_FORWARD_DELAY = 1;
const IFLA_BR_STP_STATE = 5;
const IFLA_BRPORT_MODE = 4;
const IFLA_BRPORT_ISOLATED = 33;

const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_EUI64 = 0;
const IN6_ADDR_GEN_MODE_NONE = 1;
const AF_INET6 = 10;
const AF_BRIDGE = 7;

/** Statistics are not wanted in dumps: they are most of an answer (RTEXT_FILTER_SKIP_STATS). */
const RTEXT_FILTER_SKIP_STATS = 8;

/** An interface as the kernel tells of it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly alias: string;
  /** `bridge`, `veth` …; empty for hardware and the loopback. */
  readonly kind: string;
  /** 0: none. */
  readonly master: number;
  /** The other end's index in its namespace (veth); 0: none. */
  readonly peer: number;
  readonly mtu: number;
  readonly mac: Uint8Array;
}

/** struct ifinfomsg: family, pad, type, index, flags, change mask. */
function header(index: number, up?: boolean, family = 0): Uint8Array {
  const change = up === undefined ? 0 : IFF_UP;
  return fields([1, family], [1, 0], [2, 0], [4, index], [4, up === true ? IFF_UP : 0], [4, change]);
}

/** Names an interface: by index, or by name where the index is not known. */
export type LinkRef = number | string;

const indexOf = (ref: LinkRef): number => (typeof ref === 'number' ? ref : 0);
const nameOf = (ref: LinkRef): readonly Attribute[] => (typeof ref === 'number' ? [] : [text(IFLA_IFNAME, ref)]);

export interface VethPair {
  readonly hostName: string;
  readonly peerName: string;
  /** Descriptor of the namespace that gets the peer. */
  readonly peerNamespace: number;
  readonly peerMac: Uint8Array;
  /** Index of the bridge that gets the host's end; 0: none. */
  readonly master: number;
  readonly mtu: number;
}

/** A pair whose peer is born in the other namespace and whose host end is a port of the bridge and up, in one message. */
export function newVeth(pair: VethPair): Request {
  const peer: Attribute = {
    type: VETH_INFO_PEER,
    value: rawNest(header(0), [
      text(IFLA_IFNAME, pair.peerName),
      bytes(IFLA_ADDRESS, pair.peerMac),
      u32(IFLA_MTU, pair.mtu),
      u32(IFLA_NET_NS_FD, pair.peerNamespace),
    ]),
  };
  return {
    what: `create veth ${pair.hostName}`,
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header: header(0, true),
    attributes: [
      text(IFLA_IFNAME, pair.hostName),
      u32(IFLA_MTU, pair.mtu),
      ...(pair.master === 0 ? [] : [u32(IFLA_MASTER, pair.master)]),
      nest(IFLA_LINKINFO, [text(IFLA_INFO_KIND, 'veth'), nest(IFLA_INFO_DATA, [peer])]),
    ],
  };
}

/** The peer's attribute is a struct ifinfomsg with attributes behind it: flat bytes, not a nest. */
function rawNest(head: Uint8Array, attributes: readonly Attribute[]): Uint8Array {
  const parts: Uint8Array[] = [head];
  for (const { type, value } of attributes) {
    if (!(value instanceof Uint8Array)) continue;
    const padded = new Uint8Array((4 + value.length + 3) & ~3);
    padded.set(fields([2, 4 + value.length], [2, type]));
    padded.set(value, 4);
    parts.push(padded);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** A bridge, down. The MAC is given so that it does not change with the ports that come and go. */
export function newBridge(name: string, mac: Uint8Array, mtu: number): Request {
  const data = [u32(IFLA_BR_FORWARD_DELAY, 0), u32(IFLA_BR_STP_STATE, 0)];
  return {
    what: `create bridge ${name}`,
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header: header(0),
    attributes: [
      text(IFLA_IFNAME, name),
      bytes(IFLA_ADDRESS, mac),
      ...(mtu === 0 ? [] : [u32(IFLA_MTU, mtu)]),
      nest(IFLA_LINKINFO, [text(IFLA_INFO_KIND, 'bridge'), nest(IFLA_INFO_DATA, data)]),
    ],
  };
}

export function setUp(ref: LinkRef, up: boolean): Request {
  return {
    what: `set link ${ref} ${up ? 'up' : 'down'}`,
    type: RTM_NEWLINK,
    flags: 0,
    header: header(indexOf(ref), up),
    attributes: nameOf(ref),
  };
}

/** A text of up to 255 bytes that shows whose the interface is. */
export function setAlias(ref: LinkRef, alias: string): Request {
  return {
    what: `set alias of link ${ref}`,
    type: RTM_NEWLINK,
    flags: 0,
    header: header(indexOf(ref)),
    attributes: [...nameOf(ref), text(IFLA_IFALIAS, alias)],
  };
}

export function setMtu(ref: LinkRef, mtu: number): Request {
  return {
    what: `set MTU of link ${ref} to ${mtu}`,
    type: RTM_NEWLINK,
    flags: 0,
    header: header(indexOf(ref)),
    attributes: [...nameOf(ref), u32(IFLA_MTU, mtu)],
  };
}

/** Whether the interface gives itself an IPv6 link-local address when it comes up; to be sent before that. Without effect on a host without IPv6. */
export function setLinkLocal(ref: LinkRef, wanted: boolean): Request {
  const mode = wanted ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE;
  return {
    what: `set IPv6 address generation of link ${ref}`,
    type: RTM_NEWLINK,
    flags: 0,
    header: header(indexOf(ref)),
    attributes: [...nameOf(ref), nest(IFLA_AF_SPEC, [nest(AF_INET6, [u8(IFLA_INET6_ADDR_GEN_MODE, mode)])])],
    optional: true,
  };
}

export interface BridgePort {
  /** It reaches the bridge itself and ports that are not isolated, never another isolated one. */
  readonly isolated: boolean;
  /** What came in by it may go out by it again. */
  readonly hairpin: boolean;
}

/** The index must be known: this family's messages take no names (and RTM_NEWLINK of it is taken and has no effect). */
export function setBridgePort(index: number, port: BridgePort): Request {
  return {
    what: `set bridge port ${index}`,
    type: RTM_SETLINK,
    flags: 0,
    header: header(index, undefined, AF_BRIDGE),
    attributes: [
      nest(IFLA_PROTINFO, [
        u8(IFLA_BRPORT_MODE, port.hairpin ? 1 : 0),
        u8(IFLA_BRPORT_ISOLATED, port.isolated ? 1 : 0),
      ]),
    ],
  };
}

export function deleteLink(ref: LinkRef): Request {
  return {
    what: `delete link ${ref}`,
    type: RTM_DELLINK,
    flags: 0,
    header: header(indexOf(ref)),
    attributes: nameOf(ref),
  };
}

/** Answered by one RTM_NEWLINK, refused with ENODEV when there is none. */
export function getLink(ref: LinkRef): Request {
  return {
    what: `get link ${ref}`,
    type: RTM_GETLINK,
    flags: 0,
    header: header(indexOf(ref)),
    attributes: [...nameOf(ref), u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)],
  };
}

export function dumpLinks(): Request {
  return {
    what: 'list links',
    type: RTM_GETLINK,
    flags: NLM_F_DUMP,
    header: header(0),
    attributes: [u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)],
  };
}

/** The interfaces in answers to getLink or dumpLinks. */
export function readLinks(replies: readonly Reply[]): Link[] {
  return replies
    .filter((reply) => reply.type === RTM_NEWLINK && reply.payload.length >= HEADER)
    .map(({ payload }) => {
      const attributes = readAttributes(payload, HEADER);
      const info = attributes.get(IFLA_LINKINFO);
      const kind = info === undefined ? undefined : readAttributes(info, 0).get(IFLA_INFO_KIND);
      const number = (type: number): number => {
        const data = attributes.get(type);
        return data === undefined || data.length < 4 ? 0 : readU32(data);
      };
      return {
        index: readI32(payload, 4),
        name: readText(attributes.get(IFLA_IFNAME) ?? new Uint8Array()),
        up: (readU32(payload, 8) & IFF_UP) !== 0,
        alias: readText(attributes.get(IFLA_IFALIAS) ?? new Uint8Array()),
        kind: kind === undefined ? '' : readText(kind),
        master: number(IFLA_MASTER),
        peer: number(IFLA_LINK),
        mtu: number(IFLA_MTU),
        mac: Uint8Array.from(attributes.get(IFLA_ADDRESS) ?? []),
      };
    });
}
