// Owns sending what a namespace's own processes say to one of its loopback addresses to other ports of that address, so that the well-known
// port stays free for the container: nf_tables messages (linux/netfilter/nf_tables.h, nfnetlink.h). One transaction, one own table.
import { endianness } from 'node:os';
import { close, netlinkTransact, openNetlink } from '../../../addon/index.ts';
import { addressBytes, parseAddress } from './ip-address.ts';
import {
  type Attribute,
  bytes,
  decode,
  encode,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLMSG_ERROR,
  nest,
  type Request,
  readI32,
  refusals,
  text,
} from './rtnetlink.ts';

const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_NEWRULE = 6;
const NLM_F_APPEND = 0x800;

const AF_INET = 2;
const NF_INET_LOCAL_OUT = 3;
/** NF_IP_PRI_NAT_DST. */
const PRIORITY = -100;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

const NFT_REG_1 = 1;
const NFT_REG_2 = 2;
const NFT_PAYLOAD_NETWORK_HEADER = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER = 2;
const NFT_META_L4PROTO = 16;
const NFT_CMP_EQ = 0;
const NFT_NAT_DNAT = 1;

const TABLE = 'tsd-names';
const CHAIN = 'output';

/** Numbers of nf_tables are big endian, other than netlink's own. */
function be32(type: number, value: number): Attribute {
  const data = Buffer.alloc(4);
  data.writeInt32BE(value | 0);
  return bytes(type, new Uint8Array(data));
}

const be16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

/** struct nfgenmsg: family, version, resource. */
const header = (family: number, resource: number): Uint8Array => Uint8Array.of(family, 0, ...be16(resource));

const message = (what: string, type: number, flags: number, attributes: readonly Attribute[]): Request => ({
  what,
  type: (NFNL_SUBSYS_NFTABLES << 8) | type,
  flags,
  header: header(AF_INET, 0),
  attributes,
});

/** NFTA_LIST_ELEM of NFTA_EXPR_NAME and NFTA_EXPR_DATA. */
const expression = (name: string, data: readonly Attribute[]): Attribute => nest(1, [text(1, name), nest(2, data)]);

/** NFTA_DATA_VALUE. */
const value = (type: number, data: Uint8Array): Attribute => nest(type, [bytes(1, data)]);

const load = (base: number, offset: number, length: number): Attribute =>
  expression('payload', [be32(1, NFT_REG_1), be32(2, base), be32(3, offset), be32(4, length)]);
const equals = (data: Uint8Array): Attribute =>
  expression('cmp', [be32(1, NFT_REG_1), be32(2, NFT_CMP_EQ), value(3, data)]);
const immediate = (register: number, data: Uint8Array): Attribute =>
  expression('immediate', [be32(1, register), value(2, data)]);

function redirectRule(address: Uint8Array, protocol: number, from: number, to: number): Request {
  const expressions = [
    load(NFT_PAYLOAD_NETWORK_HEADER, 16, 4),
    equals(address),
    expression('meta', [be32(1, NFT_REG_1), be32(2, NFT_META_L4PROTO)]),
    equals(Uint8Array.of(protocol)),
    load(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2),
    equals(be16(from)),
    immediate(NFT_REG_1, address),
    immediate(NFT_REG_2, be16(to)),
    expression('nat', [be32(1, NFT_NAT_DNAT), be32(2, AF_INET), be32(3, NFT_REG_1), be32(5, NFT_REG_2)]),
  ];
  const attributes = [text(1, TABLE), text(2, CHAIN), nest(4, expressions)];
  return message('add rule', NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, attributes);
}

export interface LocalRedirect {
  /** An IPv4 loopback address. */
  readonly address: string;
  readonly port: number;
  readonly udp: number;
  readonly tcp: number;
}

/** `again`: the table may be there already and is made anew. That costs a fresh namespace 15 ms, so it is not done in one. */
export function redirectBatch(redirect: LocalRedirect, again: boolean): readonly Request[] {
  const address = parseAddress(redirect.address);
  if (address === undefined) throw new Error(`not an address: ${redirect.address}`);
  const data = addressBytes(address);
  const table = message('make table', NFT_MSG_NEWTABLE, NLM_F_CREATE, [text(1, TABLE)]);
  const batch = (what: string, type: number): Request => ({
    ...{ what, type, flags: 0, attributes: [] },
    header: header(0, NFNL_SUBSYS_NFTABLES),
  });
  return [
    batch('begin', NFNL_MSG_BATCH_BEGIN),
    table,
    ...(again ? [message('delete table', NFT_MSG_DELTABLE, 0, [text(1, TABLE)]), table] : []),
    message('make chain', NFT_MSG_NEWCHAIN, NLM_F_CREATE, [
      text(1, TABLE),
      text(3, CHAIN),
      nest(4, [be32(1, NF_INET_LOCAL_OUT), be32(2, PRIORITY)]),
      text(7, 'nat'),
    ]),
    redirectRule(data, IPPROTO_UDP, redirect.port, redirect.udp),
    redirectRule(data, IPPROTO_TCP, redirect.port, redirect.tcp),
    batch('end', NFNL_MSG_BATCH_END),
  ];
}

/**
 * Kernels differ in what of a batch they acknowledge. With one number for all and one acknowledgement asked for, of the last message but the
 * end, the first answer is the outcome: the refusal of whichever message, or the acknowledgement.
 */
function asOneQuestion(data: Uint8Array, count: number): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const little = endianness() === 'LE';
  let at = 0;
  for (let index = 0; index < count; index++) {
    const flags = view.getUint16(at + 6, little);
    view.setUint16(at + 6, index === count - 2 ? flags | NLM_F_ACK : flags & ~NLM_F_ACK, little);
    view.setUint32(at + 8, 1, little);
    at += (view.getUint32(at, little) + 3) & ~3;
  }
  return data;
}

/** Makes the redirection in the namespace. Rejects with NetlinkError when the kernel refuses it, as one without nf_tables does. */
export async function redirectLocally(namespace: number, redirect: LocalRedirect, again: boolean): Promise<void> {
  const socket = await openNetlink(namespace, NETLINK_NETFILTER);
  try {
    const requests = redirectBatch(redirect, again);
    const replies = decode(await netlinkTransact(socket, asOneQuestion(encode(requests), requests.length)));
    const [refusal] = refusals(requests, replies).values();
    if (refusal !== undefined) throw refusal;
    if (!replies.some(({ type, payload }) => type === NLMSG_ERROR && readI32(payload) === 0)) {
      throw new Error('the kernel did not acknowledge the redirection');
    }
  } finally {
    close(socket);
  }
}
