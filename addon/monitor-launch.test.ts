// Owns the checks of how the monitor launches: identity of the process, exit codes, failed plans, the daemon's word, adoption, the end of
// the monitor. Real kernel, real binary.
import { existsSync, readFileSync, readlinkSync, readSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import * as addon from './index.ts';
import {
  Connection,
  containerPlan,
  MonitorUnderTest,
  op,
  type PlanLine,
  Sandbox,
  type StartOptions,
  start,
  startAttached,
} from './monitor-harness.ts';

const ENOENT = 2;
const EACCES = 13;
const ENOTDIR = 20;
const EISDIR = 21;
const ENOEXEC = 8;

async function run(options: StartOptions): Promise<{ code: number; signal: number; output: string; errors: string }> {
  const { monitor, answer } = await start(options);
  try {
    if (answer.type !== 102) throw new Error(`failed: ${answer.text(28)} ${answer.number(30)} ${answer.text(31)}`);
    const exited = await monitor.connection.wait(104);
    const records = monitor.sandbox.records();
    const text = (stream: string): string =>
      records
        .filter((record) => record.stream === stream)
        .map((record) => record.log)
        .join('');
    return { code: exited.number(32), signal: exited.number(18), output: text('stdout'), errors: text('stderr') };
  } finally {
    await monitor.dispose();
  }
}

async function failure(
  options: StartOptions,
): Promise<{ step: string; index: number; errno: number; detail: string; monitor: number }> {
  const { monitor, answer } = await start(options);
  try {
    const code = await monitor.reaped();
    return {
      step: answer.text(28),
      index: answer.number(29),
      errno: answer.number(30),
      detail: answer.text(31),
      monitor: code.code,
    };
  } finally {
    await monitor.dispose();
  }
}

t.test('a command runs as PID 1 and its output is logged before the exit is told', async (t) => {
  const { monitor, answer } = await start({ args: ['sh', '-c', 'echo out; echo err >&2; echo $$; exit 3'] });
  t.equal(answer.type, 102);
  t.ok(answer.number(25) > 0, 'start time');
  const exited = await monitor.connection.wait(104);
  t.equal(exited.number(32), 3);
  t.equal(exited.number(18), 0);
  t.same(
    monitor.sandbox
      .records()
      .filter((record) => record.stream === 'stdout')
      .map((record) => record.log),
    ['out\n', '1\n'],
  );
  t.same(
    monitor.sandbox
      .records()
      .filter((record) => record.stream === 'stderr')
      .map((record) => record.log),
    ['err\n'],
  );
  const record = new Map(
    monitor.sandbox
      .runFile('exit')
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
  t.equal(record.get('version'), '1');
  t.equal(record.get('code'), '3');
  t.equal(record.get('pid'), String(answer.number(24)));
  t.equal(record.get('start-time'), String(answer.number(25)));
  t.equal(
    monitor.sandbox.runFile('pid'),
    `${record.get('pid')} ${record.get('start-time')} ${record.get('started-at')}\n`,
  );
  t.same(await monitor.reaped(), { code: 0, signal: 0 });
  t.notOk(existsSync(join(monitor.sandbox.run, 'monitor.sock')), 'its socket is removed');
  await monitor.dispose();
});

t.test('exit codes', async (t) => {
  t.match(await run({ args: ['true'] }), { code: 0, signal: 0 });
  t.match(await run({ args: ['sh', '-c', 'exit 255'] }), { code: 255, signal: 0 });
  t.match(await run({ args: ['sh', '-c', 'kill -9 $$; sleep 0.1; exit 4'] }), { code: 4 }, 'PID 1 cannot kill itself');
});

t.test('a signal of the daemon ends it', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  monitor.connection.send(4, [[18, 9]]);
  const exited = await monitor.connection.wait(104);
  t.equal(exited.number(32), 137);
  t.equal(exited.number(18), 9);
  await monitor.dispose();
});

t.test('a program that cannot be executed', async (t) => {
  t.match(await failure({ args: ['nope'] }), { step: 'exec', errno: ENOENT, detail: 'nope', monitor: 0 });
  t.match(await failure({ args: ['/bin/nope'] }), { step: 'exec', errno: ENOENT, detail: '/bin/nope' });
  t.match(await failure({ args: ['/etc/plain'] }), { step: 'exec', errno: EACCES, detail: '/etc/plain' });
  t.match(await failure({ args: ['/etc'] }), { step: 'exec', errno: EISDIR, detail: '/etc' });
  t.match(await failure({ args: ['/etc/plain/x'] }), { step: 'exec', errno: ENOTDIR });
  t.match(await failure({ args: ['plain'], env: ['PATH=/etc:/bin'] }), {
    step: 'exec',
    errno: ENOENT,
    detail: 'plain',
  });
  t.match(await failure({ args: [''] }), { step: 'exec', errno: ENOENT, detail: '' });
  t.match(await run({ args: ['echo', 'default path'], env: [] }), { output: 'default path\n' });
});

t.test('a file without a known format is not given to a shell', async (t) => {
  const sandbox = new Sandbox();
  writeFileSync(join(sandbox.rootfs, 'bin/script'), 'echo shell\n', { mode: 0o755 });
  writeFileSync(join(sandbox.rootfs, 'bin/lost'), '#!/no/interpreter\n', { mode: 0o755 });
  for (const [args, errno, detail] of [
    [['script'], ENOEXEC, 'execve /bin/script'],
    [['lost'], ENOENT, 'execve /bin/lost'],
  ] as const) {
    const monitor = new MonitorUnderTest(sandbox);
    monitor.launch({ args });
    monitor.go();
    const answer = await monitor.connection.wait(103);
    t.equal(answer.number(30), errno);
    t.equal(answer.text(31), detail);
    await monitor.reaped();
    monitor.connection.close();
  }
  sandbox.remove();
});

t.test('a plan line that fails is named', async (t) => {
  const lines: [PlanLine] = [[op.hostname, 'x'.repeat(65)]];
  const options = { args: ['true'], lines };
  const sandbox = new Sandbox();
  const index = containerPlan(sandbox, options).indexOf(lines[0]);
  sandbox.remove();
  t.match(await failure(options), { step: 'hostname', index, errno: 22, monitor: 0 });
  t.match(await failure({ args: ['true'], host: [[op.open, 1, '/no/such/file', 0]] }), {
    step: 'open',
    index: 0,
    errno: ENOENT,
    detail: 'open /no/such/file',
  });
  t.match(await failure({ args: ['true'], lines: [[999]] }), { step: 'plan', errno: 38, detail: 'operation 999' });
  t.match(await failure({ args: ['true'], lines: [[op.mkdir, '/x']] }), { step: 'plan', errno: 22 });
  t.match(await failure({ args: ['true'], lines: [[op.mkdir, '/a\0b', 1, 0, 0]] }), { step: 'plan', errno: 22 });
});

t.test('descriptors, directory, mount table and environment of the process', async (t) => {
  const { output } = await run({
    args: [
      'sh',
      '-c',
      'ls /proc/1/fd; readlink /proc/1/cwd; grep -c . /proc/1/mountinfo; cat /proc/1/environ; cat /proc/1/oom_score_adj',
    ],
    env: ['PATH=/bin', 'A=1'],
  });
  const lines = output.split('\n');
  t.same(lines.slice(0, 3), ['0', '1', '2']);
  t.equal(lines[3], '/');
  t.equal(lines[4], '4', 'root, proc, dev, pts and nothing of the host');
  t.match(output, 'PATH=/bin\0A=1\0');
});

t.test('signals are as after boot: nothing blocked, nothing ignored', async (t) => {
  const { output } = await run({ args: ['cat', '/proc/self/status'] });
  t.match(output, /SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000/);
});

t.test('the daemon goes before its word: the child is killed, no record', async (t) => {
  const monitor = new MonitorUnderTest(new Sandbox());
  monitor.launch({ args: ['true'] });
  await monitor.connection.wait(101);
  monitor.connection.close();
  t.same(await monitor.reaped(), { code: 0, signal: 0 });
  t.notOk(existsSync(join(monitor.sandbox.run, 'exit')));
  t.notOk(existsSync(join(monitor.sandbox.run, 'pid')));
  t.notOk(existsSync(join(monitor.sandbox.run, 'monitor.sock')));
  await monitor.dispose();
});

t.test('the daemon goes without a launch', async (t) => {
  const monitor = new MonitorUnderTest(new Sandbox());
  await monitor.connection.wait(101);
  monitor.connection.close();
  t.same(await monitor.reaped(), { code: 0, signal: 0 });
  await monitor.dispose();
});

t.test('the daemon goes after its word and another one adopts', async (t) => {
  const { monitor, answer } = await start({
    args: ['sh', '-c', 'echo one; read line; echo $line; exit 5'],
    openStdin: true,
  });
  monitor.connection.close();
  const second = new Connection(addon.connectUnix(monitor.sandbox.run, 'monitor.sock'));
  const hello = await second.wait(101);
  t.equal(hello.number(22), 2, 'running');
  t.equal(hello.text(1), 'c0ffee');
  t.equal(hello.number(23), monitor.pid);
  t.equal(hello.number(24), answer.number(24));
  t.equal(hello.number(25), answer.number(25));
  t.equal(hello.number(26), answer.number(26));
  const third = new Connection(addon.connectUnix(monitor.sandbox.run, 'monitor.sock'));
  await third.wait(101);
  await second.untilEnd();
  t.pass('the newest connection is the daemon, the older one is closed');
  const { client } = monitor.attach(3, { connection: third });
  client.socket.write('two\n');
  const exited = await third.wait(104);
  t.equal(exited.number(32), 5);
  t.match((await client.untilEnd()).toString(), 'two\n');
  t.same(
    monitor.sandbox.records().map((record) => record.log),
    ['one\n', 'two\n'],
  );
  await monitor.reaped();
  third.close();
  await monitor.dispose();
});

t.test('descriptors that are held for the next daemon', async (t) => {
  const { monitor } = await start({
    args: ['sh', '-c', 'ls /proc/self/fd; read line'],
    openStdin: true,
    stdinOnce: true,
  });
  const { client } = monitor.attach(1);
  const [ours, theirs] = addon.socketPair();
  monitor.connection.send(9, [], [theirs, theirs]);
  monitor.connection.send(9, [], [theirs]);
  // An attach without a descriptor is refused: then what came before it has been read.
  monitor.connection.send(3, [[11, 'nobody']]);
  await monitor.connection.wait(105);
  addon.close(theirs);
  monitor.connection.close();
  const second = new Connection(addon.connectUnix(monitor.sandbox.run, 'monitor.sock'));
  const held = (await second.wait(101)).text(37);
  t.match(held, /^\d+$/, 'the later ones are in the place of the former');
  const taken = addon.takeDescriptor(monitor.pid, Number(held));
  addon.writeAll(taken, Buffer.from('x'));
  t.equal(readSync(ours, Buffer.alloc(1)), 1, 'it is the same socket');
  for (const fd of [taken, ours]) addon.close(fd);
  t.throws(() => addon.takeDescriptor(monitor.pid, 9999), { code: 'EBADF' });
  client.socket.end();
  await monitor.reaped();
  second.close();
  await monitor.dispose();
});

t.test('nobody listens: the exit is on disk', async (t) => {
  const { monitor } = await start({ args: ['sh', '-c', 'read line; exit 9'], openStdin: true, stdinOnce: true });
  const { client } = monitor.attach(1);
  monitor.connection.close();
  client.socket.end('go\n');
  t.same(await monitor.reaped(), { code: 0, signal: 0 });
  t.match(monitor.sandbox.runFile('exit'), /code 9\n/);
  await monitor.dispose();
});

t.test('the end of the monitor is the end of the container', async (t) => {
  const { monitor, answer } = await start({ args: ['sleep', '1000'] });
  const pid = answer.number(24);
  // Readable when the process has ended, whoever its parent is.
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  t.match(status, /NSpid:\t\d+\t1\n/);
  process.kill(monitor.pid, 'SIGKILL');
  t.same(await monitor.reaped(), { code: 137, signal: 9 });
  for (
    let i = 0;
    i < 500 && existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    i++
  ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  t.ok(!existsSync(`/proc/${pid}/stat`) || /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
  await monitor.dispose();
});

t.test('the monitor ignores what ends other programs', async (t) => {
  const { monitor } = await start({ args: ['sh', '-c', 'read line; exit 2'], openStdin: true, stdinOnce: true });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) process.kill(monitor.pid, signal);
  monitor.attach(1).client.socket.end();
  t.equal((await monitor.connection.wait(104)).number(32), 2);
  await monitor.dispose();
});

t.test('init passes signals on, reaps orphans and gives its child’s code', async (t) => {
  const script = 'trap "echo term; exit 7" TERM; (sleep 0.05 &); echo ready; while :; do sleep 0.05; done';
  const { monitor, client } = await startAttached({ args: ['sh', '-c', script], init: true }, 2);
  await client.until('ready');
  monitor.connection.send(4, [[18, 15]]);
  t.equal((await monitor.connection.wait(104)).number(32), 7);
  t.match((await client.untilEnd()).toString(), 'term');
  await monitor.dispose();
  const shown = await run({
    args: ['sh', '-c', 'cat /proc/1/comm; cat /proc/1/cmdline; ls /proc/1/fd | wc -l; echo $$'],
    init: true,
  });
  t.match(shown.output, /^docker-init\n\/sbin\/docker-init\0/);
  t.match(await failure({ args: ['nope'], init: true }), { step: 'exec', errno: ENOENT, detail: 'nope' });
});

t.test('nothing of a hostile root is followed outside', async (t) => {
  const sandbox = new Sandbox();
  const outside = join(sandbox.directory, 'outside');
  writeFileSync(outside, 'untouched');
  symlinkSync(`../../../../../../../../..${sandbox.directory}/fresh`, join(sandbox.rootfs, 'escape'));
  symlinkSync('/proc', join(sandbox.rootfs, 'elsewhere'));
  const monitor = new MonitorUnderTest(sandbox);
  monitor.launch({
    args: ['sh', '-c', 'ls -d /tmp /escape/in; stat -c %F /dev/made'],
    mounts: [
      [op.mkdir, '/escape/in', 0o755, 0, 0],
      [op.device, '/dev/made', 0o20666, 1, 3, 0, 0],
    ],
  });
  monitor.go();
  t.equal((await monitor.connection.wait([102, 103])).type, 102);
  await monitor.connection.wait(104);
  t.notOk(existsSync(join(sandbox.directory, 'fresh')), 'made inside of the root, not on the host');
  t.match(sandbox.logText(), '/escape/in');
  await monitor.reaped();
  monitor.connection.close();

  const refused = new MonitorUnderTest(sandbox);
  refused.launch({ args: ['true'], mounts: [[op.filesystem, 'proc', 'proc', '/elsewhere', 0]] });
  refused.go();
  const answer = await refused.connection.wait([102, 103]);
  t.equal(answer.text(28), 'filesystem');
  t.equal(answer.number(30), ENOTDIR, 'procfs is not put behind a symbolic link');
  await refused.dispose();
});

t.test('masks, read-only paths and kernel parameters', async (t) => {
  const { output, errors } = await run({
    args: [
      'sh',
      '-c',
      'cat /proc/keys; ls /proc/acpi; echo x > /proc/sys/kernel/domainname; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced; grep -E "/proc/(keys|sys)" /proc/self/mountinfo',
    ],
    mounts: [
      [op.sysctl, 'kernel.shm_rmid_forced', '1'],
      [op.mask, '/proc/keys'],
      [op.mask, '/proc/acpi'],
      [op.mask, '/proc/no-such-thing'],
      [op.readonly, '/proc/sys'],
      [op.readonly, '/proc/sys/kernel'],
      [op.mask, '/proc/keys'],
    ],
  });
  t.match(errors, 'Read-only file system');
  t.match(output, /^[01]\n1\n/, 'the masked file is empty, the parameter is set');
  t.equal(output.match(/\/null \/proc\/keys /g)?.length, 2);
});

t.test('a masked path needs the real null device', async (t) => {
  t.match(
    await failure({
      args: ['true'],
      mounts: [
        [op.filesystem, 'tmpfs', 'tmpfs', '/dev', 0, 'mode=755'],
        [op.device, '/dev/null', 0o20666, 1, 5, 0, 0],
        [op.mask, '/proc/keys'],
      ],
    }),
    { step: 'mask', errno: 19 },
  );
});

t.test('the monitor is small when idle, and does not show itself', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const exe = readlinkSync(`/proc/${monitor.pid}/exe`);
  t.match(exe, 'memfd:tsd-monitor');
  t.equal(readFileSync(`/proc/${monitor.pid}/environ`, 'latin1'), '');
  t.equal(readlinkSync(`/proc/${monitor.pid}/cwd`), '/');
  t.equal(readFileSync(`/proc/${monitor.pid}/comm`, 'utf8'), 'tsd-monitor\n');
  // It gives memory back once it has been idle for a second.
  const pss = (): number =>
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${monitor.pid}/smaps_rollup`, 'utf8'))?.[1]);
  for (let i = 0; i < 300 && pss() > 250; i++) await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(pss() <= 250, `${pss()} KiB`);
  await monitor.dispose();
});
