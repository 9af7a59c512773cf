// Owns the byte layout of netlink messages: headers, attributes, acknowledgements (netlink(7), rtnetlink(7), linux/netlink.h). Pure: no
// socket, no kernel. Knows no link, address or route; link.ts and address.ts say what goes into a message.
import { constants, endianness } from 'node:os';

const LITTLE = endianness() === 'LE';

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

const NLMSGERR_ATTR_MSG = 1;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const HEADER = 16;

const align = (length: number): number => (length + 3) & ~3;
const view = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);

/** An attribute to be sent; `value` a list of attributes makes it a nest. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array | readonly Attribute[];
}

/** One message of a batch. `what` says in words what it does, for the error text. */
export interface Request {
  readonly what: string;
  readonly type: number;
  /** Beside NLM_F_REQUEST and NLM_F_ACK, which every message gets (a dump gets no ACK: it ends with DONE). */
  readonly flags: number;
  /** The fixed part: struct ifinfomsg, ifaddrmsg, rtmsg … */
  readonly header: Uint8Array;
  readonly attributes: readonly Attribute[];
  /** A refusal is no failure: the kernel may not know this (a host without IPv6, say). */
  readonly optional?: boolean;
}

/** One message that came back. `attributes` are found with readAttributes(payload, size of the fixed part). */
export interface Reply {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** The kernel's refusal of one message of a batch. `code` is the errno's name; the text has the kernel's own explanation when it gave one. */
export class NetlinkError extends Error {
  readonly errno: number;
  readonly code: string;
  readonly what: string;
  readonly explanation: string;

  constructor(what: string, errno: number, explanation: string) {
    const code = errnoName(errno);
    super(explanation === '' ? `${what}: ${code}` : `${what}: ${code}: ${explanation}`);
    this.name = 'NetlinkError';
    this.errno = errno;
    this.code = code;
    this.what = what;
    this.explanation = explanation;
  }
}

function errnoName(errno: number): string {
  for (const [name, value] of Object.entries(constants.errno)) {
    if (value === errno && name !== 'EWOULDBLOCK') return name;
  }
  return `errno ${errno}`;
}

export function u8(type: number, value: number): Attribute {
  return { type, value: Uint8Array.of(value) };
}

export function u16(type: number, value: number): Attribute {
  const data = new Uint8Array(2);
  view(data).setUint16(0, value, LITTLE);
  return { type, value: data };
}

export function u32(type: number, value: number): Attribute {
  const data = new Uint8Array(4);
  view(data).setUint32(0, value >>> 0, LITTLE);
  return { type, value: data };
}

/** A text with its final NUL. */
export function text(type: number, value: string): Attribute {
  return { type, value: new TextEncoder().encode(`${value}\0`) };
}

export function bytes(type: number, value: Uint8Array): Attribute {
  return { type, value };
}

export function nest(type: number, value: readonly Attribute[]): Attribute {
  return { type, value };
}

/** A fixed header written field by field: [size in bytes, value] in order; total size is the sum. */
export function fields(...list: readonly (readonly [1 | 2 | 4, number])[]): Uint8Array {
  const data = new Uint8Array(list.reduce((sum, [size]) => sum + size, 0));
  const to = view(data);
  let at = 0;
  for (const [size, value] of list) {
    if (size === 1) to.setUint8(at, value & 0xff);
    else if (size === 2) to.setUint16(at, value & 0xffff, LITTLE);
    else to.setUint32(at, value >>> 0, LITTLE);
    at += size;
  }
  return data;
}

function attributeSize(attribute: Attribute): number {
  const { value } = attribute;
  const length =
    value instanceof Uint8Array ? value.length : value.reduce((sum, one) => sum + align(attributeSize(one)), 0);
  return 4 + length;
}

function writeAttribute(to: Uint8Array, at: number, attribute: Attribute): number {
  const size = attributeSize(attribute);
  const nested = !(attribute.value instanceof Uint8Array);
  const head = view(to);
  head.setUint16(at, size, LITTLE);
  head.setUint16(at + 2, nested ? attribute.type | NLA_F_NESTED : attribute.type, LITTLE);
  if (attribute.value instanceof Uint8Array) {
    to.set(attribute.value, at + 4);
  } else {
    let inner = at + 4;
    for (const one of attribute.value) inner = writeAttribute(to, inner, one);
  }
  return at + align(size);
}

/** The batch as bytes; message n has the sequence number n + 1. */
export function encode(requests: readonly Request[]): Uint8Array {
  const sizes = requests.map(
    (request) =>
      HEADER +
      align(request.header.length) +
      request.attributes.reduce((sum, attribute) => sum + align(attributeSize(attribute)), 0),
  );
  const data = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const to = view(data);
  let start = 0;
  for (const [index, request] of requests.entries()) {
    const size = sizes[index] ?? 0;
    const dump = (request.flags & NLM_F_DUMP) === NLM_F_DUMP && (request.flags & NLM_F_CREATE) === 0;
    to.setUint32(start, size, LITTLE);
    to.setUint16(start + 4, request.type, LITTLE);
    to.setUint16(start + 6, request.flags | NLM_F_REQUEST | (dump ? 0 : NLM_F_ACK), LITTLE);
    to.setUint32(start + 8, index + 1, LITTLE);
    data.set(request.header, start + HEADER);
    let at = start + HEADER + align(request.header.length);
    for (const attribute of request.attributes) at = writeAttribute(data, at, attribute);
    start += size;
  }
  return data;
}

/** The messages in received bytes. Throws when a length does not fit: the socket's stream is then not to be trusted any more. */
export function decode(data: Uint8Array): Reply[] {
  const replies: Reply[] = [];
  const from = view(data);
  let at = 0;
  while (at + HEADER <= data.length) {
    const size = from.getUint32(at, LITTLE);
    if (size < HEADER || at + size > data.length) {
      throw new Error(`netlink reply at byte ${at} says ${size} bytes, ${data.length - at} are there`);
    }
    replies.push({
      type: from.getUint16(at + 4, LITTLE),
      flags: from.getUint16(at + 6, LITTLE),
      sequence: from.getUint32(at + 8, LITTLE),
      payload: data.subarray(at + HEADER, at + size),
    });
    at += align(size);
  }
  return replies;
}

/** The attributes of a payload behind its fixed part of `skip` bytes; of equal types the last counts. */
export function readAttributes(payload: Uint8Array, skip: number): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const from = view(payload);
  let at = align(skip);
  while (at + 4 <= payload.length) {
    const size = from.getUint16(at, LITTLE);
    if (size < 4 || at + size > payload.length) break;
    found.set(from.getUint16(at + 2, LITTLE) & NLA_TYPE_MASK, payload.subarray(at + 4, at + size));
    at += align(size);
  }
  return found;
}

export const readU8 = (data: Uint8Array, at = 0): number => view(data).getUint8(at);
export const readU16 = (data: Uint8Array, at = 0): number => view(data).getUint16(at, LITTLE);
export const readU32 = (data: Uint8Array, at = 0): number => view(data).getUint32(at, LITTLE);
export const readI32 = (data: Uint8Array, at = 0): number => view(data).getInt32(at, LITTLE);

/** A text attribute without its final NUL. */
export function readText(data: Uint8Array): string {
  const end = data.indexOf(0);
  return new TextDecoder().decode(end === -1 ? data : data.subarray(0, end));
}

/**
 * The refusals of a batch, by index of the message. The explanation is the kernel's extended acknowledgement (NETLINK_EXT_ACK):
 * its attributes stand behind the errno and the echoed request, of which NLM_F_CAPPED left only the header.
 */
export function refusals(requests: readonly Request[], replies: readonly Reply[]): Map<number, NetlinkError> {
  const found = new Map<number, NetlinkError>();
  for (const reply of replies) {
    if (reply.type !== NLMSG_ERROR && reply.type !== NLMSG_DONE) continue;
    if (reply.payload.length < 4) continue;
    const result = readI32(reply.payload);
    if (result >= 0) continue;
    const index = reply.sequence - 1;
    const request = requests[index];
    if (request !== undefined) found.set(index, new NetlinkError(request.what, -result, explanationOf(reply)));
  }
  return found;
}

function explanationOf(reply: Reply): string {
  if ((reply.flags & NLM_F_ACK_TLVS) === 0) return '';
  let skip = 4;
  if (reply.type === NLMSG_ERROR) {
    if (reply.payload.length < 4 + HEADER) return '';
    skip += (reply.flags & NLM_F_CAPPED) !== 0 ? HEADER : align(readU32(reply.payload, 4));
  }
  const message = readAttributes(reply.payload, skip).get(NLMSGERR_ATTR_MSG);
  return message === undefined ? '' : readText(message);
}

/** The answers to message `index` without acknowledgements. */
export function answersTo(index: number, replies: readonly Reply[]): Reply[] {
  return replies.filter(
    (reply) => reply.sequence === index + 1 && reply.type !== NLMSG_ERROR && reply.type !== NLMSG_DONE,
  );
}
