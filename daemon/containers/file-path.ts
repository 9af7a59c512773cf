// Owns what a path of `docker cp` means: its clean form, its last name, and Docker's picture of a file. Pure.
import { invalidArgument } from '../base/errors.ts';

export interface ArchivePath {
  /** From the root, cleaned by text; `/` for the root itself. */
  readonly clean: string;
  /** Ended with a slash or `/.`: a link at its end is followed, and it must be a directory. */
  readonly asDirectory: boolean;
  /** Name of the top entry of an archive of it: the last name, `.` when that was asked for, `/` for the root. */
  readonly name: string;
}

/** Below the root, whatever it begins with. Throws invalid-argument when it is empty or has a NUL byte. */
export function parseArchivePath(path: string): ArchivePath {
  if (path === '') throw invalidArgument('bad parameter: path cannot be empty');
  if (path.includes('\0')) throw invalidArgument('bad parameter: path has a NUL byte');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const clean = `/${parts.join('/')}`;
  const dot = /(?:^|\/)\.$/.test(path);
  return {
    clean,
    asDirectory: dot || path.endsWith('/'),
    name: dot ? '.' : (parts.at(-1) ?? '/'),
  };
}

const S_IFMT = 0o170000;
const goTypes = new Map<number, number>([
  [0o040000, 2 ** 31],
  [0o120000, 2 ** 27],
  [0o060000, 2 ** 26],
  [0o020000, 2 ** 26 + 2 ** 21],
  [0o010000, 2 ** 25],
  [0o140000, 2 ** 24],
]);

/** A mode of stat(2) as Go's FileMode, in which Docker tells it. */
export function goMode(mode: number): number {
  const special = (bit: number, go: number): number => ((mode & bit) === 0 ? 0 : go);
  return (
    (mode & 0o777) +
    (goTypes.get(mode & S_IFMT) ?? 0) +
    special(0o4000, 2 ** 23) +
    special(0o2000, 2 ** 22) +
    special(0o1000, 2 ** 20)
  );
}

export const isDirectory = (mode: number): boolean => (mode & S_IFMT) === 0o040000;
export const isLink = (mode: number): boolean => (mode & S_IFMT) === 0o120000;
