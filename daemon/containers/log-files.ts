// Owns the files of one json-file log: which there are, reading them block by block, finding the place of the last n lines, and following
// them across rotation. Knows nothing of records but the newline that ends each.
import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Bytes of a read: small at first, since most logs are, and their buffers are many. */
const FIRST_BLOCK = 4 * 1024;
const BLOCK = 64 * 1024;
const NEWLINE = 0x0a;

const ignoreMissing = (error: unknown): undefined => {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
};

interface OpenFile {
  readonly handle: FileHandle;
  readonly inode: bigint;
}

/** Paths of the log's files, oldest first. */
async function pathsOf(path: string): Promise<readonly string[]> {
  const name = basename(path);
  const names = (await readdir(dirname(path)).catch(ignoreMissing)) ?? [];
  const rotated = names
    .map((entry) => (entry.startsWith(`${name}.`) ? Number(entry.slice(name.length + 1)) : Number.NaN))
    .filter((index) => Number.isInteger(index) && index > 0)
    .sort((a, b) => b - a)
    .map((index) => join(dirname(path), `${name}.${index}`));
  return names.includes(name) ? [...rotated, path] : rotated;
}

async function openFile(path: string): Promise<OpenFile | undefined> {
  const handle = await open(path, 'r').catch(ignoreMissing);
  if (handle === undefined) return undefined;
  return { handle, inode: (await handle.stat({ bigint: true })).ino };
}

/** All files, oldest first. A rotation while they are opened can show one twice (kept once) or skip none: each is opened under some name. */
async function openAll(path: string): Promise<OpenFile[]> {
  const files: OpenFile[] = [];
  const seen = new Set<bigint>();
  for (const each of await pathsOf(path)) {
    const file = await openFile(each);
    if (file === undefined) continue;
    if (seen.has(file.inode)) await file.handle.close();
    else files.push(file);
    seen.add(file.inode);
  }
  return files;
}

/** Offset at which the last `lines` lines begin, and how many of them this file has. Reads from the end, no more than needed. */
async function tailOffset(
  handle: FileHandle,
  lines: number,
): Promise<{ readonly offset: number; readonly found: number }> {
  const { size } = await handle.stat();
  const block = Buffer.allocUnsafe(Math.min(size, BLOCK));
  let found = 0;
  let end = size;
  while (end > 0) {
    const start = Math.max(0, end - BLOCK);
    const { bytesRead } = await handle.read(block, 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at--) {
      if (block[at] !== NEWLINE) continue;
      // The newline of the last line is its own end, not the beginning of another.
      if (start + at === size - 1) continue;
      found += 1;
      if (found === lines) return { offset: start + at + 1, found };
    }
    end = start;
  }
  return { offset: 0, found: size > 0 ? found + 1 : found };
}

/** Wakes a reader when something in the directory of the log changes, or when it is told to. Several wakes between two waits are one. */
class Wake {
  readonly #watcher: FSWatcher;
  #pending = false;
  #resolve: (() => void) | undefined;

  constructor(directory: string) {
    this.#watcher = watch(directory, () => this.now());
    this.#watcher.on('error', () => this.now());
  }

  now(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  async next(): Promise<void> {
    if (!this.#pending) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resolve = resolve;
      await promise;
      this.#resolve = undefined;
    }
    this.#pending = false;
  }

  close(): void {
    this.#watcher.close();
    this.now();
  }
}

export interface LogFilesRequest {
  /** The current file. */
  readonly path: string;
  /** Lines from the end; -1: all. */
  readonly tail: number;
  /** Follow until this is aborted; what is there then is read to its end. Absent: what is there now. */
  readonly until?: AbortSignal;
  /** Ends at once. */
  readonly cancel: AbortSignal;
}

/** The log's lines as blocks of whole lines (text without the last newline), oldest first. Waits for the file system's notice, never polls. */
export async function* readLogFiles(request: LogFilesRequest): AsyncGenerator<string> {
  // The watch stands before the first look, so that nothing written between is missed.
  const wake = request.until === undefined ? undefined : new Wake(dirname(request.path));
  const wakeUp = (): void => wake?.now();
  request.until?.addEventListener('abort', wakeUp);
  request.cancel.addEventListener('abort', wakeUp);
  let files: OpenFile[] = [];
  try {
    files = await openAll(request.path);
    const offset = await skipToTail(files, request.tail);
    yield* readOn(request, files, offset, wake);
  } finally {
    request.until?.removeEventListener('abort', wakeUp);
    request.cancel.removeEventListener('abort', wakeUp);
    wake?.close();
    for (const { handle } of files) await handle.close();
  }
}

/** Drops the files before the one that has the first wanted line; answers the offset in that one. */
async function skipToTail(files: OpenFile[], tail: number): Promise<number> {
  if (tail < 0) return 0;
  let wanted = tail;
  for (let index = files.length - 1; index >= 0; index--) {
    const file = files[index];
    if (file === undefined) continue;
    const { offset, found } =
      wanted === 0 ? { offset: (await file.handle.stat()).size, found: 0 } : await tailOffset(file.handle, wanted);
    wanted -= found;
    if (wanted > 0) continue;
    for (const { handle } of files.splice(0, index)) await handle.close();
    return offset;
  }
  return 0;
}

async function* readOn(
  request: LogFilesRequest,
  files: OpenFile[],
  firstOffset: number,
  wake: Wake | undefined,
): AsyncGenerator<string> {
  let block = Buffer.allocUnsafe(FIRST_BLOCK);
  let offset = firstOffset;
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    const [file] = files;
    const ending = request.until === undefined || request.until.aborted;
    if (request.cancel.aborted) return;
    const bytes = file === undefined ? 0 : (await file.handle.read(block, 0, block.length, offset)).bytesRead;
    if (bytes > 0) {
      offset += bytes;
      const data = rest.length === 0 ? block.subarray(0, bytes) : Buffer.concat([rest, block.subarray(0, bytes)]);
      const end = data.lastIndexOf(NEWLINE);
      rest = Buffer.from(data.subarray(end + 1));
      const text = end >= 0 ? data.toString('utf8', 0, end) : undefined;
      if (bytes === block.length && block.length < BLOCK) block = Buffer.allocUnsafe(block.length * 4);
      if (text !== undefined) yield text;
      continue;
    }
    const progress = file === undefined ? 'current' : await advance(request.path, files);
    if (progress === 'more') continue;
    if (progress === 'left') {
      // The writer never splits a line over two files: a rest here was cut by a crash.
      offset = 0;
      rest = Buffer.alloc(0);
      continue;
    }
    if (file === undefined && wake !== undefined) {
      files.push(...(await openAll(request.path)));
      if (files.length > 0) continue;
    }
    if (ending || wake === undefined) return;
    await wake.next();
  }
}

/**
 * At the end of the first file. `current`: it is the one that is written to. `more`: the log was rotated away from it; newer files are
 * behind it now, and what was written to it between the last read and the rotation is still to be read. `left`: it is read, the next one is first.
 */
async function advance(path: string, files: OpenFile[]): Promise<'current' | 'more' | 'left'> {
  const [file] = files;
  if (file === undefined) return 'current';
  if (files.length > 1) {
    files.shift();
    await file.handle.close();
    return 'left';
  }
  const now = await stat(path, { bigint: true }).catch(ignoreMissing);
  // Missing for the moment of a rename: its end will be told of.
  if (now === undefined || now.ino === file.inode) return 'current';
  const all = await openAll(path);
  const at = all.findIndex(({ inode }) => inode === file.inode);
  for (const { handle } of all.splice(0, at + 1)) await handle.close();
  files.push(...all);
  return all.length > 0 ? 'more' : 'current';
}
