// Owns the host side of a container's binds and volumes at start: sources made or refused, volumes found and filled. What they mean for the
// spec is spec-input.ts's.
import { fstatSync, mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { cloneTree, close, openInRoot, openPath, SystemError } from '../../addon/index.ts';
import { EngineError, invalidArgument, messageOf } from '../base/errors.ts';
import type { BindMount, MountTree } from '../runtime/types.ts';
import { mountOf, parseMountInfo } from '../supervisor/storage/mountinfo.ts';
import type { Volume } from '../volumes/types.ts';
import type { Engine } from './engine.ts';
import { mountImage } from './rootfs.ts';
import { bindMount, createsSource } from './spec-input.ts';
import type { ContainerRecord, MountPoint } from './types.ts';

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

/**
 * Binds in the order of the record. `root`: the container's root, from which empty volumes are filled. Descriptors that the launch needs go
 * into `descriptors`, for the caller to close.
 */
export async function prepareBinds(
  engine: Engine,
  record: ContainerRecord,
  root: number,
  descriptors: number[],
): Promise<readonly BindMount[]> {
  const binds: BindMount[] = [];
  for (const mount of record.mounts) {
    if (mount.type === 'tmpfs') continue;
    const bind = (source: string, tree?: MountTree): void => {
      if (tree !== undefined) descriptors.push(tree.descriptor);
      binds.push({ ...bindMount(record.hostConfig, mount, source), ...(tree === undefined ? {} : { tree }) });
    };
    if (mount.type === 'image') {
      bind(mount.source, imageTree(engine, mount));
    } else if (mount.type === 'volume') {
      const source = await volumeSource(engine, mount, root);
      bind(source, mount.subpath === undefined ? undefined : volumeTree(source, mount.subpath));
    } else {
      const source = hostSource(record, mount);
      checkPropagation(source, mount.propagation);
      bind(source);
    }
  }
  return binds;
}

const O_PATH = 0o10000000;
const O_DIRECTORY = 0o200000;

/**
 * What stands at `path` below `root`, as a mount of its own. Links are resolved inside of the root, so that one of a volume or an image leads
 * nowhere else. Throws invalid-argument when nothing is there.
 */
function subtree(root: number, path: string, where: string): MountTree {
  let part: number;
  try {
    part = openInRoot(root, path, O_PATH);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const reason = error.code === 'ENOENT' ? 'no such file or directory' : messageOf(error);
    throw invalidArgument(`cannot access path ${where}/${path}: ${reason}`, error);
  }
  try {
    return { descriptor: cloneTree(`/proc/self/fd/${part}`, true), directory: fstatSync(part).isDirectory() };
  } catch (error) {
    // Of a mount that is in no namespace a part can be taken since Linux 6.15.
    throw new EngineError('unavailable', `cannot mount ${where}/${path} alone: ${messageOf(error)}`, error);
  } finally {
    close(part);
  }
}

function volumeTree(mountpoint: string, subpath: string): MountTree {
  const root = openPath(mountpoint, O_PATH | O_DIRECTORY);
  try {
    return subtree(root, subpath, mountpoint);
  } finally {
    close(root);
  }
}

function imageTree(engine: Engine, mount: MountPoint): MountTree {
  const whole = mountImage(engine.images.lowerDirectories(mount.name));
  if (mount.subpath === undefined) return { descriptor: whole, directory: true };
  try {
    return subtree(whole, mount.subpath, mount.source);
  } finally {
    close(whole);
  }
}

/** What is to be passed on has to reach the container's mount at all. Throws in Docker's words. */
function checkPropagation(source: string, propagation: string): void {
  const mode = propagation.replace(/^r/, '');
  if (mode !== 'shared' && mode !== 'slave') return;
  const mount = mountOf(parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')), realpathSync(source));
  const has = (kind: string): boolean => mount?.propagation.some((field) => field.startsWith(`${kind}:`)) === true;
  if (has('shared') || (mode === 'slave' && has('master'))) return;
  const needed = mode === 'shared' ? 'shared' : 'shared or slave';
  throw new EngineError(
    'internal',
    `path ${source} is mounted on ${mount?.mountPoint ?? '/'} but it is not a ${needed} mount`,
  );
}

function hostSource(record: ContainerRecord, mount: MountPoint): string {
  if (exists(mount.source)) return mount.source;
  if (!createsSource(record.hostConfig, mount)) {
    throw invalidArgument(`invalid mount config for type "bind": bind source path does not exist: ${mount.source}`);
  }
  try {
    mkdirSync(mount.source, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new EngineError(
      'internal',
      `error while creating mount source path '${mount.source}': ${messageOf(error)}`,
      error,
    );
  }
  return mount.source;
}

async function volumeSource(engine: Engine, mount: MountPoint, root: number): Promise<string> {
  const volume = await volumeOf(engine, mount);
  // The image's files belong at the volume's root; a part of it is taken as it is.
  if (mount.copyUp && mount.subpath === undefined) await engine.volumes.populate(volume.name, root, mount.destination);
  return volume.mountpoint;
}

/** A volume that was removed by force meanwhile is made again, as Docker does. */
async function volumeOf(engine: Engine, mount: MountPoint): Promise<Volume> {
  try {
    return engine.volumes.get(mount.name);
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== 'not-found') throw error;
    return engine.volumes.create({ name: mount.name, driver: mount.driver, labels: {}, options: {} });
  }
}
