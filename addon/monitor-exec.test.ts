// Owns the checks of further processes in a running container.
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import t from 'tap';
import * as addon from './index.ts';
import {
  type AttachedClient,
  CLONE_PARENT,
  Connection,
  encodePlan,
  type Field,
  type MonitorUnderTest,
  op,
  type PlanLine,
  type Received,
  start,
} from './monitor-harness.ts';

const NAMESPACES = 0x0002_0000 | 0x0400_0000 | 0x0800_0000 | 0x2000_0000;

interface ExecOptions {
  readonly args: readonly string[];
  readonly tty?: boolean;
  readonly openStdin?: boolean;
  readonly lines?: readonly PlanLine[];
  readonly directory?: string;
  readonly streams?: number;
  /** Keep the word back. */
  readonly hold?: boolean;
}

function execPlan(options: ExecOptions): PlanLine[] {
  return [
    [op.clone, 0, -1],
    // Slot -1: PID 1 by the monitor's own pidfd.
    [op.setNamespace, -1, NAMESPACES],
    [op.clone, CLONE_PARENT, -1],
    ...(options.tty ? ([[op.console, 24, 80, 0, -1]] as PlanLine[]) : ([[op.session], [op.stdio, 0, 0]] as PlanLine[])),
    [op.workingDirectory, options.directory ?? '/', 0, 0],
    [op.user, 0, 0],
    [op.deathSignal, constants.signals.SIGKILL],
    ...(options.lines ?? []),
    [op.environment, 'PATH=/bin', 'TERM=xterm'],
    [op.awaitGo],
    [op.exec, ...options.args],
  ];
}

function exec(monitor: MonitorUnderTest, id: string, options: ExecOptions): AttachedClient {
  const fields: Field[] = [
    [17, id],
    [2, encodePlan(execPlan(options))],
    [4, options.tty ? 1 : 0],
    [5, options.openStdin ? 1 : 0],
  ];
  monitor.connection.send(6, fields);
  const { client } = monitor.attach(options.streams ?? 7, { exec: id });
  if (!options.hold) monitor.connection.send(2, [[17, id]]);
  return client;
}

const answer = (monitor: MonitorUnderTest, id: string): Promise<Received> =>
  monitor.connection.wait([106, 107], (message) => message.text(17) === id);
const ended = (monitor: MonitorUnderTest, id: string): Promise<Received> =>
  monitor.connection.wait(108, (message) => message.text(17) === id);

t.test('a process in the container, its output and its exit code', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const client = exec(monitor, 'one', {
    args: ['sh', '-c', 'echo $$ $PPID; cat /proc/1/comm; ls /proc/self/fd; readlink /proc/self/ns/pid; exit 7'],
  });
  const started = await answer(monitor, 'one');
  t.equal(started.type, 106);
  t.ok(started.number(24) > 0);
  const exited = await ended(monitor, 'one');
  t.equal(exited.number(32), 7);
  t.equal(exited.number(18), 0);
  const text = (await client.untilEnd()).toString();
  t.match(text, /^\d+ 0\nsleep\n0\n1\n2\n3\npid:/, 'its parent is outside; the fourth descriptor is ls’s own');
  t.equal(monitor.sandbox.logText(), '', 'not in the container’s log');
  await monitor.dispose();
});

t.test('a program that is not there, a directory that is not there', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const client = exec(monitor, 'one', { args: ['nope'] });
  const failed = await answer(monitor, 'one');
  t.equal(failed.type, 107);
  t.equal(failed.text(28), 'exec');
  t.equal(failed.number(30), 2);
  t.equal(failed.text(31), 'nope');
  await client.untilEnd();
  exec(monitor, 'two', { args: ['true'], directory: '/not/there' });
  const second = await answer(monitor, 'two');
  t.equal(second.text(28), 'working-directory');
  t.equal(second.number(30), 2);
  const look = exec(monitor, 'three', { args: ['ls', '-d', '/not'] });
  t.match((await look.untilEnd()).toString(), 'No such file', 'nothing was made');
  t.notOk(monitor.connection.messages.some((message) => message.type === 104));
  await monitor.dispose();
});

t.test('stdin with its end', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const client = exec(monitor, 'one', { args: ['cat'], openStdin: true });
  client.socket.end('through');
  t.equal((await client.untilEnd()).toString(), 'through');
  t.equal((await ended(monitor, 'one')).number(32), 0);
  await monitor.dispose();
});

t.test('a terminal of its own', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const client = exec(monitor, 'one', {
    args: ['sh', '-c', 'tty; stty size; ls /dev/console; read x; stty size; exit 2'],
    tty: true,
    openStdin: true,
  });
  await client.until('24 80\r\n');
  monitor.connection.send(5, [
    [17, 'one'],
    [19, 10],
    [20, 20],
  ]);
  client.socket.write('\n');
  const text = (await client.untilEnd()).toString();
  t.match(text, '/dev/pts/0\r\n24 80\r\n');
  t.match(text, 'No such file', 'the container’s /dev is not touched');
  t.match(text, '10 20\r\n');
  t.equal((await ended(monitor, 'one')).number(32), 2);
  await monitor.dispose();
});

t.test('a child left behind does not hold the session', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const client = exec(monitor, 'one', { args: ['sh', '-c', 'sleep 1000 & echo left'] });
  t.equal((await ended(monitor, 'one')).number(32), 0);
  t.equal((await client.untilEnd()).toString(), 'left\n');
  await monitor.dispose();
});

t.test('many at once, each with its own output', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const ids = Array.from({ length: 20 }, (_, i) => `exec-${i}`);
  const clients = ids.map((id, i) => exec(monitor, id, { args: ['sh', '-c', `echo ${i}; exit ${i}`] }));
  for (const [i, client] of clients.entries()) {
    t.equal((await client.untilEnd()).toString(), `${i}\n`);
    t.equal((await ended(monitor, `exec-${i}`)).number(32), i);
  }
  await monitor.dispose();
});

t.test('a signal for a session', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  exec(monitor, 'one', { args: ['sleep', '1000'] });
  await answer(monitor, 'one');
  monitor.connection.send(4, [
    [18, 9],
    [17, 'one'],
  ]);
  const exited = await ended(monitor, 'one');
  t.equal(exited.number(32), 137);
  t.equal(exited.number(18), 9);
  await monitor.dispose();
});

t.test('the container ends with sessions in it', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const client = exec(monitor, 'one', { args: ['sleep', '1000'] });
  await answer(monitor, 'one');
  monitor.connection.send(4, [[18, 9]]);
  t.equal((await monitor.connection.wait(104)).number(32), 137);
  await client.untilEnd();
  t.equal((await ended(monitor, 'one')).number(32), 137);
  t.same(await monitor.reaped(), { code: 0, signal: 0 });
  await monitor.dispose();
});

t.test('a second daemon hears of the sessions; one that waits for its word ends with the first', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  exec(monitor, 'runs', { args: ['sleep', '1000'] });
  const pid = (await answer(monitor, 'runs')).number(24);
  const held = exec(monitor, 'held', { args: ['echo', 'never'], hold: true });
  monitor.connection.close();
  t.equal((await held.untilEnd()).toString(), '');
  const second = new Connection(addon.connectUnix(monitor.sandbox.run, 'monitor.sock'));
  t.equal((await second.wait(101)).text(35), 'runs');
  second.send(4, [
    [18, 9],
    [17, 'runs'],
  ]);
  await second.wait(108);
  t.notOk(existsSync(`/proc/${pid}`));
  second.close();
  await monitor.dispose();
});

t.test('the end of the monitor is the end of its sessions', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'], hostPid: true });
  monitor.connection.send(6, [
    [17, 'one'],
    [2, encodePlan(execPlan({ args: ['sleep', '1000'] }))],
  ]);
  monitor.connection.send(2, [[17, 'one']]);
  const pid = (await answer(monitor, 'one')).number(24);
  process.kill(monitor.pid, 'SIGKILL');
  await monitor.reaped();
  const gone = (): boolean => !existsSync(`/proc/${pid}`) || /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  for (let i = 0; i < 500 && !gone(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  t.ok(gone());
  await monitor.dispose();
});

t.test('sessions that fail leave no zombie, and PID 1 can end', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  for (let i = 0; i < 20; i++) {
    const id = `exec-${i}`;
    monitor.connection.send(6, [
      [17, id],
      [2, encodePlan(execPlan({ args: ['nope'] }))],
    ]);
    monitor.connection.send(2, [[17, id]]);
  }
  for (let i = 0; i < 20; i++) t.equal((await answer(monitor, `exec-${i}`)).type, 107);
  const children = readFileSync(`/proc/${monitor.pid}/task/${monitor.pid}/children`, 'utf8').trim().split(' ');
  t.equal(children.length, 1, 'PID 1 alone, no zombie');
  monitor.connection.send(4, [[18, 9]]);
  t.equal((await monitor.connection.wait(104)).number(32), 137);
  await monitor.dispose();
});

t.test('no exec before the start', async (t) => {
  const { monitor } = await start({ args: ['nope'] });
  t.ok(monitor.connection.messages.some((message) => message.type === 103));
  await monitor.dispose();
});
