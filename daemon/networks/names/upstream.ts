// Owns asking other name servers: one query, one server after another, over UDP or TCP, from a container's namespace or from the host's. Knows
// no name and changes no message but its id.
import { randomInt } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { isIPv6, Socket } from 'node:net';
import { bindSocket, connectTcp } from '../../../addon/index.ts';
import { codeOf, idOf, responseCode, sameQuestion, withId } from './message.ts';

const PORT = 53;
/** Milliseconds for one server, as Docker's. */
const PATIENCE = 4000;
/** Servers that are asked, as of resolv.conf(5). */
const MAX_SERVERS = 3;

export interface Server {
  readonly address: string;
  /** Asked in the host's namespace: a resolver of the host's loopback, or of a family that the container may not have. */
  readonly fromHost: boolean;
}

/** An answer that another server may know better. */
const isPoor = (answer: Uint8Array): boolean =>
  codeOf(answer) === responseCode.serverFailure || codeOf(answer) === responseCode.refused;

/** The first good answer; else the last poor one; undefined when no server answers. `namespace` stays open until it resolves. */
export async function askServers(
  servers: readonly Server[],
  raw: Uint8Array,
  overUdp: boolean,
  namespace: number,
): Promise<Uint8Array | undefined> {
  let poor: Uint8Array | undefined;
  for (const server of servers.slice(0, MAX_SERVERS)) {
    const query = withId(raw, randomInt(65_536));
    try {
      const answer = await (overUdp ? askUdp(server, query, namespace) : askTcp(server, query, namespace));
      if (!isPoor(answer)) return answer;
      poor = answer;
    } catch {
      // Not there, or silent: the next one.
    }
  }
  return poor;
}

const isAnswer = (query: Uint8Array, answer: Uint8Array): boolean =>
  answer.length >= 12 && idOf(answer) === idOf(query) && ((answer[2] ?? 0) & 0x80) !== 0 && sameQuestion(query, answer);

async function askUdp(server: Server, query: Uint8Array, namespace: number): Promise<Uint8Array> {
  const six = isIPv6(server.address);
  const fd = server.fromHost ? undefined : await bindSocket(namespace, 'udp', six ? '::' : '0.0.0.0', 0);
  const socket = createSocket(six ? 'udp6' : 'udp4');
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const timer = setTimeout(() => reject(new Error(`no answer of ${server.address}`)), PATIENCE);
  try {
    // Connected, so that only the server's datagrams come in and a refusal (ICMP) is heard.
    socket.on('error', reject);
    socket.on('connect', () => socket.send(query));
    socket.on('message', (answer) => {
      if (isAnswer(query, answer)) resolve(answer);
    });
    if (fd !== undefined) await bound(socket, fd);
    socket.connect(PORT, server.address);
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

function bound(socket: UdpSocket, fd: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('error', reject);
  socket.bind({ fd }, () => {
    socket.off('error', reject);
    resolve();
  });
  return promise;
}

async function askTcp(server: Server, query: Uint8Array, namespace: number): Promise<Uint8Array> {
  const socket = server.fromHost
    ? new Socket().connect(PORT, server.address)
    : new Socket({ fd: await connectTcp(namespace, server.address, PORT, false), readable: true, writable: true });
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const timer = setTimeout(() => reject(new Error(`no answer of ${server.address}`)), PATIENCE);
  const reader = new MessageReader();
  try {
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`${server.address} closed the connection`)));
    socket.on('data', (piece: Buffer) => {
      for (const answer of reader.push(piece)) if (isAnswer(query, answer)) resolve(answer);
    });
    socket.write(framed(query));
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** A message as it goes over TCP: its length before it. */
export function framed(message: Uint8Array): Uint8Array {
  const data = new Uint8Array(2 + message.length);
  data[0] = message.length >> 8;
  data[1] = message.length & 255;
  data.set(message, 2);
  return data;
}

/** Puts the messages of a TCP stream together. Holds one message at most. */
export class MessageReader {
  #rest: Buffer = Buffer.alloc(0);

  push(piece: Uint8Array): Uint8Array[] {
    this.#rest = Buffer.concat([this.#rest, piece]);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (this.#rest.length - at >= 2) {
      const length = this.#rest.readUInt16BE(at);
      if (this.#rest.length - at - 2 < length) break;
      messages.push(new Uint8Array(this.#rest.subarray(at + 2, at + 2 + length)));
      at += 2 + length;
    }
    this.#rest = this.#rest.subarray(at);
    return messages;
  }
}
