// Owns the taking of a client's connection out of Node: reading stopped, bytes already read saved, the descriptor duplicated, Node's own
// handle closed without a shutdown. The one file that touches net.Socket's handle. Knows no endpoint.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { internal } from '../base/errors.ts';
import type { Descriptors } from './ports.ts';

/** What libuv's stream handles offer; Node has no public way to stop reading at once. */
interface StreamHandle {
  readonly fd: number;
  readStop(): number;
  readStart(): number;
}

interface WithHandle {
  readonly _handle?: StreamHandle | null;
  readonly encrypted?: boolean;
}

const handleOf = (socket: Duplex): StreamHandle | undefined => {
  const { _handle: handle } = socket as unknown as WithHandle;
  return handle === null || handle === undefined || typeof handle.readStop !== 'function' ? undefined : handle;
};

/** TLS connections have no descriptor that carries plain bytes. */
export const isEncrypted = (socket: Duplex): boolean => (socket as unknown as WithHandle).encrypted === true;

/** Reads nothing more from the client until `release`; used while a request without an upgrade is checked. */
export function holdReading(socket: Duplex): { release(): void } {
  const handle = handleOf(socket);
  handle?.readStop();
  return { release: () => void handle?.readStart() };
}

/** Bytes that Node has read and nobody has consumed. */
function bufferedBytes(socket: Duplex): Buffer {
  const parts: Buffer[] = [];
  for (let part: unknown = socket.read(); part !== null; part = socket.read()) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

export interface Taken {
  readonly descriptor: number;
  /** Bytes of the client that came before the taking. */
  readonly input: Buffer;
}

/**
 * Takes a plain connection: answers a duplicate of its descriptor, on which the client never sees that Node let go.
 * `head` are bytes that came behind the request. `greeting` is written first. Throws internal when the connection has gone.
 */
export function takeDescriptor(socket: Duplex, head: Buffer, greeting: Buffer, descriptors: Descriptors): Taken {
  const handle = handleOf(socket);
  if (handle === undefined || handle.fd < 0) throw internal('the client has gone');
  handle.readStop();
  const input = Buffer.concat([head, bufferedBytes(socket)]);
  const descriptor = descriptors.duplicate(handle.fd);
  try {
    descriptors.writeAll(descriptor, greeting);
  } catch (error) {
    descriptors.close(descriptor);
    throw error;
  } finally {
    // destroy() closes Node's descriptor; the connection lives on in the duplicate.
    socket.destroy();
  }
  return { descriptor, input };
}

/** A stream of this process whose other end is a descriptor: for connections that cannot be handed over (TLS, WebSocket). */
export function bridge(descriptors: Descriptors): { readonly inner: Socket; readonly descriptor: number } {
  const [own, descriptor] = descriptors.socketPair();
  const inner = new Socket({ fd: own, allowHalfOpen: true, readable: true, writable: true });
  return { inner, descriptor };
}

/** Takes an encrypted connection: bytes are pumped between it and a socket pair, each half closed by itself. */
export function takeByPump(socket: Duplex, head: Buffer, greeting: Buffer, descriptors: Descriptors): Taken {
  const { inner, descriptor } = bridge(descriptors);
  // The end of the client's input (close_notify) must not end the output.
  socket.allowHalfOpen = true;
  socket.write(greeting);
  if (head.length > 0) socket.unshift(head);
  socket.pipe(inner).pipe(socket);
  const drop = () => {
    socket.destroy();
    inner.destroy();
  };
  socket.on('error', drop).on('close', drop);
  // After a whole output the client's side is left to send what it still has; it closes by its own end.
  inner.on('error', drop).on('close', () => inner.readableEnded || drop());
  return { descriptor, input: Buffer.alloc(0) };
}
