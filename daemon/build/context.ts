// Owns the arrival of a build's context: the upload (or what a remote address gives) unpacked in a jail, its Dockerfile, its ignore file.
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Readable, Writable } from 'node:stream';
import { close, openInRoot, readInRoot, SystemError, scanArchive, unpackLayer } from '../../addon/index.ts';
import { EngineError, invalidArgument, messageOf } from '../base/errors.ts';
import { receive } from '../images/upload.ts';
import { cleanPath, Exclusions, parseIgnoreFile } from './patterns.ts';
import { SourceTree } from './source-tree.ts';
import type { Workspace } from './workspace.ts';

const MAX_DOCKERFILE = 4 * 1024 * 1024;
const MAX_IGNORE_FILE = 4 * 1024 * 1024;
/** Of what comes decompressed; a context is a directory of somebody's project. */
const LIMITS = { maxBytes: 2 ** 40, maxRatio: 20_000, maxEntries: 20_000_000 };

export interface BuildContext {
  readonly tree: SourceTree;
  readonly dockerfile: string;
}

/** The body, unpacked into a directory of the workspace; the descriptor is the caller's to close. */
export async function unpackBody(workspace: Workspace, body: Readable): Promise<number> {
  const directory = workspace.makeDirectory('context');
  const upload = receive(body);
  try {
    await unpackLayer({ source: { fd: upload.fd }, target: directory, whiteouts: 'none', ...LIMITS });
    await upload.whole;
  } catch (error) {
    upload.end();
    await upload.broken();
    throw contextError('cannot read the build context', error);
  } finally {
    upload.end();
  }
  return workspace.open(directory);
}

function contextError(what: string, error: unknown): unknown {
  if (error instanceof SystemError && (error.code === 'EBADMSG' || error.code === 'EFBIG')) {
    return invalidArgument(`${what}: ${error.detail}`, error);
  }
  return error;
}

/** Whether a file of a tree is an archive (of any compression) with at least one entry. */
export async function isArchive(root: number, path: string): Promise<boolean> {
  const fd = openInRoot(root, path, 0o4000);
  try {
    await scanArchive({ source: { fd }, maxEntries: 1 });
    return true;
  } catch (error) {
    // A second entry is over the limit.
    if (error instanceof SystemError && error.code === 'EFBIG') return true;
    if (error instanceof SystemError && error.code === 'EBADMSG') return false;
    throw error;
  } finally {
    close(fd);
  }
}

/** Unpacks an archive of a tree into a directory of the workspace. The caller closes the tree. */
export async function unpackFile(workspace: Workspace, root: number, path: string): Promise<SourceTree> {
  const directory = workspace.makeDirectory('archive');
  const fd = openInRoot(root, path, 0o4000);
  try {
    await unpackLayer({ source: { fd }, target: directory, whiteouts: 'none', ...LIMITS });
  } catch (error) {
    throw contextError(`cannot unpack ${path}`, error);
  } finally {
    close(fd);
  }
  return new SourceTree(workspace.open(directory));
}

/** Reads Dockerfile and ignore file. Takes the descriptor over. */
export function readContext(root: number, given: string): BuildContext {
  try {
    const name = given === '' ? 'Dockerfile' : given;
    if (name.split('/').includes('..')) throw invalidArgument(`Forbidden path outside the build context: ${name} ()`);
    const path = cleanPath(name);
    const text =
      read(root, path, MAX_DOCKERFILE) ?? (given === '' ? read(root, 'dockerfile', MAX_DOCKERFILE) : undefined);
    if (text === undefined) throw new EngineError('internal', `Cannot locate specified Dockerfile: ${name}`);
    if (text.trim() === '') throw invalidArgument(`the Dockerfile (${name}) cannot be empty`);
    const ignore =
      read(root, `${path}.dockerignore`, MAX_IGNORE_FILE) ?? read(root, '.dockerignore', MAX_IGNORE_FILE) ?? '';
    const exclusions = new Exclusions(parseIgnoreFile(ignore));
    return { tree: new SourceTree(root, exclusions), dockerfile: text };
  } catch (error) {
    close(root);
    throw error;
  }
}

function read(root: number, path: string, most: number): string | undefined {
  try {
    const bytes = readInRoot(root, path, most);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  } catch (error) {
    if (error instanceof SystemError && error.code === 'E2BIG') {
      throw invalidArgument(`${path} is larger than ${most} bytes`);
    }
    if (error instanceof SystemError && ['ENOTDIR', 'EINVAL', 'ELOOP', 'EISDIR'].includes(error.code)) return undefined;
    throw error;
  }
}

/** Fetches http and https addresses: contexts and ADD. */
export async function download(
  url: string,
  target: string,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly type: string; readonly modified: number | undefined }> {
  let response: Response;
  try {
    response = await fetch(url, { signal, redirect: 'follow' });
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
    throw invalidArgument(`cannot fetch ${url}: ${cause}`, error);
  }
  if (!response.ok || response.body === null) {
    throw invalidArgument(`Error getting ${url}: got status ${response.status} ${response.statusText}`);
  }
  const file = await open(target, 'wx', 0o600);
  try {
    await response.body.pipeTo(Writable.toWeb(file.createWriteStream()), { signal });
  } finally {
    await file.close().catch(() => undefined);
  }
  const modified = Date.parse(response.headers.get('last-modified') ?? '');
  return {
    name: basename(new URL(url).pathname),
    type: response.headers.get('content-type') ?? '',
    modified: Number.isNaN(modified) ? undefined : Math.floor(modified / 1000),
  };
}
