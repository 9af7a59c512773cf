// Owns `RUN --mount`: each becomes an ordinary mount of the step's container. A source inside of the context or of an image is resolved
// beneath its root; the host's own files are never reached.
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { close, copyTree, openInRoot, placeFiles, SystemError } from '../../addon/index.ts';
import type { HostConfig } from '../../api-spec/index.ts';
import { forbidden, invalidArgument } from '../base/errors.ts';
import type { KeyedLock } from '../base/keyed-lock.ts';
import type { MountOptions } from './dockerfile/types.ts';
import { cleanPath } from './patterns.ts';
import type { Workspace } from './workspace.ts';

type Mount = NonNullable<HostConfig['Mounts']>[number];

export interface MountParts {
  readonly workspace: Workspace;
  /** Directory of the cache mounts. */
  readonly cacheRoot: string;
  /** One key a cache mount. */
  readonly locks: KeyedLock;
  /** Cache mounts that are in use, for `sharing=private`. */
  readonly busy: Map<string, number>;
  /** Root of the context, or (with `from`) of a stage or image; the caller closes nothing. */
  readonly rootOf: (from: string) => Promise<{ readonly root: number; readonly host: boolean }>;
}

export interface MountWish {
  readonly type: string;
  readonly target: string;
  readonly source: string;
  readonly from: string;
  readonly id: string;
  readonly sharing: string;
  readonly mode: number | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly readOnly: boolean;
  readonly required: boolean;
  readonly size: number;
}

const flag = (options: MountOptions, ...names: string[]): boolean | undefined => {
  const given = names.map((name) => options[name]).find((value) => value !== undefined);
  if (given === undefined) return undefined;
  if (!['true', 'false', '1', '0'].includes(given)) throw invalidArgument(`invalid value for ${names[0]}: ${given}`);
  return given === 'true' || given === '1';
};

const number = (options: MountOptions, name: string, base: number, fallback: number): number => {
  const text = options[name];
  if (text === undefined) return fallback;
  const value = Number.parseInt(text, base);
  if (!/^\d+$/.test(text) || Number.isNaN(value)) throw invalidArgument(`invalid value ${text} for ${name}`);
  return value;
};

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

function bytesOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const match = /^(\d+)\s*([bkmg]?)b?$/i.exec(text);
  if (match === null) throw invalidArgument(`invalid value for size: ${text}`);
  return Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? 1);
}

/** Reads the options, with `expand` for the values. Throws invalid-argument. */
export function mountWish(given: MountOptions, workdir: string, expand: (word: string) => string): MountWish {
  const options = Object.fromEntries(Object.entries(given).map(([key, value]) => [key, expand(value)]));
  const type = options.type ?? 'bind';
  const id = options.id ?? '';
  const written =
    options.target ?? options.dst ?? options.destination ?? (type === 'secret' ? `/run/secrets/${id}` : '');
  if (written === '' && type !== 'ssh') throw invalidArgument(`invalid mount: target is required for ${type} mounts`);
  const target = `/${cleanPath(written.startsWith('/') ? written : `${workdir}/${written}`)}`;
  if (target === '/') throw invalidArgument('invalid mount target "/"');
  const writable = flag(options, 'rw', 'readwrite');
  const sharing = options.sharing ?? 'shared';
  if (!['shared', 'private', 'locked'].includes(sharing))
    throw invalidArgument(`unsupported sharing value ${JSON.stringify(sharing)}`);
  return {
    type,
    target,
    source: options.source ?? options.src ?? '',
    from: options.from ?? '',
    id: id === '' ? target : id,
    sharing,
    mode: options.mode === undefined ? undefined : number(options, 'mode', 8, 0),
    uid: number(options, 'uid', 10, 0),
    gid: number(options, 'gid', 10, 0),
    readOnly: flag(options, 'ro', 'readonly') ?? (type === 'bind' ? writable !== true : writable === false),
    required: flag(options, 'required') ?? false,
    size: bytesOf(options.size),
  };
}

/** Lends the mounts to `use`; locked cache mounts wait for each other. */
export async function withMounts<T>(
  parts: MountParts,
  wishes: readonly MountWish[],
  use: (mounts: readonly Mount[]) => Promise<T>,
  mounts: readonly Mount[] = [],
): Promise<T> {
  const [wish, ...rest] = wishes;
  if (wish === undefined) return use(mounts);
  const next = (mount: Mount): Promise<T> => withMounts(parts, rest, use, [...mounts, mount]);
  switch (wish.type) {
    case 'tmpfs':
      return next({
        Type: 'tmpfs',
        Target: wish.target,
        ...(wish.size === 0 ? {} : { TmpfsOptions: { SizeBytes: wish.size } }),
      });
    case 'cache':
      return withCache(parts, wish, next);
    case 'bind':
      return next({
        Type: 'bind',
        Source: await bindSource(parts, wish),
        Target: wish.target,
        ReadOnly: wish.readOnly,
      });
    default:
      // Clients send secrets and agents through a session, which this API does not have.
      if (wish.required) throw forbidden(`${wish.type} ${wish.id}: not found: the client has sent none with the build`);
      return withMounts(parts, rest, use, mounts);
  }
}

const cacheName = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 32);

async function withCache<T>(parts: MountParts, wish: MountWish, next: (mount: Mount) => Promise<T>): Promise<T> {
  const { busy, locks } = parts;
  let name = cacheName(wish.id);
  if (wish.sharing === 'private') {
    for (let copy = 1; busy.has(name); copy++) name = cacheName(`${wish.id}\0${copy}`);
  }
  const directory = join(parts.cacheRoot, name, 'data');
  const go = async (): Promise<T> => {
    busy.set(name, (busy.get(name) ?? 0) + 1);
    try {
      await prepareCache(parts, wish, directory);
      return await next({ Type: 'bind', Source: directory, Target: wish.target, ReadOnly: wish.readOnly });
    } finally {
      const left = (busy.get(name) ?? 1) - 1;
      if (left === 0) busy.delete(name);
      else busy.set(name, left);
    }
  };
  return wish.sharing === 'locked' ? locks.run(name, go) : go();
}

async function prepareCache(parts: MountParts, wish: MountWish, directory: string): Promise<void> {
  if (existsSync(directory)) return;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (wish.from !== '') {
    const { root } = await parts.rootOf(wish.from);
    const target = parts.workspace.open(directory);
    try {
      await copyTree(root, wish.source === '' ? '.' : cleanPath(wish.source), target);
    } finally {
      close(target);
    }
  }
  chownSync(directory, wish.uid, wish.gid);
  chmodSync(directory, wish.mode ?? 0o755);
}

/** A host path whose every component is the engine's own. What is of an image, or is written to, is a copy of this step. */
async function bindSource(parts: MountParts, wish: MountWish): Promise<string> {
  const { root, host } = await parts.rootOf(wish.from);
  const path = cleanPath(wish.source);
  let found: number;
  try {
    found = openInRoot(root, path === '' ? '.' : path, 0o10000000);
  } catch (error) {
    if (error instanceof SystemError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) {
      throw invalidArgument(
        `failed to compute cache key: "/${path}" not found: the source of --mount=type=bind,target=${wish.target}`,
      );
    }
    throw error;
  }
  try {
    // Behind every link: what the kernel calls the place that was reached beneath the root.
    if (host && wish.readOnly) return readlinkSync(`/proc/self/fd/${found}`);
  } finally {
    close(found);
  }
  const directory = parts.workspace.makeDirectory('mount');
  const target = parts.workspace.open(directory);
  try {
    if (await copyTree(root, path === '' ? '.' : path, target)) return directory;
    await placeFiles({ source: root, target, files: [{ from: path, to: 'file', follow: true }] });
    return join(directory, 'file');
  } finally {
    close(target);
  }
}
