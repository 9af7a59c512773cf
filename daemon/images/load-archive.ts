// Owns an uploaded archive while it is being loaded: a spool file without a name that holds it decompressed, and the index of what is
// in it. Knows tar's names, not what they mean.
import { closeSync, openSync, readSync, unlinkSync } from 'node:fs';
import { posix } from 'node:path';
import type { Readable } from 'node:stream';
import { type ArchiveEntry, type ArchiveSource, scanArchive } from '../../addon/index.ts';
import { invalidArgument } from '../base/errors.ts';
import { sha256 } from '../base/ids.ts';
import { archiveError } from './archive-error.ts';
import { receive } from './upload.ts';

const MAX_DOCUMENT = 16 * 1024 * 1024;
const MAX_ENTRIES = 1_000_000;
const MAX_LINKS = 16;

export class LoadArchive {
  readonly #fd: number;
  readonly #entries: ReadonlyMap<string, ArchiveEntry>;

  private constructor(fd: number, entries: ReadonlyMap<string, ArchiveEntry>) {
    this.#fd = fd;
    this.#entries = entries;
  }

  /** Takes the upload in. `spool` is a path for the spool file, which has no name from the beginning on: a dying daemon leaves none. */
  static async receive(body: Readable, spool: string): Promise<LoadArchive> {
    const fd = openSync(spool, 'wx+', 0o600);
    unlinkSync(spool);
    const upload = receive(body);
    try {
      const scanned = await scanArchive({ source: { fd: upload.fd }, spool: fd, maxEntries: MAX_ENTRIES });
      await upload.whole;
      const entries = new Map<string, ArchiveEntry>();
      for (const entry of scanned.entries) entries.set(clean(entry.name), entry);
      return new LoadArchive(fd, entries);
    } catch (error) {
      closeSync(fd);
      upload.end();
      await upload.broken();
      throw archiveError(error);
    } finally {
      upload.end();
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** Where the file's bytes are. Throws invalid-argument when it is missing. */
  source(name: string): Required<Omit<ArchiveSource, 'follow'>> {
    const entry = this.#find(name);
    if (entry === undefined) throw invalidArgument(`invalid archive: ${name} is missing`);
    return { fd: this.#fd, offset: entry.offset, length: entry.size };
  }

  /** A small file as bytes. Throws invalid-argument when it is missing or larger than 16 MiB. */
  read(name: string): Uint8Array {
    const { offset, length } = this.source(name);
    if (length > MAX_DOCUMENT) throw invalidArgument(`invalid archive: ${name} is larger than 16 MiB`);
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const got = readSync(this.#fd, bytes, done, length - done, offset + done);
      if (got === 0) throw invalidArgument('unexpected EOF');
      done += got;
    }
    return bytes;
  }

  /** The blob of an OCI layout, its digest and size verified. */
  blob(descriptor: { readonly digest: string; readonly size: number }): Uint8Array {
    const bytes = this.read(blobName(descriptor.digest));
    if (bytes.length !== descriptor.size) {
      throw invalidArgument(`blob ${descriptor.digest} has ${bytes.length} bytes, expected ${descriptor.size}`);
    }
    const found = sha256(bytes);
    if (found !== descriptor.digest)
      throw invalidArgument(`blob digest mismatch: expected ${descriptor.digest}, got ${found}`);
    return bytes;
  }

  /** Older archives have a layer that is there already as a link to it. */
  #find(name: string): ArchiveEntry | undefined {
    let at = clean(name);
    for (let links = 0; links < MAX_LINKS; links++) {
      const entry = this.#entries.get(at);
      if (entry === undefined || entry.type === '0') return entry;
      if (entry.type === '2') at = clean(posix.join(posix.dirname(at), entry.link));
      else if (entry.type === '1') at = clean(entry.link);
      else return undefined;
    }
    return undefined;
  }
}

export const blobName = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

const clean = (name: string): string => posix.normalize(`/${name}`).replace(/\/$/, '').slice(1);
