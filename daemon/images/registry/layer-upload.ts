// Owns the upload of one layer that a registry does not have: its tar is built again, compressed into a file without a name, and sent while
// that grows. A connection that breaks goes on where the registry says it is. The compressed bytes are the same each time.

import { createHash } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import type { LayerRow } from '../../store/images.ts';
import type { LayerStore } from '../layer-store.ts';
import { layerTar } from '../layer-tar.ts';
import type { RepositoryClient } from './client.ts';
import { ConnectionFailure, RegistryFailure } from './failure.ts';
import type { Descriptor } from './manifest.ts';
import { DOCKER_LAYER_GZIP } from './media-types.ts';

/** Part of the digest of every layer that is pushed: a change here makes registries keep the same layers twice. */
const GZIP_LEVEL = 5;
const READ_BYTES = 256 * 1024;

export interface UploadRequest {
  readonly layer: LayerRow;
  readonly client: RepositoryClient;
  readonly attempts: number;
  /** Bytes of the plain tar that have been taken. */
  readonly moved: (bytes: number) => void;
  readonly retrying: (seconds: number) => void;
  readonly signal: AbortSignal;
}

type File = Awaited<ReturnType<typeof open>>;

/** A file that is written at its end while it is read; readers wait for more. */
class GrowingFile {
  readonly #file: File;
  #length = 0;
  #ended = false;
  #failure: unknown;
  #waiting: (() => void)[] = [];

  constructor(file: File) {
    this.#file = file;
  }

  get length(): number {
    return this.#length;
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(chunk, at, chunk.length - at, this.#length);
      at += bytesWritten;
      this.#length += bytesWritten;
    }
    this.#wake();
  }

  end(failure?: unknown): void {
    this.#ended = true;
    this.#failure = failure;
    this.#wake();
  }

  /** All bytes from `offset` on, also those that are not there yet. */
  async *read(offset: number): AsyncGenerator<Uint8Array> {
    for (let at = offset; ; ) {
      if (at < this.#length) {
        const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, this.#length - at));
        const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at);
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
      } else if (this.#failure !== undefined) {
        throw this.#failure;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Resolves with what the registry now holds. */
export async function uploadLayer(layers: LayerStore, request: UploadRequest): Promise<Descriptor> {
  const path = layers.temporary('spool');
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    const spool = new GrowingFile(file);
    const compressed = compress(layers, spool, request);
    compressed.catch(() => undefined);
    const location = await send(spool, compressed, request);
    const digest = await compressed;
    await request.client.finishUpload(location, digest);
    return { mediaType: DOCKER_LAYER_GZIP, digest, size: spool.length };
  } finally {
    await file.close();
  }
}

/** Fills the spool; resolves with the digest of what is in it. */
async function compress(
  layers: LayerStore,
  spool: GrowingFile,
  { layer, moved, signal }: UploadRequest,
): Promise<string> {
  const hash = createHash('sha256');
  let plain = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const part of layerTar(layers, layer)) {
      plain += part.length;
      moved(plain);
      yield part;
    }
  };
  const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: READ_BYTES });
  try {
    await pipeline(
      counted,
      gzip,
      async (parts: AsyncIterable<Uint8Array>) => {
        for await (const part of parts) {
          hash.update(part);
          await spool.append(part);
        }
      },
      { signal },
    );
  } catch (error) {
    spool.end(error);
    throw error;
  }
  spool.end();
  return `sha256:${hash.digest('hex')}`;
}

/** One stream as long as all goes well; behind a break the rest, from where the registry has it. Resolves with the upload's last place. */
async function send(spool: GrowingFile, compressed: Promise<string>, request: UploadRequest): Promise<string> {
  const { client, attempts, signal } = request;
  let location = await client.startUpload();
  let offset = 0;
  for (let failures = 0; ; ) {
    try {
      // What is left is known behind a break only when all is compressed; then registries are told the range.
      if (failures > 0) await compressed;
      const length = failures > 0 ? spool.length - offset : undefined;
      if (length === 0) return location;
      const body = Readable.from(spool.read(offset), { objectMode: false, highWaterMark: READ_BYTES });
      return await client.sendUpload(location, body, offset, length);
    } catch (error) {
      signal.throwIfAborted();
      const again = error instanceof ConnectionFailure || (error instanceof RegistryFailure && error.status >= 500);
      if (!again || ++failures >= attempts) throw error;
      const pause = Math.min(2 ** (failures - 1), 30);
      for (let seconds = pause; seconds > 0; seconds--) {
        request.retrying(seconds);
        await sleep(1000, undefined, { signal });
      }
      ({ offset, location } = await resume(client, location));
    }
  }
}

async function resume(client: RepositoryClient, location: string): Promise<{ offset: number; location: string }> {
  try {
    const status = await client.uploadStatus(location);
    return { offset: status.received, location: status.location };
  } catch (error) {
    // The registry has forgotten the upload: it is begun anew.
    if (!(error instanceof RegistryFailure)) return { offset: 0, location };
    return { offset: 0, location: await client.startUpload() };
  }
}
