// Owns file systems of a fixed size in sparse files: made, mounted on a directory, unmounted. Knows no container.
import { execFile } from 'node:child_process';
import { constants, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { mountImage, SystemError, unmount } from '../../../addon/index.ts';
import { internal, messageOf, unavailable } from '../../base/errors.ts';

/** Below it the file system's own tables would be most of it. */
export const SMALLEST_DISK = 16 * 1024 * 1024;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/**
 * Makes `file`, sparse, with an empty ext4 of `bytes` (its own tables count). Throws unavailable when mkfs.ext4 is missing; then nothing is
 * left.
 */
export async function makeDisk(file: string, bytes: number): Promise<void> {
  const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await handle.truncate(bytes);
    await handle.close();
    // Nothing is kept back for root; tables are written when they are used.
    const lazy = 'lazy_itable_init=1,lazy_journal_init=1,nodiscard';
    await promisify(execFile)('mkfs.ext4', ['-q', '-F', '-m', '0', '-E', lazy, file], {
      env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' },
    });
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(file, { force: true });
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw unavailable('a size of the disk needs mkfs.ext4: install e2fsprogs', error);
    }
    throw internal(`cannot make a disk of ${bytes} bytes: ${messageOf(error)}`, error);
  }
}

/** Whether something is mounted on a directory. */
export function isMountPoint(directory: string): boolean {
  const there = lstatSync(directory, { throwIfNoEntry: false });
  return there !== undefined && there.dev !== lstatSync(dirname(directory)).dev;
}

/** The loop device that has a file already: a second one beside it would ruin the file system. */
function loopOf(file: string): string | undefined {
  const real = realpathSync(file);
  for (const name of readdirSync('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    try {
      if (readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trimEnd() === real) return `/dev/${name}`;
    } catch {
      // It has none.
    }
  }
  return undefined;
}

/** Mounts a disk on a directory; one that is mounted already is left. */
export function mountDisk(file: string, directory: string): void {
  if (isMountPoint(directory)) return;
  try {
    mountImage({ file: loopOf(file) ?? file, type: 'ext4', directory });
  } catch (error) {
    if (error instanceof SystemError && (error.code === 'ENODEV' || error.detail.startsWith('/dev/loop'))) {
      throw unavailable(`a size of the disk needs loop devices and ext4: ${error.message}`, error);
    }
    throw error;
  }
}

/** Takes a disk off its directory; one that is still in use goes with its last user. */
export function unmountDisk(directory: string): void {
  while (isMountPoint(directory)) unmount(directory, MNT_DETACH | UMOUNT_NOFOLLOW);
}
