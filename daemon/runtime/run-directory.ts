// Owns the records in a container's run directory (docs/monitor-protocol.md, "Files in the run directory"): reads them, and removes
// those of exec sessions when their end has been taken in; writes none.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ExitRecord, Started } from './types.ts';

function readRecord(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'utf8');
  } catch {
    return undefined;
  }
}

const bigintOf = (text: string | undefined): bigint => (text !== undefined && /^-?\d+$/.test(text) ? BigInt(text) : 0n);

/** Text of an `exit` record -> its values; undefined when it has no code. */
export function parseExitRecord(text: string): { readonly record: ExitRecord; readonly startedAt: bigint } | undefined {
  const values = new Map(
    text.split('\n').map((line): [string, string] => {
      const blank = line.indexOf(' ');
      return [line.slice(0, blank), line.slice(blank + 1)];
    }),
  );
  const code = values.get('code');
  if (code === undefined || !/^\d+$/.test(code)) return undefined;
  return {
    record: {
      code: Number(code),
      signal: Number(bigintOf(values.get('signal'))),
      finishedAt: bigintOf(values.get('finished-at')),
      pid: Number(bigintOf(values.get('pid'))),
      monitorLost: false,
    },
    startedAt: bigintOf(values.get('started-at')),
  };
}

/** The exit record, when the container has ended under a monitor's eyes. */
export function readExitRecord(directory: string): ReturnType<typeof parseExitRecord> {
  const text = readRecord(directory, 'exit');
  return text === undefined ? undefined : parseExitRecord(text);
}

/** What the monitor wrote when the first process was started. */
export function readPidRecord(directory: string): Started | undefined {
  const [, pid, startTime, startedAt] = /^(\d+) (\d+) (\d+)/.exec(readRecord(directory, 'pid') ?? '') ?? [];
  if (pid === undefined) return undefined;
  return { pid: Number(pid), startTime: bigintOf(startTime), startedAt: bigintOf(startedAt) };
}

const EXEC_PREFIX = 'exec-';

/** How an exec session ended; undefined while it has not, or when its end has been taken in before. */
export function readExecRecord(
  directory: string,
  execId: string,
): { readonly code: number; readonly signal: number } | undefined {
  const [, code, signal] =
    /^code (\d+)\nsignal (\d+)\n/m.exec(readRecord(directory, `${EXEC_PREFIX}${execId}`) ?? '') ?? [];
  return code === undefined ? undefined : { code: Number(code), signal: Number(signal) };
}

/** To be called when the end of the session is where it lasts. */
export function removeExecRecord(directory: string, execId: string): void {
  rmSync(join(directory, `${EXEC_PREFIX}${execId}`), { force: true });
}

/** All but those of `kept` sessions: what a daemon leaves that dies between taking an end in and removing its record. */
export function removeExecRecords(directory: string, kept: ReadonlyMap<string, unknown> = new Map()): void {
  let names: readonly string[];
  try {
    names = readdirSync(directory);
  } catch {
    return;
  }
  for (const name of names) {
    if (name.startsWith(EXEC_PREFIX) && !kept.has(name.slice(EXEC_PREFIX.length)))
      rmSync(join(directory, name), { force: true });
  }
}
