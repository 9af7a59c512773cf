// Owns copying from and to containers (docker cp), export and the list of changes. Everything is reached beneath a view of the container's
// root by descriptor (file-view.ts), on threads of the addon; nothing of the container's own files is run, loaded or believed.
import { constants, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  close,
  compareLayers,
  type FileStatus,
  openInRoot,
  packEntry,
  SystemError,
  socketPair,
  statInRoot,
  unpackInto,
} from '../../addon/index.ts';
import type { FilesystemChange } from '../../api-spec/index.ts';
import { EngineError, forbidden, internal, invalidArgument, messageOf, notFound } from '../base/errors.ts';
import { rfc3339Nano } from '../base/time.ts';
import { receive } from '../images/upload.ts';
import { containerEvent, current, type Engine, resolve } from './engine.ts';
import { type ArchivePath, goMode, isDirectory, isLink, parseArchivePath } from './file-path.ts';
import { closeView, openView, withView } from './file-view.ts';
import { hasProcess } from './lifecycle.ts';
import { layerDirectory } from './paths.ts';
import { mountLower } from './rootfs.ts';
import { userOf } from './start.ts';
import type { ArchiveRequest, ContainerRecord, PathStat } from './types.ts';

const O_PATH = 0o10000000;
const { O_DIRECTORY, O_NOFOLLOW } = constants;

/** ENOENT and its kin in Docker's words, about a path in a container. */
function pathError(error: unknown, path: string, reference: string): unknown {
  if (!(error instanceof SystemError)) return error;
  switch (error.code) {
    case 'ENOENT':
      return notFound(`Could not find the file ${path} in container ${reference}`, error);
    case 'ENOTDIR':
      return invalidArgument(`lstat ${path}: not a directory`, error);
    case 'ELOOP':
      return invalidArgument(`lstat ${path}: too many levels of symbolic links`, error);
    case 'ENAMETOOLONG':
      return invalidArgument(`lstat ${path}: file name too long`, error);
    default:
      return error;
  }
}

/** Status of what the path names. Throws not-found or invalid-argument. */
function statusOf(root: number, path: ArchivePath, original: string, reference: string): FileStatus {
  try {
    const status = statInRoot(root, path.clean, path.asDirectory ? O_DIRECTORY : O_NOFOLLOW);
    if (status !== undefined) return status;
  } catch (error) {
    throw pathError(error, original, reference);
  }
  // Missing and "is no directory" are one answer of statInRoot.
  if (path.asDirectory && statInRoot(root, path.clean, 0) !== undefined) {
    throw invalidArgument(`lstat ${original}: not a directory`);
  }
  throw notFound(`Could not find the file ${original} in container ${reference}`);
}

/** Path from the root, without links, of a directory or file that is there. */
function realPath(root: number, path: string, flags: number): string {
  const descriptor = openInRoot(root, path, O_PATH | flags);
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } finally {
    close(descriptor);
  }
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';

/** Where a link leads in the end, inside of the root; as far as it can be told when it leads to nothing. */
function linkTarget(root: number, path: string): string {
  try {
    return realPath(root, path, 0);
  } catch {
    // Broken: its own text, seen from the directory that it stands in.
  }
  const directory = openInRoot(root, parentOf(path), O_PATH | O_DIRECTORY);
  try {
    // A link is read without being followed, in a directory that is held.
    const text = readlinkSync(`/proc/self/fd/${directory}/${path.slice(path.lastIndexOf('/') + 1)}`);
    return join('/', text.startsWith('/') ? '' : readlinkSync(`/proc/self/fd/${directory}`), text);
  } finally {
    close(directory);
  }
}

function describe(root: number, path: ArchivePath, status: FileStatus): PathStat {
  return {
    name: path.name,
    size: status.size,
    mode: goMode(status.mode),
    mtime: rfc3339Nano(status.mtimeNs),
    linkTarget: isLink(status.mode) ? linkTarget(root, path.clean) : '',
  };
}

/** A view to look into. The state is settled under the lock; the view then lives without it. */
async function readingView(engine: Engine, id: string): ReturnType<typeof openView> {
  return engine.lock.run(id, async () => {
    const record = current(engine.table, id);
    // Places that the image lacks are made as a start would make them: they cannot be in a view that only reads.
    if (!hasProcess(record.state) && record.startedNs === 0n && record.mounts.length > 0) {
      closeView(await openView(engine, record, 'write'));
    }
    return openView(engine, record, 'read');
  });
}

/** `HEAD archive`. */
export async function statPath(engine: Engine, reference: string, path: string): Promise<PathStat> {
  const { id } = resolve(engine.table, reference);
  const parsed = parseArchivePath(path);
  const view = await readingView(engine, id);
  try {
    return describe(view.root, parsed, statusOf(view.root, parsed, path, reference));
  } finally {
    closeView(view);
  }
}

/** Bytes that a thread of the addon writes, as a stream; `finish` is called once when it has ended, however it has. */
function produced(write: (target: number) => Promise<unknown>, finish: () => void): Readable {
  const [reading, writing] = socketPair();
  const stream = new Socket({ fd: reading, readable: true, writable: false });
  write(writing)
    .catch((error: unknown) => stream.destroy(error instanceof Error ? error : internal(messageOf(error))))
    .finally(() => {
      // The reader sees the end, or has gone.
      close(writing);
      finish();
    });
  return stream;
}

/** `GET archive`: a tar whose top entry has the path's last name. */
export async function readArchive(
  engine: Engine,
  reference: string,
  path: string,
): Promise<{ readonly stat: PathStat; readonly stream: Readable }> {
  const record = resolve(engine.table, reference);
  const parsed = parseArchivePath(path);
  const view = await readingView(engine, record.id);
  try {
    const status = statusOf(view.root, parsed, path, reference);
    const stat = describe(view.root, parsed, status);
    const source = isDirectory(status.mode)
      ? { directory: parsed.clean, prefix: parsed.name }
      : { directory: parentOf(parsed.clean), base: parsed.name };
    const stream = produced(
      (target) => packEntry({ root: view.root, target, ...source }),
      () => closeView(view),
    );
    engine.table.tell(containerEvent(record, 'archive-path'));
    return { stat, stream };
  } catch (error) {
    closeView(view);
    throw error;
  }
}

/** Refuses what Docker refuses: the kernel would say no too, but in no words. */
function checkWritable(record: ContainerRecord, path: string): void {
  const holds = (destination: string): boolean =>
    path === destination || path.startsWith(destination === '/' ? '/' : `${destination}/`);
  const [mount] = record.mounts
    .filter(({ type, destination }) => type !== 'tmpfs' && holds(destination))
    .sort((a, b) => b.destination.length - a.destination.length);
  if (mount !== undefined) {
    if (!mount.rw) throw forbidden('mounted volume is marked read-only');
    return;
  }
  if (record.hostConfig.ReadonlyRootfs === true) throw forbidden('container rootfs is marked read-only');
}

/** `PUT archive`: unpacks below a directory of the container. Resolves when everything is there. */
export async function writeArchive(engine: Engine, reference: string, request: ArchiveRequest): Promise<void> {
  const { id } = resolve(engine.table, reference);
  const parsed = parseArchivePath(request.path);
  const unpack = (record: ContainerRecord, root: number): Promise<void> =>
    unpackBelow(record, root, parsed, reference, request);
  // What does not run must not begin to while its layer is mounted here.
  const running = await engine.lock.run(id, async () => {
    const record = current(engine.table, id);
    if (hasProcess(record.state)) return { record, view: await openView(engine, record, 'write') };
    await withView(engine, record, 'write', (root) => unpack(record, root));
    return undefined;
  });
  if (running !== undefined) {
    try {
      await unpack(running.record, running.view.root);
    } finally {
      closeView(running.view);
    }
  }
  engine.table.tell(containerEvent(current(engine.table, id), 'extract-to-dir'));
}

async function unpackBelow(
  record: ContainerRecord,
  root: number,
  path: ArchivePath,
  reference: string,
  request: ArchiveRequest,
): Promise<void> {
  let status: FileStatus;
  let base: string;
  try {
    status = statusOf(root, { ...path, asDirectory: false }, request.path, reference);
    if (isLink(status.mode)) {
      const followed = statInRoot(root, path.clean, 0);
      if (followed === undefined) throw notFound(`Could not find the file ${request.path} in container ${reference}`);
      status = followed;
    }
    if (!isDirectory(status.mode)) throw invalidArgument('extraction point is not a directory');
    base = realPath(root, path.clean, O_DIRECTORY);
  } catch (error) {
    throw pathError(error, request.path, reference);
  }
  checkWritable(record, base);
  const user = record.config.User ?? '';
  const owner = request.copyOwner && user !== '' ? userOf(root, user, []) : undefined;
  const upload = receive(request.body);
  try {
    await unpackInto({
      root,
      base: base.slice(1),
      source: upload.fd,
      keepKinds: request.keepKinds,
      ...(owner === undefined ? {} : { owner: { uid: owner.uid, gid: owner.gid } }),
    });
    await upload.whole;
  } catch (error) {
    // An upload that broke off is the cause of whatever the archive reader says of it.
    upload.end();
    await upload.broken();
    throw unpackError(error);
  } finally {
    upload.end();
  }
}

function unpackError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  if (!(error instanceof SystemError)) return internal(messageOf(error), error);
  if (/truncated|unexpected EOF/i.test(error.detail)) return invalidArgument('unexpected EOF', error);
  if (error.code === 'EBADMSG' || error.code === 'EFBIG') return invalidArgument(error.detail, error);
  if (error.code === 'EROFS') return forbidden(`the file system is read-only: ${error.detail}`, error);
  return internal(error.message, error);
}

/** `docker export`: the root as its processes see it, without volumes and binds. */
export async function exportContainer(engine: Engine, reference: string): Promise<Readable> {
  const record = resolve(engine.table, reference);
  const view = await engine.lock.run(record.id, () => openView(engine, current(engine.table, record.id), 'bare'));
  const stream = produced(
    (target) => packEntry({ root: view.root, directory: '/', target }),
    () => closeView(view),
  );
  engine.table.tell(containerEvent(record, 'export'));
  return stream;
}

/** `docker diff`, from the writable layer alone. */
export async function changesOf(engine: Engine, reference: string): Promise<readonly FilesystemChange[]> {
  const record = resolve(engine.table, reference);
  const lower = mountLower(engine, engine.images.lowerDirectories(record.imageId));
  try {
    const changes = await compareLayers(join(layerDirectory(engine, record.id), 'diff'), lower);
    return changes.map(({ path, kind }) => ({ Path: path, Kind: kind }));
  } finally {
    close(lower);
  }
}
