import { once } from 'node:events';
import t from 'tap';
import type { ExecInput } from '../../../daemon/runtime/types.ts';
import { clientPair, Place, type Run, readAll, waitFor } from './harness.ts';

const place = new Place();
t.after(() => place.remove());

const execInput = (run: Run, args: readonly string[], more: Partial<ExecInput> = {}): ExecInput => ({
  execId: `e${Math.random().toString(36).slice(2)}`,
  args,
  env: ['PATH=/bin', 'WHO=me'],
  cwd: '/tmp',
  user: run.spec.user,
  tty: false,
  openStdin: false,
  privileged: false,
  attaches: [],
  spec: run.spec,
  ...more,
});

async function executed(
  run: Run,
  args: readonly string[],
  more: Partial<ExecInput> = {},
): Promise<{ code: number; out: string }> {
  const { socket, request } = await clientPair(place.directory);
  const exec = await run.process.exec(execInput(run, args, { attaches: [{ ...request, stdin: false }], ...more }));
  const out = await readAll(socket);
  return { code: (await exec.exited).code, out };
}

t.test('a client that came before the start sees the first byte, and its input goes in', async (t) => {
  const { socket, request } = await clientPair(place.directory);
  const run = await place.run(['cat'], {
    spec: { config: { OpenStdin: true, StdinOnce: true } },
    attaches: [{ ...request, greeting: Buffer.from('HTTP/1.1 101\r\n\r\n'), input: Buffer.from('early ') }],
  });
  socket.end('late\n');
  t.equal(await readAll(socket), 'HTTP/1.1 101\r\n\r\nearly late\n');
  t.match(await run.process.exited, { code: 0 });
});

t.test('frames of two streams', async (t) => {
  const { socket, request } = await clientPair(place.directory);
  const run = await place.run(['sh', '-c', 'echo a; echo b >&2'], { attaches: [{ ...request, multiplexed: true }] });
  t.same(
    (await readAll(socket)).split('').sort().join(''),
    '\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0002a\n\u0002\u0000\u0000\u0000\u0000\u0000\u0000\u0002b\n'
      .split('')
      .sort()
      .join(''),
  );
  await run.process.exited;
});

t.test('a terminal: size, resize, detach keys', async (t) => {
  const { socket, request } = await clientPair(place.directory);
  const run = await place.run(
    [
      'sh',
      '-c',
      'tty; stty size; stat -c %t:%T /dev/console >/dev/null && echo console; read x; stty size; sleep 1000',
    ],
    {
      spec: { config: { Tty: true, OpenStdin: true } },
      consoleSize: [33, 101],
      attaches: [],
    },
  );
  await waitFor(() => run.output().includes('console'));
  const detached = new Promise<string>((resolve) =>
    run.process.attach({ ...request, detachKeys: Uint8Array.of(16, 17) }, resolve),
  );
  let seen = '';
  const until = async (text: string): Promise<void> => {
    while (!seen.includes(text)) seen += String((await once(socket, 'data'))[0]);
  };
  run.process.resize(44, 55);
  socket.write('go\n');
  await until('44 55');
  socket.write(Uint8Array.of(16));
  socket.write(Uint8Array.of(17));
  t.equal(await detached, 'keys');
  t.match(run.output(), /\/dev\/pts\/0\r\n33 101\r\nconsole\r\n/);
  run.process.signal(9);
  await run.process.exited;
});

t.test('exec: streams, user, directory, environment, exit code', async (t) => {
  const run = await place.run(['sleep', '1000']);
  t.same(await executed(run, ['sh', '-c', 'echo $WHO; pwd; exit 5']), { code: 5, out: 'me\n/tmp\n' });
  const www = { uid: 33, gid: 33, additionalGids: [33], home: '/', name: 'www' };
  t.same(await executed(run, ['id', '-u'], { user: www }), { code: 0, out: '33\n' });
  t.match((await executed(run, ['grep', 'Cap', '/proc/self/status'])).out, /CapInh:\t0+\nCapPrm:\t0+a80425fb\n/);
  t.match((await executed(run, ['grep', 'CapEff', '/proc/self/status'], { privileged: true })).out, /CapEff:\t000001f/);
  t.same(await executed(run, ['sh', '-c', 'ls /proc/self/fd | wc -l; cat /proc/1/comm']), {
    code: 0,
    out: '4\nsleep\n',
  });
  t.match((await executed(run, ['cat', '/proc/self/cgroup'])).out, run.spec.cgroupPath);
  t.match((await executed(run, ['grep', 'Seccomp:', '/proc/self/status'])).out, /2/);
  await t.rejects(run.process.exec(execInput(run, ['nope'])), {
    message:
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": executable file not found in $PATH',
    exitCode: 127,
  });
  await t.rejects(run.process.exec(execInput(run, ['true'], { cwd: '/none' })), {
    message: /chdir to cwd \("\/none"\) set in config.json failed: no such file or directory/,
  });
  run.process.signal(9);
  await run.process.exited;
});

t.test('exec: stdin, terminal, signal', async (t) => {
  const run = await place.run(['sleep', '1000']);
  const piped = await clientPair(place.directory);
  const cat = await run.process.exec(execInput(run, ['cat'], { openStdin: true, attaches: [piped.request] }));
  piped.socket.end('through\n');
  t.equal(await readAll(piped.socket), 'through\n');
  t.same(await cat.exited, { code: 0, signal: 0 });
  const terminal = await clientPair(place.directory);
  const tty = await run.process.exec(
    execInput(run, ['sh', '-c', 'stty size; sleep 1000'], {
      tty: true,
      openStdin: true,
      consoleSize: [12, 34],
      attaches: [terminal.request],
    }),
  );
  const [piece] = (await once(terminal.socket, 'data')) as [Buffer];
  t.equal(String(piece), '12 34\r\n');
  terminal.socket.write('\u0003');
  t.match(await tty.exited, { code: 130 }, 'Ctrl-C reaches the foreground group');
  const sleep = await run.process.exec(execInput(run, ['sleep', '1000']));
  sleep.signal(15);
  t.match(await sleep.exited, { code: 143, signal: 15 });
  const last = await run.process.exec(execInput(run, ['sleep', '1000']));
  run.process.signal(9);
  await run.process.exited;
  t.match(await last.exited, { code: 137 }, 'sessions end with the container');
});

t.test('the daemon goes and another one comes', async (t) => {
  const run = await place.run(
    ['sh', '-c', 'while read line; do echo "got $line"; test "$line" = end && exit 9; done'],
    {
      spec: { config: { OpenStdin: true } },
    },
  );
  const { pid, startTime, startedAt } = run.process.started;
  run.process.release();
  const observation = await place.newRuntime().observe(run.runDirectory, run.id);
  if (observation.kind !== 'running') throw new Error(`${observation.kind}, not running`);
  const adopted = observation.process;
  t.same(adopted.started, { pid, startTime, startedAt });
  t.equal(adopted.monitorPid, run.process.monitorPid);
  const { socket, request } = await clientPair(place.directory);
  adopted.attach(request);
  socket.write('one\n');
  const [piece] = (await once(socket, 'data')) as [Buffer];
  t.equal(String(piece), 'got one\n');
  const exec = await adopted.exec(execInput(run, ['sh', '-c', 'exit 4']));
  t.match(await exec.exited, { code: 4 });
  socket.write('end\n');
  t.match(await adopted.exited, { code: 9, monitorLost: false });
  t.equal(run.output(), 'got one\ngot end\n');
});

t.test('what ended meanwhile, what never was, what was lost', async (t) => {
  const run = await place.run(['sh', '-c', 'sleep 0.1; exit 6']);
  run.process.release();
  const again = await place.newRuntime().observe(run.runDirectory, run.id);
  if (again.kind === 'running') await again.process.exited;
  const later = await place.newRuntime().observe(run.runDirectory, run.id);
  t.match(later, { kind: 'exited', record: { code: 6, monitorLost: false }, startedAt: run.process.started.startedAt });
  t.match(await place.newRuntime().observe(`${place.directory}/staging`, run.id), { kind: 'gone' });
  const lost = await place.run(['sleep', '1000']);
  process.kill(lost.process.monitorPid, 'SIGKILL');
  await lost.process.exited;
  t.match(await place.newRuntime().observe(lost.runDirectory, lost.id), {
    kind: 'exited',
    record: { code: 137, monitorLost: true },
  });
});

t.test('a descriptor that was handed over is closed when the start fails', async (t) => {
  const { socket, request } = await clientPair(place.directory);
  await t.rejects(place.run(['nope'], { attaches: [request] }), { message: /not found/, exitCode: 127 });
  t.equal(await readAll(socket), '');
  const other = await clientPair(place.directory);
  await t.rejects(place.run(['true'], { attaches: [other.request], spec: { hostConfig: { CapAdd: ['nope'] } } }), {
    message: /unknown capability/,
    kind: 'invalid-argument',
  });
  t.equal(await readAll(other.socket), '');
});
