// Owns one connection to a monitor: frames in as messages, frames with descriptors out. Knows no container.

import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { encodeMessage, type FieldName, type FieldValue, FrameDecoder, type Message } from './protocol.ts';

export type SendFrame = (fd: number, data: Uint8Array, descriptors: readonly number[]) => void;

export interface ConnectionListener {
  message(message: Message): void;
  /** Once, after the last message. */
  closed(): void;
}

export class MonitorConnection {
  readonly #socket: Socket;
  readonly #fd: number;
  readonly #send: SendFrame;
  readonly #early: Message[] = [];
  #open = true;
  #listener: ConnectionListener | undefined;
  #first: ((message: Message | undefined) => void) | undefined;

  /** Takes `fd`, a connected AF_UNIX stream socket, and closes it in the end. Messages are kept until `listen`. */
  constructor(fd: number, send: SendFrame) {
    this.#fd = fd;
    this.#send = send;
    this.#socket = new Socket({ fd, readable: true, writable: true });
    const decoder = new FrameDecoder();
    const end = (): void => this.#end();
    this.#socket.on('data', (piece: Buffer) => {
      let messages: readonly Message[];
      try {
        messages = decoder.push(piece);
      } catch {
        // Not a monitor's words: the connection is of no use any more.
        this.#end();
        return;
      }
      for (const message of messages) this.#receive(message);
    });
    this.#socket.on('error', end);
    this.#socket.on('end', end);
    this.#socket.on('close', end);
  }

  get open(): boolean {
    return this.#open;
  }

  /** Calls once with the next message, undefined when the connection ends before it; before `listen`. */
  first(callback: (message: Message | undefined) => void): void {
    const early = this.#early.shift();
    if (early !== undefined || !this.#open) callback(early);
    else this.#first = callback;
  }

  /** Hands every message, the ones that have come included, to `listener`, later than this call. Call it once. */
  listen(listener: ConnectionListener): void {
    queueMicrotask(() => {
      this.#listener = listener;
      for (const message of this.#early.splice(0)) listener.message(message);
      if (!this.#open) listener.closed();
    });
  }

  #receive(message: Message): void {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) first(message);
    else if (this.#listener !== undefined) this.#listener.message(message);
    else this.#early.push(message);
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.destroy();
    this.#first?.(undefined);
    this.#listener?.closed();
  }

  /** Sends one message, at once and whole; `descriptors` stay the caller's. Throws SystemError (EPIPE when the monitor has gone). */
  send(
    type: number,
    fields: Readonly<Partial<Record<FieldName, FieldValue | undefined>>> = {},
    descriptors: readonly number[] = [],
  ): void {
    const counted = descriptors.length === 0 ? fields : { ...fields, fds: descriptors.length };
    this.#send(this.#fd, encodeMessage(type, counted), descriptors);
  }

  /** The monitor goes on without a daemon. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.destroy();
  }

  /** Lets the process end while this connection is open. */
  unref(): void {
    this.#socket.unref();
  }
}

/** Closes descriptors that have been handed over (or could not be). */
export function closeAll(descriptors: readonly number[]): void {
  for (const fd of descriptors) {
    try {
      closeSync(fd);
    } catch {
      // Closed by the other side of a race: nothing is left to do.
    }
  }
}
