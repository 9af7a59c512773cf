// Owns the mark by which a pid is known to mean the same process: field 22 of /proc/PID/stat, proc_pid_stat(5).
import { readFileSync } from 'node:fs';

const START_TIME = 22;

/** Clock ticks since boot; undefined when there is no such process. */
export function processStartTime(pid: number): bigint | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name in parentheses may hold anything: fields are counted from its end, the state is field 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const value = fields[START_TIME - 3];
  return value === undefined ? undefined : BigInt(value);
}
