// Owns the columns of ps(1) as `docker top` shows them: which columns the arguments mean, and the text of each for one process. Pure.
// Titles, widths and rules are those of procps.
import { invalidArgument } from '../base/errors.ts';
import type { ProcessFacts } from '../supervisor/process/proc.ts';

/** What the texts need beside the process. */
export interface PsContext {
  readonly userName: (uid: number) => string | undefined;
  readonly groupName: (gid: number) => string | undefined;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly bootMs: number;
  readonly ticksPerSecond: number;
  readonly memoryBytes: number;
}

interface Column {
  readonly title: string;
  readonly text: (facts: ProcessFacts, context: PsContext) => string;
}

const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
const startMs = ({ startTicks }: ProcessFacts, { bootMs, ticksPerSecond }: PsContext): number =>
  bootMs + (startTicks / ticksPerSecond) * 1000;
const elapsed = (facts: ProcessFacts, context: PsContext): number =>
  Math.max(0, Math.floor((context.nowMs - startMs(facts, context)) / 1000));
const seconds = ({ userTicks, systemTicks }: ProcessFacts, { ticksPerSecond }: PsContext): number =>
  Math.floor((userTicks + systemTicks) / ticksPerSecond);

/** Tenths of a percent over the life of the process. */
function share(facts: ProcessFacts, context: PsContext): number {
  const lived = (context.nowMs - startMs(facts, context)) / 1000;
  const used = (facts.userTicks + facts.systemTicks) / context.ticksPerSecond;
  return lived <= 0 ? 0 : Math.floor((used * 1000) / lived);
}

const tenths = (value: number): string =>
  value > 999 ? String(Math.floor(value / 10)) : `${Math.floor(value / 10)}.${value % 10}`;

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const clock = (date: Date): string => `${two(date.getHours())}:${two(date.getMinutes())}`;
const day = (date: Date): string => `${months[date.getMonth()]}${two(date.getDate())}`;

/** Time of today, day of this year, or the year. */
function stime(facts: ProcessFacts, context: PsContext): string {
  const date = new Date(startMs(facts, context));
  const now = new Date(context.nowMs);
  if (date.getFullYear() !== now.getFullYear()) return String(date.getFullYear());
  return date.getMonth() === now.getMonth() && date.getDate() === now.getDate() ? clock(date) : day(date);
}

function lstart(facts: ProcessFacts, context: PsContext): string {
  const date = new Date(startMs(facts, context));
  const time = `${clock(date)}:${two(date.getSeconds())}`;
  return `${days[date.getDay()]} ${months[date.getMonth()]} ${date.getDate()} ${time} ${date.getFullYear()}`;
}

/** `[[dd-]hh:]mm:ss`; `withHours`: always with hours. */
function duration(total: number, withHours: boolean): string {
  const dayCount = Math.floor(total / 86_400);
  const hours = Math.floor(total / 3600) % 24;
  const rest = `${two((total / 60) % 60)}:${two(total % 60)}`;
  if (dayCount > 0) return `${two(dayCount)}-${two(hours)}:${rest}`;
  return withHours || hours > 0 ? `${two(hours)}:${rest}` : rest;
}

const bsdTime = (total: number): string => `${Math.floor(total / 60)}:${two(total % 60)}`;

/** Name of a terminal by its number (Documentation/admin-guide/devices.txt). */
export function ttyName(device: number): string {
  if (device === 0) return '?';
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${minor + (major - 136) * 256}`;
  if (major === 4) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  if (major === 5 && minor === 1) return 'console';
  return '?';
}

/** As procps: what does not fit its column is cut and marked. */
const fitted = (name: string, width: number): string => (name.length > width ? `${name.slice(0, width - 1)}+` : name);
const user = (uid: number, { userName }: PsContext): string => fitted(userName(uid) ?? String(uid), 8);
const group = (gid: number, { groupName }: PsContext): string => fitted(groupName(gid) ?? String(gid), 8);

function stat(facts: ProcessFacts): string {
  const { state, nice, locked, session, pid, threads, foreground, pgrp } = facts;
  return [
    state,
    nice < 0 ? '<' : '',
    nice > 0 ? 'N' : '',
    locked ? 'L' : '',
    session === pid ? 's' : '',
    threads > 1 ? 'l' : '',
    foreground === pgrp && foreground !== -1 ? '+' : '',
  ].join('');
}

/** Control characters become question marks, as in ps. */
const printable = (text: string): string => text.replace(/[\x00-\x1f\x7f]/g, '?');

function command({ args, comm, state }: ProcessFacts): string {
  if (args.length > 0 && args.some((arg) => arg !== '')) return printable(args.join(' '));
  return `[${printable(comm)}]${state === 'Z' ? ' <defunct>' : ''}`;
}

const number = (title: string, of: (facts: ProcessFacts) => number): Column => ({
  title,
  text: (facts) => String(of(facts)),
});
const kib = (bytes: number): number => Math.floor(bytes / 1024);

const euser: Column = { title: 'USER', text: (facts, context) => user(facts.effectiveUid, context) };
const egroup: Column = { title: 'GROUP', text: (facts, context) => group(facts.effectiveGid, context) };
const args: Column = { title: 'COMMAND', text: command };
const comm: Column = {
  title: 'COMMAND',
  text: ({ comm: name, state }) => `${printable(name)}${state === 'Z' ? ' <defunct>' : ''}`,
};
const pcpu: Column = { title: '%CPU', text: (facts, context) => tenths(share(facts, context)) };
const pmem: Column = {
  title: '%MEM',
  text: ({ residentBytes }, { memoryBytes }) =>
    tenths(memoryBytes === 0 ? 0 : Math.min(999, Math.floor((residentBytes * 1000) / memoryBytes))),
};
const cputime: Column = { title: 'TIME', text: (facts, context) => duration(seconds(facts, context), true) };
const tty: Column = { title: 'TTY', text: (facts) => ttyName(facts.tty) };
const tt: Column = { ...tty, title: 'TT' };
const start: Column = { title: 'START', text: stime };
const short: Column = { title: 'STIME', text: stime };
const pid = number('PID', (facts) => facts.pid);
const ppid = number('PPID', (facts) => facts.ppid);
const vsz = number('VSZ', (facts) => kib(facts.virtualBytes));
const rss = number('RSS', (facts) => kib(facts.residentBytes));
const rsz = { ...rss, title: 'RSZ' };
const state: Column = { title: 'S', text: (facts) => facts.state };
const nice = number('NI', (facts) => facts.nice);
const threads = number('NLWP', (facts) => facts.threads);
const session = number('SESS', (facts) => facts.session);
const cpuShare: Column = {
  title: 'C',
  text: (facts, context) => String(Math.min(99, Math.floor(share(facts, context) / 10))),
};

/** Names of -o. */
const columns: Readonly<Record<string, Column>> = {
  '%cpu': pcpu,
  pcpu,
  '%mem': pmem,
  pmem,
  args,
  cmd: { ...args, title: 'CMD' },
  command: args,
  bsdstart: start,
  bsdtime: { title: 'TIME', text: (facts, context) => bsdTime(seconds(facts, context)) },
  c: cpuShare,
  comm,
  ucmd: { ...comm, title: 'CMD' },
  ucomm: comm,
  cputime,
  time: cputime,
  cputimes: { title: 'TIME', text: (facts, context) => String(seconds(facts, context)) },
  times: { title: 'TIME', text: (facts, context) => String(seconds(facts, context)) },
  egid: number('EGID', (facts) => facts.effectiveGid),
  gid: number('GID', (facts) => facts.effectiveGid),
  rgid: number('RGID', (facts) => facts.realGid),
  egroup: { ...egroup, title: 'EGROUP' },
  group: egroup,
  rgroup: { title: 'RGROUP', text: (facts, context) => group(facts.realGid, context) },
  euid: number('EUID', (facts) => facts.effectiveUid),
  uid: number('UID', (facts) => facts.effectiveUid),
  ruid: number('RUID', (facts) => facts.realUid),
  euser: { ...euser, title: 'EUSER' },
  uname: euser,
  user: euser,
  ruser: { title: 'RUSER', text: (facts, context) => user(facts.realUid, context) },
  etime: { title: 'ELAPSED', text: (facts, context) => duration(elapsed(facts, context), false) },
  etimes: { title: 'ELAPSED', text: (facts, context) => String(elapsed(facts, context)) },
  lstart: { title: 'STARTED', text: lstart },
  maj_flt: number('MAJFL', (facts) => facts.majorFaults),
  majflt: number('MAJFLT', (facts) => facts.majorFaults),
  min_flt: number('MINFL', (facts) => facts.minorFaults),
  minflt: number('MINFLT', (facts) => facts.minorFaults),
  ni: nice,
  nice,
  nlwp: threads,
  thcount: { ...threads, title: 'THCNT' },
  pgid: number('PGID', (facts) => facts.pgrp),
  pgrp: number('PGRP', (facts) => facts.pgrp),
  pid,
  ppid,
  pri: number('PRI', (facts) => 39 - facts.priority),
  psr: number('PSR', (facts) => facts.processor),
  rss,
  rssize: rss,
  rsz,
  rtprio: { title: 'RTPRIO', text: (facts) => (facts.realtimePriority === 0 ? '-' : String(facts.realtimePriority)) },
  s: state,
  state,
  sess: session,
  session,
  sid: { ...session, title: 'SID' },
  start: { ...start, title: 'STARTED' },
  start_time: start,
  stime: short,
  stat: { title: 'STAT', text: stat },
  tgid: { ...pid, title: 'TGID' },
  tname: tty,
  tpgid: number('TPGID', (facts) => facts.foreground),
  tt,
  tty: tt,
  vsize: vsz,
  vsz,
};

const full: readonly Column[] = [
  { ...euser, title: 'UID' },
  pid,
  ppid,
  cpuShare,
  short,
  tty,
  cputime,
  { ...args, title: 'CMD' },
];
const extraFull: readonly Column[] = [
  { ...euser, title: 'UID' },
  pid,
  ppid,
  cpuShare,
  number('SZ', (facts) => Math.floor(facts.virtualBytes / 4096)),
  rss,
  number('PSR', (facts) => facts.processor),
  short,
  tty,
  cputime,
  { ...args, title: 'CMD' },
];
const plain: readonly Column[] = [pid, tty, cputime, { ...comm, title: 'CMD' }];
const bsdPlain: readonly Column[] = [
  pid,
  tty,
  { title: 'STAT', text: stat },
  { title: 'TIME', text: (facts, context) => bsdTime(seconds(facts, context)) },
  args,
];
const bsdUser: readonly Column[] = [
  euser,
  pid,
  pcpu,
  pmem,
  vsz,
  rss,
  tty,
  { title: 'STAT', text: stat },
  start,
  { title: 'TIME', text: (facts, context) => bsdTime(seconds(facts, context)) },
  args,
];

/** A list of -o: names separated by commas or blanks, each with `=TITLE` for another title. */
function listed(list: string): readonly Column[] {
  return list
    .split(',')
    .filter((name) => name !== '')
    .map((entry) => {
      const [name = '', ...title] = entry.split('=');
      const column = Object.hasOwn(columns, name.toLowerCase()) ? columns[name.toLowerCase()] : undefined;
      if (column === undefined) throw invalidArgument(`ps_args: unknown user-defined format specifier "${name}"`);
      return title.length === 0 ? column : { ...column, title: title.join('=') };
    });
}

const unsupported = (word: string): Error =>
  invalidArgument(
    `ps_args: ${JSON.stringify(word)} is not supported: expected -ef, aux, or -o with column names (the processes are always the container's)`,
  );

/**
 * The columns that arguments of ps mean; without arguments those of -ef. Which processes are shown is not theirs to say. Throws
 * invalid-argument for what is not understood.
 */
export function psColumns(psArguments: string): readonly Column[] {
  const words = psArguments.split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return full;
  let format: readonly Column[] | undefined;
  let chosen: readonly Column[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    const [, long, value] = /^--(format|sort|cols|columns|width)=(.*)$/.exec(word) ?? [];
    if (long === 'format') chosen = [...chosen, ...listed(value ?? '')];
    if (long !== undefined || ['--forest', '--headers', '--deselect'].includes(word)) continue;
    const [, dash, letters = ''] = /^(-?)([A-Za-z]+)/.exec(word) ?? [];
    if (letters === '' || word.startsWith('--')) throw unsupported(word);
    const at = letters.indexOf('o');
    const flags = at < 0 ? letters : letters.slice(0, at);
    if (at < 0 && letters.length + (dash ?? '').length !== word.length) throw unsupported(word);
    if (at >= 0) {
      // The list is the rest of the word, or the next one.
      const rest = word.slice((dash ?? '').length + at + 1);
      const list = rest === '' ? words[++index] : rest;
      if (list === undefined) throw invalidArgument('ps_args: -o needs column names, e.g. -o pid,comm');
      chosen = [...chosen, ...listed(list)];
    }
    // `-aux` is taken for `aux`, as ps does.
    const bsd = dash === '' || (flags.includes('a') && flags.includes('x'));
    for (const flag of flags) {
      if (bsd ? !'axuwrhef'.includes(flag) : !'eAaxfFwHdN'.includes(flag)) throw unsupported(word);
      if (bsd && flag === 'u') format = bsdUser;
      else if (bsd) format ??= bsdPlain;
      else if (flag === 'f') format = full;
      else if (flag === 'F') format = extraFull;
    }
  }
  if (chosen.length > 0) return chosen;
  return format ?? plain;
}

/** A table as Docker shows it. Unlike dockerd, which picks lines out of ps's, it needs no PID among the columns. */
export function psTable(
  psArguments: string,
  processes: readonly ProcessFacts[],
  context: PsContext,
): { readonly Titles: string[]; readonly Processes: string[][] } {
  const shown = psColumns(psArguments);
  return {
    Titles: shown.map(({ title }) => title),
    Processes: processes.map((facts) => shown.map(({ text }) => text(facts, context))),
  };
}
