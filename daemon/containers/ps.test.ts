import t from 'tap';
import { type ProcessFacts, parseMachineTimes, parseNetDev, parseStat } from '../supervisor/process/proc.ts';
import { psColumns, psTable, ttyName } from './ps.ts';

const facts: ProcessFacts = {
  pid: 42,
  comm: 'sleep',
  state: 'S',
  ppid: 1,
  pgrp: 42,
  session: 42,
  tty: 0,
  foreground: -1,
  minorFaults: 1,
  majorFaults: 0,
  userTicks: 6000,
  systemTicks: 150,
  priority: 20,
  nice: 0,
  threads: 1,
  startTicks: 100,
  virtualBytes: 2048 * 1024,
  residentBytes: 1024 * 1024,
  processor: 1,
  realtimePriority: 0,
  policy: 0,
  realUid: 0,
  effectiveUid: 1000,
  realGid: 0,
  effectiveGid: 0,
  locked: false,
  args: ['sleep', '100\n0'],
};
const bootMs = new Date(2026, 3, 5, 10, 0, 0).getTime();
const context = {
  userName: (id: number) => (id === 1000 ? 'longusername' : undefined),
  groupName: () => 'root',
  nowMs: bootMs + 3_601_000,
  bootMs,
  ticksPerSecond: 100,
  memoryBytes: 1024 * 1024 * 1024,
};
const table = (psArguments: string, more: Partial<ProcessFacts> = {}) =>
  psTable(psArguments, [{ ...facts, ...more }], context);

t.test('the forms of ps', async (t) => {
  t.same(table(''), {
    Titles: ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'],
    Processes: [['longuse+', '42', '1', '1', '10:00', '?', '00:01:01', 'sleep 100?0']],
  });
  t.same(table('-ef'), table(''));
  t.same(table('aux'), {
    Titles: ['USER', 'PID', '%CPU', '%MEM', 'VSZ', 'RSS', 'TTY', 'STAT', 'START', 'TIME', 'COMMAND'],
    Processes: [['longuse+', '42', '1.7', '0.0', '2048', '1024', '?', 'Ss', '10:00', '1:01', 'sleep 100?0']],
  });
  t.same(table('-aux').Titles, table('aux').Titles);
  t.same(table('-e').Titles, ['PID', 'TTY', 'TIME', 'CMD']);
  for (const form of [
    '-o pid,comm=NAME',
    '-opid,comm=NAME',
    '-eo pid,comm=NAME',
    'axo pid,comm=NAME',
    '-o pid -o comm=NAME',
  ]) {
    t.same(table(form), { Titles: ['PID', 'NAME'], Processes: [['42', 'sleep']] }, form);
  }
  t.throws(() => psColumns('-o pid,nonsense'), { kind: 'invalid-argument', message: /specifier "nonsense"/ });
  t.throws(() => psColumns('-Q'), { message: /ps_args: / });
  t.throws(() => psColumns('-o'), { message: /ps_args: / });
  t.throws(() => psColumns('-o constructor'), { message: /ps_args: / });
});

t.test('single columns', async (t) => {
  const one = (column: string, more: Partial<ProcessFacts> = {}) => table(`-o ${column}`, more).Processes[0]?.[0];
  t.equal(one('args', { args: [], state: 'Z' }), '[sleep] <defunct>');
  t.equal(one('stat', { nice: -5, threads: 3, locked: true, foreground: 42, session: 1 }), 'S<Ll+');
  t.equal(one('etime'), '01:00:00');
  t.equal(one('time', { userTicks: 100 * 90_061, systemTicks: 0 }), '01-01:01:01');
  t.equal(one('lstart'), 'Sun Apr 5 10:00:01 2026');
  t.equal(ttyName(0), '?');
  t.equal(ttyName(0x8803), 'pts/3');
  t.equal(ttyName(0x0440), 'ttyS0');
});

t.test('texts of /proc', async (t) => {
  const stat = parseStat('7 (a) b) S 1 7 7 0 -1 0 11 0 12 0 5 6 0 0 20 0 1 0 99 4096 1\n');
  t.same([stat.comm, stat.state, stat.field(4), stat.field(14), stat.field(22)], ['a) b', 'S', 1, 5, 99]);
  t.same(parseNetDev('Inter-| Receive\n face |bytes\n  eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n'), [
    {
      name: 'eth0',
      rxBytes: 1,
      rxPackets: 2,
      rxErrors: 3,
      rxDropped: 4,
      txBytes: 5,
      txPackets: 6,
      txErrors: 7,
      txDropped: 8,
    },
  ]);
  t.same(parseMachineTimes('cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\ncpu1 1\nintr 5\n'), {
    totalNs: 360_000_000,
    processors: 2,
  });
});
