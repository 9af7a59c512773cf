// Owns the messages between daemon and monitor as bytes: docs/monitor-protocol.md is the contract. Pure: knows no socket and no plan.
import { constants } from 'node:os';

export const PROTOCOL_VERSION = 1;
/** Longest payload that either side accepts, in bytes. */
export const MAX_PAYLOAD = 4 * 1024 * 1024;
/** Descriptors a frame may carry (SCM_MAX_FD is 253). */
export const MAX_DESCRIPTORS = 250;
const HEADER = 8;

export const messageType = {
  launch: 1,
  go: 2,
  attach: 3,
  signal: 4,
  resize: 5,
  exec: 6,
  detach: 7,
  closeStdin: 8,
  hold: 9,
  hello: 101,
  started: 102,
  failed: 103,
  exited: 104,
  detached: 105,
  execStarted: 106,
  execFailed: 107,
  execExited: 108,
  logError: 109,
} as const;

export const fieldTag = {
  id: 1,
  plan: 2,
  fds: 3,
  tty: 4,
  openStdin: 5,
  stdinOnce: 6,
  logDriver: 7,
  logMaxSize: 8,
  logMaxFile: 9,
  logAttrs: 10,
  client: 11,
  streams: 12,
  multiplexed: 13,
  greeting: 14,
  input: 15,
  detachKeys: 16,
  exec: 17,
  signal: 18,
  rows: 19,
  columns: 20,
  version: 21,
  state: 22,
  monitorPid: 23,
  pid: 24,
  startTime: 25,
  startedAt: 26,
  finishedAt: 27,
  step: 28,
  index: 29,
  errno: 30,
  detail: 31,
  code: 32,
  reason: 33,
  lost: 34,
  execs: 35,
  execPids: 36,
  held: 37,
} as const;

export type FieldName = keyof typeof fieldTag;
export type FieldValue = bigint | number | boolean | string | Uint8Array;

/** Bits of `streams`. */
export const stream = { stdin: 1, stdout: 2, stderr: 4 } as const;

/** Values of `state` in hello. */
export const monitorState = { idle: 0, launched: 1, running: 2, exited: 3 } as const;

/** A received message; unknown fields are kept under their tag and skipped by the readers. */
export interface Message {
  readonly type: number;
  readonly version: number;
  readonly fields: ReadonlyMap<number, Uint8Array>;
}

/** A frame that no monitor of any version sends: the connection is of no use any more. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}

function bytesOf(value: FieldValue): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (value instanceof Uint8Array) return value;
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64LE(typeof value === 'bigint' ? BigInt.asIntN(64, value) : BigInt(value));
  return bytes;
}

/** One frame. Fields that are undefined are left out. Throws ProtocolError when the payload is over MAX_PAYLOAD. */
export function encodeMessage(
  type: number,
  fields: Readonly<Partial<Record<FieldName, FieldValue | undefined>>>,
): Uint8Array {
  const parts: { readonly tag: number; readonly bytes: Uint8Array }[] = [];
  let length = 0;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const bytes = bytesOf(value);
    parts.push({ tag: fieldTag[name as FieldName], bytes });
    length += 6 + bytes.length;
  }
  if (length > MAX_PAYLOAD) throw new ProtocolError(`message of ${length} bytes is longer than ${MAX_PAYLOAD}`);
  const frame = Buffer.allocUnsafe(HEADER + length);
  frame.writeUInt32LE(length, 0);
  frame.writeUInt16LE(type, 4);
  frame.writeUInt16LE(PROTOCOL_VERSION, 6);
  let at = HEADER;
  for (const { tag, bytes } of parts) {
    frame.writeUInt16LE(tag, at);
    frame.writeUInt32LE(bytes.length, at + 2);
    frame.set(bytes, at + 6);
    at += 6 + bytes.length;
  }
  return frame;
}

function decodeFields(payload: Buffer): ReadonlyMap<number, Uint8Array> {
  const fields = new Map<number, Uint8Array>();
  let at = 0;
  while (at < payload.length) {
    if (at + 6 > payload.length) throw new ProtocolError('a field is cut short');
    const length = payload.readUInt32LE(at + 2);
    if (at + 6 + length > payload.length) throw new ProtocolError('a field is longer than its message');
    fields.set(payload.readUInt16LE(at), payload.subarray(at + 6, at + 6 + length));
    at += 6 + length;
  }
  return fields;
}

/** Puts frames together from pieces as they come from a stream. */
export class FrameDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that are complete with these bytes, in order. Throws ProtocolError; the decoder is of no use then. */
  push(piece: Uint8Array): Message[] {
    this.#rest = this.#rest.length === 0 ? Buffer.from(piece) : Buffer.concat([this.#rest, piece]);
    const messages: Message[] = [];
    let at = 0;
    while (this.#rest.length - at >= HEADER) {
      const length = this.#rest.readUInt32LE(at);
      if (length > MAX_PAYLOAD) throw new ProtocolError(`message of ${length} bytes is longer than ${MAX_PAYLOAD}`);
      if (this.#rest.length - at < HEADER + length) break;
      messages.push({
        type: this.#rest.readUInt16LE(at + 4),
        version: this.#rest.readUInt16LE(at + 6),
        fields: decodeFields(this.#rest.subarray(at + HEADER, at + HEADER + length)),
      });
      at += HEADER + length;
    }
    this.#rest = this.#rest.subarray(at);
    return messages;
  }
}

/** A number field; 0n when it is absent. Throws ProtocolError when it is no number. */
export function bigintField(message: Message, name: FieldName): bigint {
  const bytes = message.fields.get(fieldTag[name]);
  if (bytes === undefined) return 0n;
  if (bytes.length !== 8) throw new ProtocolError(`field ${name} is no number`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, 8).readBigInt64LE();
}

/** A number field that fits into a double (pids, codes, lengths). */
export const numberField = (message: Message, name: FieldName): number => Number(bigintField(message, name));

/** A text field; empty when it is absent. */
export function textField(message: Message, name: FieldName): string {
  const bytes = message.fields.get(fieldTag[name]);
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

export const hasField = (message: Message, name: FieldName): boolean => message.fields.has(fieldTag[name]);

const errnoNames: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

/** `ENOENT` for 2; `errno 999` for a number without a name. */
export const errnoName = (errno: number): string => errnoNames.get(errno) ?? `errno ${errno}`;
