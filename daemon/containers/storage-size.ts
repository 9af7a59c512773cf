// Owns the meaning of --storage-opt: its size as bytes. Pure.
import type { HostConfig } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import { SMALLEST_DISK } from '../supervisor/storage/disk.ts';

const powers: Readonly<Record<string, number>> = { '': 0, b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Bytes that a container may write; undefined without a bound. Throws invalid-argument. */
export function storageSize({ StorageOpt: options = {} }: HostConfig): number | undefined {
  for (const key of Object.keys(options)) {
    if (key.toLowerCase() !== 'size') throw invalidArgument(`Unknown option ${key}`);
  }
  const text = Object.entries(options).at(-1)?.[1];
  if (text === undefined) return undefined;
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text) ?? [];
  if (number === undefined)
    throw invalidArgument(`storage-opt size: invalid size: '${text}', expected a number and a unit, e.g. 10G`);
  const bytes = Math.floor(Number(number) * 1024 ** (powers[unit.toLowerCase()] ?? 0));
  // As Docker: nothing is no bound.
  if (bytes === 0) return undefined;
  if (bytes < SMALLEST_DISK) {
    throw invalidArgument(`storage-opt size: ${text} is too small, expected at least ${SMALLEST_DISK / 1024 / 1024}M`);
  }
  return bytes;
}
