// Owns reading and writing of control files. Every failure names the file and the value; nothing here knows what a file means.
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { EngineError, messageOf } from '../../base/errors.ts';

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** ENOENT, or ENODEV of a group that is being removed. */
export const isMissing = (error: unknown): boolean => ['ENOENT', 'ENODEV'].includes(codeOf(error));
export const isBusy = (error: unknown): boolean => codeOf(error) === 'EBUSY';

/** What is written to a control file, in one write(2). Throws the plain system error. */
export function writeControl(path: string, value: string): void {
  const fd = openSync(path, constants.O_WRONLY);
  try {
    writeSync(fd, value);
  } finally {
    closeSync(fd);
  }
}

/** Why a value was refused, for the user. EINVAL, EBUSY, ERANGE of a limit are the user's; the rest is internal. */
export function refusal(path: string, value: string, error: unknown): EngineError {
  const kind = ['EINVAL', 'EBUSY', 'ERANGE', 'ENOSPC'].includes(codeOf(error)) ? 'invalid-argument' : 'internal';
  return new EngineError(
    kind,
    `cannot write ${JSON.stringify(value)} to ${path}: ${codeOf(error) || messageOf(error)}`,
    error,
  );
}

/** Text of a control file without the final newline; undefined when file or group is missing, or it cannot be read now. */
export function readControl(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch {
    return undefined;
  }
}

/** A number; undefined when there is none (`max`, missing). */
export function readNumber(path: string): number | undefined {
  const text = readControl(path);
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/** Lines `key value`. */
export function parseKeyed(text: string | undefined): Readonly<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const line of (text ?? '').split('\n')) {
    const blank = line.indexOf(' ');
    if (blank > 0) values[line.slice(0, blank)] = Number(line.slice(blank + 1));
  }
  return values;
}

/** Numbers a line. */
export const parseNumbers = (text: string | undefined): readonly number[] =>
  (text ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
