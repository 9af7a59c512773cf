// Owns what the kernel writes to its log when it kills for lack of memory in a control group (mm/oom_kill.c): reading and parsing. The
// processes are gone by then, and so are the group's numbers; the log is the only witness.
import { closeSync, constants, openSync, readSync } from 'node:fs';

export interface OomProcess {
  readonly pid: number;
  readonly name: string;
  readonly residentBytes: number;
}

export interface OomReport {
  /** Microseconds since boot. */
  readonly atUs: number;
  readonly victim: {
    readonly pid: number;
    readonly name: string;
    readonly anonymousBytes: number;
    readonly fileBytes: number;
    readonly sharedBytes: number;
  };
  /** Of the group that was full; absent what the kernel did not say. */
  readonly usageBytes?: number;
  readonly limitBytes?: number;
  readonly swapUsageBytes?: number;
  readonly swapLimitBytes?: number;
  /** The group's memory by kind as the kernel names it (`anon`, `file`, `shmem`, `kernel_stack`, …), what is above zero. */
  readonly memoryByKind: Readonly<Record<string, number>>;
  /** The biggest of the group, the biggest first. */
  readonly processes: readonly OomProcess[];
}

/** Processes of a report. */
const MOST_PROCESSES = 10;
/** Not memory by kind: events, the limits, and the same again with groups below. */
const OTHER = /^(?:pg|workingset_|total_|hierarchical_)/;
/** Kinds are told line by line after this head. */
const STATS = /^Memory cgroup stats for /;

interface Draft {
  usage: Map<string, readonly [usage: number, limit: number]>;
  kinds: Record<string, number>;
  columns: readonly string[];
  rows: (readonly string[])[];
  group: string;
}

const fresh = (): Draft => ({ usage: new Map(), kinds: {}, columns: [], rows: [], group: '' });

function finish(draft: Draft, line: string, atUs: number): OomReport | undefined {
  const [, pid, name = ''] = /Killed process (\d+) \((.*)\) total-vm:/.exec(line) ?? [];
  if (pid === undefined) return undefined;
  const kib = (key: string): number => Number(new RegExp(`${key}:(\\d+)kB`).exec(line)?.[1] ?? 0) * 1024;
  const victim = {
    pid: Number(pid),
    name,
    anonymousBytes: kib('anon-rss'),
    fileBytes: kib('file-rss'),
    sharedBytes: kib('shmem-rss'),
  };
  const at = (row: readonly string[], column: string): string => row[draft.columns.indexOf(column)] ?? '';
  const pages = (row: readonly string[]): number => Number(at(row, 'rss'));
  // The table counts pages, of a size that the victim's own line tells.
  const own = draft.rows.find((row) => at(row, 'pid') === pid);
  const resident = victim.anonymousBytes + victim.fileBytes + victim.sharedBytes;
  const pageBytes = own === undefined || pages(own) === 0 ? 4096 : 2 ** Math.round(Math.log2(resident / pages(own)));
  const [usageBytes, limitBytes] = draft.usage.get('memory') ?? [];
  const [swapUsageBytes, swapLimitBytes] = draft.usage.get('swap') ?? draft.usage.get('memory+swap') ?? [];
  return {
    atUs,
    victim,
    ...(usageBytes === undefined ? {} : { usageBytes, limitBytes }),
    ...(swapUsageBytes === undefined ? {} : { swapUsageBytes, swapLimitBytes }),
    memoryByKind: draft.kinds,
    processes: draft.rows
      .map((row) => ({ pid: Number(at(row, 'pid')), name: at(row, 'name'), residentBytes: pages(row) * pageBytes }))
      .sort((a, b) => b.residentBytes - a.residentBytes)
      .slice(0, MOST_PROCESSES),
  };
}

/**
 * The reports about one group (`path` as in /proc/PID/cgroup) or groups below it, oldest first. `records` as /dev/kmsg gives them:
 * `prio,sequence,microseconds,flags;text`. Pure.
 */
export function parseOomLog(records: readonly string[], path: string): readonly OomReport[] {
  const reports: OomReport[] = [];
  let draft = fresh();
  let inStats = false;
  for (const record of records) {
    const [, stamp, text = ''] = /^\d+,\d+,(\d+),[^;]*;(.*)/.exec(record) ?? [];
    if (stamp === undefined) continue;
    const [, what, usage, limit] = /^(memory|memory\+swap|swap): usage (\d+)kB, limit (\d+)kB/.exec(text) ?? [];
    const [, kind, value] = inStats ? (/^(\w+) (\d+)$/.exec(text) ?? []) : [];
    if (text.includes('invoked oom-killer')) draft = fresh();
    else if (what !== undefined) draft.usage.set(what, [Number(usage) * 1024, Number(limit) * 1024]);
    else if (kind !== undefined) {
      if (Number(value) > 0 && !OTHER.test(kind)) draft.kinds[kind] = Number(value);
    } else if (/^\[\s*pid\s*\]/.test(text)) draft.columns = text.replace(/[[\]]/g, ' ').trim().split(/\s+/);
    else if (/^\[\s*\d+\]/.test(text)) draft.rows.push(text.replace(/[[\]]/g, ' ').trim().split(/\s+/));
    else if (text.startsWith('oom-kill:')) draft.group = /,oom_memcg=([^,]*)/.exec(text)?.[1] ?? '';
    else if (text.includes('Killed process')) {
      const ours = draft.group === path || draft.group.startsWith(`${path}/`);
      const report = ours ? finish(draft, text, Number(stamp)) : undefined;
      if (report !== undefined) reports.push(report);
    }
    if (STATS.test(text)) inStats = true;
    else if (kind === undefined) inStats = false;
  }
  return reports;
}

/** The kernel's log as it is now; empty when this process may not read it. */
function kernelLog(): readonly string[] {
  let descriptor: number;
  try {
    descriptor = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return [];
  }
  const records: string[] = [];
  const buffer = Buffer.alloc(8192);
  try {
    for (;;) {
      try {
        // One record a read (Documentation/ABI/testing/dev-kmsg).
        const length = readSync(descriptor, buffer, 0, buffer.length, null);
        if (length === 0) break;
        records.push(buffer.toString('utf8', 0, length));
      } catch (error) {
        // EPIPE: records were overwritten meanwhile, the next one comes. EAGAIN: that was the last.
        if ((error as NodeJS.ErrnoException).code !== 'EPIPE') break;
      }
    }
  } finally {
    closeSync(descriptor);
  }
  return records;
}

/** The last kill for lack of memory in a group, undefined when the kernel's log has none (any more). */
export const lastOomReport = (path: string): OomReport | undefined => parseOomLog(kernelLog(), path).at(-1);
