// Owns reading and writing of kernel parameters below /proc/sys/net of the daemon's own network namespace.
import { readFileSync, writeFileSync } from 'node:fs';

const fileOf = (name: readonly string[]): string => `/proc/sys/net/${name.join('/')}`;
const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** The value without the newline; undefined when the kernel has no such parameter (IPv6 switched off, say). */
export function readSysctl(...name: readonly string[]): string | undefined {
  try {
    return readFileSync(fileOf(name), 'latin1').trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Writes when the value differs. False when the kernel has no such parameter. Throws the file system's error when it may not be written. */
export function writeSysctl(value: string, ...name: readonly string[]): boolean {
  const before = readSysctl(...name);
  if (before === undefined) return false;
  if (before !== value) writeFileSync(fileOf(name), value);
  return true;
}
