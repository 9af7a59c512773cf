// Owns a client that speaks HTTP by hand, for what no library sends: a body in pieces, stdin before the answer. For tests of this folder.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One connection of its own; what came back is gathered. */
export class RawClient {
  readonly socket: Socket;
  readonly #parts: Buffer[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(path: string) {
    this.socket = connect({ path, allowHalfOpen: true });
    this.socket.on('data', (part: Buffer) => {
      this.#parts.push(part);
      this.#wake?.();
    });
    this.socket.on('error', () => undefined);
    for (const event of ['end', 'close'] as const) {
      this.socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    }
  }

  get received(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** Writes one piece and waits until the kernel has it, so that the next one is a packet of its own. */
  async write(piece: string | Uint8Array): Promise<void> {
    if (this.socket.connecting) await once(this.socket, 'connect');
    await new Promise<void>((resolve, reject) =>
      this.socket.write(piece, (error) => (error ? reject(error) : resolve())),
    );
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Waits until what came has the text; rejects at the end without. */
  async until(text: string): Promise<void> {
    while (!this.received.includes(text)) {
      if (this.#ended) throw new Error(`the connection ended without ${JSON.stringify(text)}: ${this.received}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async untilEnd(): Promise<Buffer> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.socket.destroy();
    return this.received;
  }
}

/** The bytes behind the head of an answer. */
export const bodyOf = (answer: Buffer): Buffer => answer.subarray(answer.indexOf('\r\n\r\n') + 4);

/** Docker's frames as `stream: text` each, pieces of one stream put together. */
export function framesOf(bytes: Buffer): Readonly<Record<number, string>> {
  const found: Record<number, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    const stream = bytes[at] ?? 0;
    found[stream] = (found[stream] ?? '') + bytes.subarray(at + 8, at + 8 + length).toString('utf8');
    at += 8 + length;
  }
  return found;
}

/** The request of an exec start. */
export function startRequest(
  id: string,
  body: string,
  upgrade: boolean,
): { readonly head: string; readonly body: string } {
  const headers = upgrade ? 'Connection: Upgrade\r\nUpgrade: tcp\r\n' : '';
  return {
    head: `POST /v1.47/exec/${id}/start HTTP/1.1\r\nHost: docker\r\n${headers}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
    body,
  };
}
