// Owns what /proc tells of processes (proc(5)): facts of one process and of the machine, read and parsed. Formats nothing, decides nothing.
import { readFileSync } from 'node:fs';

/** USER_HZ: what the kernel counts processor time in towards user space, on every architecture of the engine. */
export const TICKS_PER_SECOND = 100;

export interface ProcessFacts {
  readonly pid: number;
  /** Name as the kernel has it, at most 15 bytes. */
  readonly comm: string;
  /** One letter: R, S, D, Z, T, … */
  readonly state: string;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  /** dev_t of the controlling terminal, 0 without one. */
  readonly tty: number;
  /** Foreground process group of the terminal, -1 without one. */
  readonly foreground: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
  /** Ticks. */
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly priority: number;
  readonly nice: number;
  readonly threads: number;
  /** Ticks since boot. */
  readonly startTicks: number;
  /** Bytes. */
  readonly virtualBytes: number;
  readonly residentBytes: number;
  readonly processor: number;
  readonly realtimePriority: number;
  readonly policy: number;
  readonly realUid: number;
  readonly effectiveUid: number;
  readonly realGid: number;
  readonly effectiveGid: number;
  /** Pages are locked in memory. */
  readonly locked: boolean;
  /** Empty for kernel threads and zombies. */
  readonly args: readonly string[];
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** Fields of /proc/PID/stat by their number in proc(5), from 3 on; the name in field 2 may hold blanks and parentheses. */
export function parseStat(text: string): {
  readonly comm: string;
  readonly field: (number: number) => number;
  readonly state: string;
} {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const rest = text
    .slice(close + 2)
    .trimEnd()
    .split(' ');
  return { comm: text.slice(open + 1, close), state: rest[0] ?? '?', field: (number) => Number(rest[number - 3] ?? 0) };
}

function idsOf(status: string, key: string): readonly [real: number, effective: number] {
  const [, real = '0', effective = '0'] = new RegExp(`^${key}:\\s+(\\d+)\\s+(\\d+)`, 'm').exec(status) ?? [];
  return [Number(real), Number(effective)];
}

/** The process as it is now; undefined when it has gone. */
export function readProcess(pid: number): ProcessFacts | undefined {
  const statText = read(`/proc/${pid}/stat`);
  const status = read(`/proc/${pid}/status`);
  const cmdline = read(`/proc/${pid}/cmdline`);
  if (statText === undefined || status === undefined || cmdline === undefined) return undefined;
  const { comm, state, field } = parseStat(statText);
  const [realUid, effectiveUid] = idsOf(status, 'Uid');
  const [realGid, effectiveGid] = idsOf(status, 'Gid');
  return {
    pid,
    comm,
    state,
    ppid: field(4),
    pgrp: field(5),
    session: field(6),
    tty: field(7),
    foreground: field(8),
    minorFaults: field(10),
    majorFaults: field(12),
    userTicks: field(14),
    systemTicks: field(15),
    priority: field(18),
    nice: field(19),
    threads: field(20),
    startTicks: field(22),
    virtualBytes: field(23),
    // Not field 24: that counts pages, of a size that Node cannot tell.
    residentBytes: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024,
    processor: field(39),
    realtimePriority: field(40),
    policy: field(41),
    realUid,
    effectiveUid,
    realGid,
    effectiveGid,
    locked: !/^VmLck:\s+0 kB/m.test(status) && status.includes('VmLck:'),
    args: cmdline === '' ? [] : cmdline.replace(/\0+$/, '').split('\0'),
  };
}

/** Start time in ticks since boot, which with the pid names one process of this boot; undefined when it has gone. */
export function startTicksOf(pid: number): number | undefined {
  const text = read(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text).field(22);
}

/** Counters of one network interface (/proc/net/dev). */
export interface InterfaceCounters {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

export function parseNetDev(text: string): readonly InterfaceCounters[] {
  return text.split('\n').flatMap((line) => {
    const [, name, numbers] = /^\s*([^:\s]+):\s*(.+)$/.exec(line) ?? [];
    if (name === undefined || numbers === undefined) return [];
    const value = numbers.trim().split(/\s+/).map(Number);
    const at = (index: number): number => value[index] ?? 0;
    return [
      {
        name,
        rxBytes: at(0),
        rxPackets: at(1),
        rxErrors: at(2),
        rxDropped: at(3),
        txBytes: at(8),
        txPackets: at(9),
        txErrors: at(10),
        txDropped: at(11),
      },
    ];
  });
}

/** The interfaces of the network namespace that a process is in, seen from outside; empty when it has gone. */
export const interfacesOf = (pid: number): readonly InterfaceCounters[] =>
  parseNetDev(read(`/proc/${pid}/net/dev`) ?? '');

/** Processor time of the whole machine in nanoseconds, and how many processors are online. */
export interface MachineTimes {
  readonly totalNs: number;
  readonly processors: number;
}

/** Of /proc/stat: user to steal, without the guests' part, which user has already. */
export function parseMachineTimes(text: string): MachineTimes {
  const lines = text.split('\n');
  const ticks = (/^cpu\s+(.*)$/.exec(lines[0] ?? '')?.[1] ?? '').split(' ').slice(0, 8);
  return {
    totalNs: ticks.reduce((sum, value) => sum + Number(value), 0) * (1e9 / TICKS_PER_SECOND),
    processors: lines.filter((line) => /^cpu\d/.test(line)).length,
  };
}

export const machineTimes = (): MachineTimes => parseMachineTimes(read('/proc/stat') ?? '');

/** Bytes of memory of the machine. */
export const machineMemory = (): number =>
  Number(/^MemTotal:\s+(\d+) kB/m.exec(read('/proc/meminfo') ?? '')?.[1] ?? 0) * 1024;

/** Seconds since boot. */
export const uptime = (): number => Number((read('/proc/uptime') ?? '0').split(' ')[0]);

/** Names of this host's users or groups by number, from a file in the form of passwd(5) or group(5). */
export function namesById(path: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of (read(path) ?? '').split('\n')) {
    const [name = '', , id = ''] = line.split(':');
    if (name !== '' && /^\d+$/.test(id) && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}
