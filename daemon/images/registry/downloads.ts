// Owns the downloads under way: one for each blob, however many pulls want it, into images/downloads/<digest>. What was fetched is kept with
// its row when a pull or the daemon ends early, and the next download goes on behind it. Nothing here is verified: whoever reads the blob
// checks its digest, and says so when it is wrong.
import { createHash } from 'node:crypto';
import { constants, createReadStream, mkdirSync, readdirSync } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ArchiveSource, close, socketPair } from '../../../addon/index.ts';
import { internal } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { nowNs } from '../../base/time.ts';
import type { RegistryTable } from '../../store/registry.ts';
import { ConnectionFailure, RegistryFailure } from './failure.ts';
import { Gate } from './gate.ts';
import type { HttpAnswer } from './transport.ts';

/** Opens the blob at an offset, at whichever endpoint has it. */
export type OpenBlob = (offset: number, signal: AbortSignal) => Promise<HttpAnswer>;

export interface DownloadsOptions {
  readonly table: RegistryTable;
  readonly dataRoot: string;
  readonly log: Log;
  /** Downloads at a time. */
  readonly limit: () => number;
  readonly attempts: () => number;
}

export type DownloadState =
  | { readonly state: 'waiting' }
  | { readonly state: 'downloading'; readonly received: number }
  | { readonly state: 'retrying'; readonly seconds: number }
  | { readonly state: 'complete' };

type Listener = (state: DownloadState) => void;

/** What an unpacking reads while it is still being written. */
export interface Following {
  readonly source: ArchiveSource;
  end(): void;
}

/** A download that brought so much is not on its last legs: its attempts are counted anew. */
const ENOUGH_BYTES = 1024 * 1024;
const LONGEST_PAUSE_S = 30;
/** What nobody went on with for so long goes at the next start. */
const KEEP_NS = 7n * 24n * 3600n * 1_000_000_000n;

export class Download {
  readonly digest: string;
  readonly size: number;
  readonly path: string;
  /** Settles when all bytes are there, or none will come any more. */
  readonly done: Promise<void>;
  /** Resolves when its turn has come, or it has ended without. */
  readonly begun: Promise<void>;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<Listener>();
  readonly #followers = new Set<Socket>();
  #file: Promise<FileHandle> | undefined;
  #received = 0;
  #resumed = false;
  #state: DownloadState = { state: 'waiting' };
  #begin: () => void = () => undefined;
  users = 0;

  constructor(
    blob: { readonly digest: string; readonly size: number },
    path: string,
    run: (download: Download, signal: AbortSignal) => Promise<void>,
  ) {
    this.digest = blob.digest;
    this.size = blob.size;
    this.path = path;
    this.begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
    this.done = run(this, this.#stop.signal).finally(() => {
      this.#begin();
      for (const follower of this.#followers) follower.end();
    });
    this.done.catch(() => undefined);
  }

  get received(): number {
    return this.#received;
  }

  /** Part of it was there from an earlier download. */
  get resumed(): boolean {
    return this.#resumed;
  }

  abort(): void {
    this.#stop.abort(new Error('nobody wants this download any more'));
  }

  /** Hears the present state at once, then each change, until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    listener(this.#state);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the blob from its beginning, waiting for what has not come yet. `position`: bytes that were read. */
  async follow(position: (bytes: number) => void): Promise<Following> {
    const file = await this.opened();
    const [mine, theirs] = socketPair();
    const socket = new Socket({ fd: mine, readable: true, writable: true, allowHalfOpen: true });
    // The reader may go at any time; then nobody needs its wakeups.
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      if (data.length >= 8) position(Number(data.readBigUInt64LE(Math.floor(data.length / 8) * 8 - 8)));
    });
    this.#followers.add(socket);
    void this.done.then(
      () => socket.end(),
      () => socket.end(),
    );
    let open = true;
    return {
      source: { fd: file.fd, offset: 0, length: this.size, follow: theirs },
      end: () => {
        if (!open) return;
        open = false;
        this.#followers.delete(socket);
        socket.destroy();
        close(theirs);
      },
    };
  }

  opened(): Promise<FileHandle> {
    this.#file ??= open(this.path, constants.O_RDWR | constants.O_CREAT, 0o600);
    return this.#file;
  }

  /** Looks at what is there from before. */
  async begin(): Promise<void> {
    const { size } = await (await this.opened()).stat();
    this.#received = Math.min(size, this.size);
    this.#resumed = this.#received > 0;
  }

  /** Forgets what came: it is fetched again from the beginning. */
  restart(): void {
    this.#received = 0;
  }

  async write(chunk: Uint8Array): Promise<void> {
    const file = await this.opened();
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await file.write(chunk, at, chunk.length - at, this.#received);
      at += bytesWritten;
      this.#received += bytesWritten;
    }
    for (const follower of this.#followers) {
      // One wakeup that is not read yet is enough.
      if (follower.writable && follower.writableLength === 0) follower.write('.');
    }
    this.tell({ state: 'downloading', received: this.#received });
  }

  tell(state: DownloadState): void {
    this.#state = state;
    this.#begin();
    for (const listener of this.#listeners) listener(state);
  }

  async close(): Promise<void> {
    for (const follower of this.#followers) follower.destroy();
    const file = this.#file;
    this.#file = undefined;
    await (await file)?.close();
  }

  /** Whether the bytes have the digest. Reads them all: for the case that something is wrong. */
  async verify(): Promise<boolean> {
    const hash = createHash('sha256');
    for await (const part of createReadStream(this.path)) hash.update(part as Uint8Array);
    return `sha256:${hash.digest('hex')}` === this.digest;
  }
}

export class Downloads {
  /** Unpackings of downloads: as many as may be waiting for their bytes, and one for each processor. */
  readonly unpackings: Gate;
  readonly #options: DownloadsOptions;
  readonly #directory: string;
  readonly #running = new Map<string, Download>();
  readonly #closing = new Map<string, Promise<void>>();
  readonly #gate: Gate;

  constructor(options: DownloadsOptions) {
    this.#options = options;
    this.#directory = join(options.dataRoot, 'images', 'downloads');
    this.#gate = new Gate(options.limit);
    this.unpackings = new Gate(() => options.limit() + availableParallelism());
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
  }

  /** Joins the blob's download or begins it. Every call is answered by one of `release`. */
  async acquire(blob: { readonly digest: string; readonly size: number }, openBlob: OpenBlob): Promise<Download> {
    await this.#closing.get(blob.digest);
    const known = this.#running.get(blob.digest);
    if (known !== undefined && known.size === blob.size) {
      known.users++;
      return known;
    }
    if (known !== undefined) {
      throw internal(
        `blob ${blob.digest} is said to have ${blob.size} bytes by one manifest and ${known.size} by another one`,
      );
    }
    this.#options.table.addDownload({ digest: blob.digest, size: blob.size, startedNs: nowNs() });
    const download = new Download(blob, this.#path(blob.digest), (self, signal) => this.#run(self, openBlob, signal));
    download.users = 1;
    this.#running.set(blob.digest, download);
    return download;
  }

  /** `keep`: what was downloaded is still of use (the pull was ended early). The last one out ends the download. */
  async release(download: Download, keep: boolean): Promise<void> {
    if (--download.users > 0 || this.#running.get(download.digest) !== download) return;
    this.#running.delete(download.digest);
    download.abort();
    const closed = this.#close(download, keep);
    this.#closing.set(download.digest, closed);
    try {
      await closed;
    } finally {
      if (this.#closing.get(download.digest) === closed) this.#closing.delete(download.digest);
    }
  }

  /** Removes partial downloads that are old, and files that have no row. */
  async sweep(): Promise<void> {
    const oldest = nowNs() - KEEP_NS;
    const kept = new Set<string>();
    for (const row of this.#options.table.downloads()) {
      const there = await stat(this.#path(row.digest)).catch(() => undefined);
      if (there === undefined || row.startedNs < oldest) this.#options.table.deleteDownload(row.digest);
      else kept.add(row.digest.replace(':', '-'));
    }
    for (const name of readdirSync(this.#directory)) {
      if (!kept.has(name)) await rm(join(this.#directory, name), { force: true });
    }
  }

  #path(digest: string): string {
    return join(this.#directory, digest.replace(':', '-'));
  }

  async #close(download: Download, keep: boolean): Promise<void> {
    await download.done.catch(() => undefined);
    await download.close();
    if (keep && download.received > 0) return;
    await rm(download.path, { force: true });
    this.#options.table.deleteDownload(download.digest);
  }

  async #run(download: Download, openBlob: OpenBlob, signal: AbortSignal): Promise<void> {
    // The constructor of the download runs this: its fields are there in the next turn.
    await Promise.resolve();
    await download.begin();
    await this.#gate.run(signal, async () => {
      for (let failures = 0; ; ) {
        const before = download.received;
        try {
          await this.#attempt(download, openBlob, signal);
          download.tell({ state: 'complete' });
          return;
        } catch (error) {
          signal.throwIfAborted();
          failures = download.received - before >= ENOUGH_BYTES ? 1 : failures + 1;
          if (!worthAnotherTry(error) || failures >= this.#options.attempts()) throw error;
          this.#options.log.warn(
            { err: error, blob: download.digest, received: download.received },
            'a download broke off: it is tried again',
          );
          const pause = Math.min(2 ** (failures - 1), LONGEST_PAUSE_S);
          for (let seconds = pause; seconds > 0; seconds--) {
            download.tell({ state: 'retrying', seconds });
            await sleep(1000, undefined, { signal });
          }
        }
      }
    });
  }

  async #attempt(download: Download, openBlob: OpenBlob, signal: AbortSignal): Promise<void> {
    if (download.received === download.size) return;
    signal.throwIfAborted();
    download.tell({ state: 'downloading', received: download.received });
    const offset = download.received;
    let answer: HttpAnswer;
    try {
      answer = await openBlob(offset, signal);
    } catch (error) {
      // The part from before does not fit to what the registry has.
      if (error instanceof RegistryFailure && error.status === 416 && offset > 0) {
        download.restart();
        throw new ConnectionFailure(error.message, { cause: error });
      }
      throw error;
    }
    const begin =
      answer.status === 206 ? Number(/^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1] ?? offset) : 0;
    if (begin > offset) {
      answer.body.destroy();
      throw internal(
        `Get "${answer.url}": the registry sent bytes from ${begin} on, asked for were those from ${offset} on`,
      );
    }
    const announced = Number(answer.headers['content-length'] ?? download.size - begin);
    if (announced !== download.size - begin) {
      answer.body.destroy();
      const words = announced > download.size - begin ? 'larger than' : 'smaller than';
      throw internal(
        `Get "${answer.url}": blob ${download.digest} is ${words} the ${download.size} bytes that its manifest says`,
      );
    }
    // A registry without ranges sends all again: what is there is passed over.
    let skip = offset - begin;
    try {
      for await (const part of answer.body as AsyncIterable<Uint8Array>) {
        const chunk = skip === 0 ? part : part.subarray(Math.min(skip, part.length));
        skip -= part.length - chunk.length;
        if (download.received + chunk.length > download.size) {
          throw internal(
            `Get "${answer.url}": blob ${download.digest} is larger than the ${download.size} bytes that its manifest says`,
          );
        }
        if (chunk.length > 0) await download.write(chunk);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      if ((error as NodeJS.ErrnoException).syscall === 'write') throw error;
      throw new ConnectionFailure(`Get "${answer.url}": unexpected EOF`, { cause: error });
    }
    if (download.received < download.size) {
      throw new ConnectionFailure(
        `Get "${answer.url}": unexpected EOF: ${download.received} of ${download.size} bytes of blob ${download.digest}`,
      );
    }
  }
}

function worthAnotherTry(error: unknown): boolean {
  if (error instanceof ConnectionFailure) return true;
  return error instanceof RegistryFailure && (error.status >= 500 || error.status === 429 || error.status === 408);
}
