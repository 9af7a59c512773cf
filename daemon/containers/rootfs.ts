// Owns a container's root: its writable layer on disk and the overlay mount for one start. The mount is detached: in no mount namespace
// of the host, so that it ends with its last descriptor and cannot leak.
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Overlay } from '../supervisor/storage/overlay.ts';
import { baseDirectory, layerDirectory, type Roots } from './paths.ts';

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

/** The writable layer, empty; the upper directory's mode is what `/` shows. */
export function createLayer(roots: Roots, id: string): void {
  const directory = layerDirectory(roots, id);
  mkdirSync(dirname(directory), { recursive: true, mode: 0o700 });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  mkdirSync(join(directory, 'diff'), { recursive: true, mode: 0o755 });
  mkdirSync(join(directory, 'work'), { recursive: true, mode: 0o700 });
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
