// Owns a container's root: its writable layer on disk and the overlay mount for one start. The mount is detached: in no mount namespace
// of the host, so that it ends with its last descriptor and cannot leak.
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeDisk, mountDisk } from '../supervisor/storage/disk.ts';
import { Overlay } from '../supervisor/storage/overlay.ts';
import { baseDirectory, containerDirectory, layerDirectory, type Roots } from './paths.ts';
import { storageSize } from './storage-size.ts';
import type { ContainerRecord } from './types.ts';

const baseDirectories = ['dev/pts', 'dev/shm', 'etc', 'proc', 'sys'];
const baseFiles: readonly (readonly [string, number])[] = [
  ['.dockerenv', 0o755],
  ['dev/console', 0o755],
  ['etc/hostname', 0o755],
  ['etc/hosts', 0o755],
  ['etc/resolv.conf', 0o755],
];

/**
 * Makes the directory that lies below every image: the places of the engine's own mounts, and the file by which programs know that they
 * are in a container. Lowest, so that what an image brings itself wins. Once a daemon.
 */
export function prepareBase(roots: Roots): void {
  const base = baseDirectory(roots);
  mkdirSync(base, { recursive: true, mode: 0o755 });
  for (const path of baseDirectories) mkdirSync(join(base, path), { recursive: true, mode: 0o755 });
  for (const [path, mode] of baseFiles) {
    if (!existsSync(join(base, path))) writeFileSync(join(base, path), '', { mode });
  }
  if (!existsSync(join(base, 'etc/mtab'))) {
    try {
      symlinkSync('/proc/mounts', join(base, 'etc/mtab'));
    } catch (error) {
      // A dangling link counts as missing for existsSync.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

const diskOf = (roots: Roots, id: string): string => join(containerDirectory(roots, id), 'disk');

/**
 * The writable layer, empty; the upper directory's mode is what `/` shows. With `bytes` it is a file system of its own of that size: a full
 * one is the container's trouble alone. The container's directory is there already.
 */
export async function createLayer(roots: Roots, id: string, bytes?: number): Promise<void> {
  const directory = layerDirectory(roots, id);
  mkdirSync(dirname(directory), { recursive: true, mode: 0o700 });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (bytes !== undefined) {
    await makeDisk(diskOf(roots, id), bytes);
    mountDisk(diskOf(roots, id), directory);
    chmodSync(directory, 0o700);
  }
  mkdirSync(join(directory, 'diff'), { recursive: true, mode: 0o755 });
  mkdirSync(join(directory, 'work'), { recursive: true, mode: 0o700 });
}

/** Brings back the file system of a layer with a size after a boot of the machine. Others need nothing. */
export function reopenLayer(roots: Roots, { id, hostConfig }: Pick<ContainerRecord, 'id' | 'hostConfig'>): void {
  if (storageSize(hostConfig) !== undefined) mountDisk(diskOf(roots, id), layerDirectory(roots, id));
}

// Its options hold for every root of this process (index=off: without it a restart could meet its own earlier mount as busy).
const overlay = new Overlay();

/** An image as a read-only detached mount; the caller closes the descriptor. `imageLayers`: top-most first. */
export function mountImage(imageLayers: readonly string[]): number {
  return overlay.mount({ lower: imageLayers });
}

/** The root as a detached mount; the caller closes the descriptor. `imageLayers`: top-most first. */
export function mountRoot(roots: Roots, id: string, imageLayers: readonly string[]): number {
  const directory = layerDirectory(roots, id);
  return overlay.mount({
    lower: [...imageLayers, baseDirectory(roots)],
    writable: { upper: join(directory, 'diff'), work: join(directory, 'work') },
  });
}

/** A view of the root that only reads, beside whatever else is mounted of it; the caller closes it. */
export function mountRootReadOnly(roots: Roots, id: string, imageLayers: readonly string[]): number {
  return overlay.mount({ lower: [join(layerDirectory(roots, id), 'diff'), ...imageLayers, baseDirectory(roots)] });
}

/** A view of what lies below the writable layer; the caller closes it. */
export function mountLower(roots: Roots, imageLayers: readonly string[]): number {
  return overlay.mount({ lower: [...imageLayers, baseDirectory(roots)] });
}
