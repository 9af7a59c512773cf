// Owns the reading of Docker's multiplexed streams: frames of [stream, 0, 0, 0, length (4 bytes, big-endian)] and payload.
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** 0 stdin (echoed), 1 stdout, 2 stderr, 3 an error of the daemon. */
export type FrameStream = 0 | 1 | 2 | 3;

const HEADER_BYTES = 8;

/**
 * Takes a stream apart, whatever its chunks are. A payload is handed on as it comes, not held until its frame is whole, so that a long
 * frame costs no memory.
 */
export class Demultiplexer {
  readonly #deliver: (stream: FrameStream, data: Uint8Array) => void;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  #stream: FrameStream = 1;
  #remaining = 0;

  constructor(deliver: (stream: FrameStream, data: Uint8Array) => void) {
    this.#deliver = deliver;
  }

  /** Takes the next bytes. Throws when a header is not one: the stream is not multiplexed. */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#remaining > 0) {
        const end = Math.min(chunk.length, offset + this.#remaining);
        this.#remaining -= end - offset;
        this.#deliver(this.#stream, chunk.subarray(offset, end));
        offset = end;
      } else {
        const end = Math.min(chunk.length, offset + HEADER_BYTES - this.#headerBytes);
        this.#header.set(chunk.subarray(offset, end), this.#headerBytes);
        this.#headerBytes += end - offset;
        offset = end;
        if (this.#headerBytes === HEADER_BYTES) {
          this.#readHeader();
        }
      }
    }
  }

  /** Says that no more bytes come. Throws when a frame is not whole. */
  end(): void {
    if (this.#remaining > 0 || this.#headerBytes > 0) {
      throw new Error('the stream ended in the middle of a frame');
    }
  }

  #readHeader(): void {
    const [stream = 0, a, b, c] = this.#header;
    if (stream > 3 || a !== 0 || b !== 0 || c !== 0) {
      throw new Error(`expected the header of a frame, received ${Buffer.from(this.#header).toString('hex')}`);
    }
    this.#stream = stream as FrameStream;
    this.#remaining = new DataView(this.#header.buffer).getUint32(4);
    this.#headerBytes = 0;
  }
}

/**
 * Copies a multiplexed stream to two writables, waiting when one is full. Resolves at the end of the stream, rejects with the daemon's
 * error frame or when the stream breaks. Does not end the writables.
 */
export async function demultiplex(
  source: AsyncIterable<Uint8Array>,
  stdout: Writable,
  stderr: Writable,
): Promise<void> {
  const full = new Set<Writable>();
  let failure = '';
  const demultiplexer = new Demultiplexer((stream, data) => {
    if (stream === 3) {
      failure += Buffer.from(data).toString();
      return;
    }
    const target = stream === 2 ? stderr : stdout;
    if (!target.write(data)) {
      full.add(target);
    }
  });
  for await (const chunk of source) {
    demultiplexer.push(chunk);
    for (const target of full) {
      if (target.writableNeedDrain) {
        await once(target, 'drain');
      }
    }
    full.clear();
  }
  demultiplexer.end();
  if (failure !== '') {
    throw new Error(failure.trim());
  }
}
