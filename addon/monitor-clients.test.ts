// Owns the checks of attached clients, standard input and terminals.
import t from 'tap';
import { MonitorUnderTest, Sandbox, start, startAttached } from './monitor-harness.ts';

const CTRL_P = 0x10;
const CTRL_Q = 0x11;
const keys = Uint8Array.of(CTRL_P, CTRL_Q);

/** Splits Docker's frames: `[stream, text]`. */
function frames(bytes: Buffer): [number, string][] {
  const list: [number, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    list.push([bytes[at] ?? 0, bytes.subarray(at + 8, at + 8 + length).toString()]);
    at += 8 + length;
  }
  return list;
}

t.test('a client that was there before go sees everything, its greeting first', async (t) => {
  const monitor = new MonitorUnderTest(new Sandbox());
  monitor.launch({ args: ['sh', '-c', 'echo out; echo err >&2; exit 1'] });
  const { client, id } = monitor.attach(6, { multiplexed: true, greeting: 'HTTP/1.1 101 UPGRADED\r\n\r\n' });
  const plain = monitor.attach(2);
  monitor.go();
  const bytes = await client.untilEnd();
  t.equal(bytes.subarray(0, 25).toString(), 'HTTP/1.1 101 UPGRADED\r\n\r\n');
  t.same(frames(bytes.subarray(25)).sort(), [
    [1, 'out\n'],
    [2, 'err\n'],
  ]);
  t.equal((await plain.client.untilEnd()).toString(), 'out\n', 'one stream alone, as it is');
  const detached = await monitor.connection.wait(105, (message) => message.number(11) === id);
  t.equal(detached.text(33), 'eof');
  const order = monitor.connection.messages.map((message) => message.type);
  t.ok(order.indexOf(104) < order.indexOf(105), 'the exit is told before the streams end');
  await monitor.dispose();
});

t.test('the end of input closes stdin when it is asked for', async (t) => {
  const monitor = new MonitorUnderTest(new Sandbox());
  monitor.launch({ args: ['cat'], openStdin: true, stdinOnce: true });
  const { client } = monitor.attach(7, { input: 'early ' });
  client.socket.write('hi');
  client.socket.end();
  monitor.go();
  t.equal((await client.untilEnd()).toString(), 'early hi');
  t.equal((await monitor.connection.wait(104)).number(32), 0);
  await monitor.dispose();
});

t.test('a client that goes away as a whole after its input', async (t) => {
  const { monitor } = await start({ args: ['cat'], openStdin: true, stdinOnce: true });
  const { client } = monitor.attach(1);
  client.socket.write('last words\n', () => client.socket.destroy());
  t.equal((await monitor.connection.wait(104)).number(32), 0);
  t.same(
    monitor.sandbox.records().map((record) => record.log),
    ['last words\n'],
  );
  await monitor.dispose();
});

t.test('without stdin-once the end of input ends the attachment alone', async (t) => {
  const { monitor } = await start({ args: ['sh', '-c', 'read a; echo got $a; read b; echo got $b'], openStdin: true });
  const first = monitor.attach(3);
  first.client.socket.end('one\n');
  await first.client.untilEnd();
  t.equal((await monitor.connection.wait(105)).text(33), 'eof');
  const second = monitor.attach(3);
  second.client.socket.write('two\n');
  t.match((await second.client.untilEnd()).toString(), 'got two\n');
  t.equal((await monitor.connection.wait(104)).number(32), 0);
  await monitor.dispose();
});

t.test('without an open stdin the program reads nothing', async (t) => {
  const { monitor } = await start({ args: ['sh', '-c', 'cat; readlink /proc/self/fd/0'] });
  await monitor.connection.wait(104);
  t.same(
    monitor.sandbox.records().map((record) => record.log),
    ['/dev/null\n'],
  );
  await monitor.dispose();
});

t.test('two clients write and read', async (t) => {
  const { monitor } = await start({ args: ['sh', '-c', 'read a; read b; echo $a-$b'], openStdin: true });
  const one = monitor.attach(7);
  const two = monitor.attach(7);
  one.client.socket.write('x\n');
  two.client.socket.write('x\n');
  t.match((await one.client.untilEnd()).toString(), 'x-x\n');
  t.match((await two.client.untilEnd()).toString(), 'x-x\n');
  await monitor.dispose();
});

t.test('a program that closes its stdin does not hold its clients', async (t) => {
  const monitor = new MonitorUnderTest(new Sandbox());
  monitor.launch({
    args: ['sh', '-c', 'exec <&-; echo closed; sleep 0.2; echo end'],
    openStdin: true,
    stdinOnce: true,
  });
  const { client } = monitor.attach(3);
  monitor.go();
  await client.until('closed');
  client.socket.end('x'.repeat(1024 * 1024));
  t.match((await client.untilEnd()).toString(), 'end');
  t.equal((await monitor.connection.wait(104)).number(32), 0);
  await monitor.dispose();
});

t.test('a megabyte through stdin and back', async (t) => {
  const monitor = new MonitorUnderTest(new Sandbox());
  monitor.launch({ args: ['cat'], openStdin: true, stdinOnce: true, logDriver: 'none' });
  const { client } = monitor.attach(3);
  monitor.go();
  const data = Buffer.alloc(3 * 1024 * 1024, 'abcdefghijk\n');
  client.socket.end(data);
  t.ok((await client.untilEnd()).equals(data));
  await monitor.dispose();
});

t.test('a slow client holds the output back and loses nothing; the exit record does not wait', async (t) => {
  const total = 8 * 1024 * 1024;
  const { monitor } = await start({
    args: ['sh', '-c', `read go; head -c ${total} /dev/zero; exit 6`],
    openStdin: true,
    stdinOnce: true,
    logDriver: 'none',
  });
  const slow = monitor.attach(2);
  const quick = monitor.attach(3);
  slow.client.socket.pause();
  quick.client.socket.write('go\n');
  await quick.client.until('\0'.repeat(1024));
  let seen = -1;
  // Until nothing moves any more: the program is held.
  while (seen !== quick.client.bytes().length) {
    seen = quick.client.bytes().length;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  t.ok(seen < total, `held at ${seen}`);
  t.notOk(monitor.connection.messages.some((message) => message.type === 104));
  slow.client.socket.resume();
  t.equal((await slow.client.untilEnd()).length, total);
  t.equal((await quick.client.untilEnd()).length, total);
  t.equal((await monitor.connection.wait(104)).number(32), 6);
  await monitor.dispose();
});

t.test('a client that never reads does not keep the exit from being told', async (t) => {
  const { monitor } = await start({
    args: ['sh', '-c', 'read go; head -c 900000 /dev/zero; exit 6'],
    openStdin: true,
    logDriver: 'none',
  });
  const stuck = monitor.attach(3);
  stuck.client.socket.pause();
  stuck.client.socket.write('go\n');
  t.equal((await monitor.connection.wait(104)).number(32), 6);
  t.match(monitor.sandbox.runFile('exit'), 'code 6\n');
  stuck.client.socket.destroy();
  t.same(await monitor.reaped(), { code: 0, signal: 0 }, 'the monitor leaves when the client has gone');
  await monitor.dispose();
});

t.test('a client can be detached by the daemon, and signals reach the process', async (t) => {
  const args = ['sh', '-c', 'trap "exit 8" TERM; echo up; while :; do sleep 0.02; done'];
  const { monitor, client, id } = await startAttached({ args }, 2);
  await client.until('up');
  monitor.connection.send(7, [[11, id]]);
  await client.untilEnd();
  monitor.connection.send(4, [[18, 15]]);
  t.equal((await monitor.connection.wait(104)).number(32), 8);
  await monitor.dispose();
});

t.test('a terminal: name, size, resize, Ctrl-C', async (t) => {
  const { monitor, client } = await startAttached(
    {
      args: [
        'sh',
        '-c',
        'tty; stty size; ls -l /dev/console | head -c 1; read x; stty size; trap "echo int; exit 4" INT; echo ready; while :; do sleep 0.05; done',
      ],
      tty: true,
      openStdin: true,
      consoleSize: [33, 101],
    },
    3,
  );
  await client.until('33 101\r\n');
  t.match(client.bytes().toString(), '/dev/pts/0\r\n33 101\r\n');
  monitor.connection.send(5, [
    [19, 50],
    [20, 132],
  ]);
  client.socket.write('\n');
  await client.until('50 132\r\n');
  await client.until('ready');
  client.socket.write('\x03');
  t.match((await client.untilEnd()).toString(), 'int\r\n');
  t.equal((await monitor.connection.wait(104)).number(32), 4);
  t.ok(monitor.sandbox.records().every((record) => record.stream === 'stdout'));
  await monitor.dispose();
});

t.test('a resize before the start counts', async (t) => {
  const monitor = new MonitorUnderTest(new Sandbox());
  monitor.launch({ args: ['stty', 'size'], tty: true });
  monitor.connection.send(5, [
    [19, 40],
    [20, 90],
  ]);
  const { client } = monitor.attach(2);
  monitor.go();
  t.equal((await client.untilEnd()).toString(), '40 90\r\n');
  await monitor.dispose();
});

t.test('a terminal is closed and opened again by its program', async (t) => {
  const { monitor } = await start({
    args: [
      'sh',
      '-c',
      'echo first; (exec <&- >&- 2>&-; sleep 0.2) ; exec </dev/null >/dev/null 2>&1; sleep 0.2; head -c 200000 /dev/zero > /dev/console; echo second > /dev/console; exit 3',
    ],
    tty: true,
  });
  t.equal((await monitor.connection.wait(104)).number(32), 3);
  const text = monitor.sandbox
    .records()
    .map((record) => record.log)
    .join('');
  t.equal(text, `first\r\n${'\0'.repeat(200000)}second\r\n`);
  await monitor.dispose();
});

t.test('detach keys, split over reads and with false starts', async (t) => {
  const { monitor, client: watching } = await startAttached(
    { args: ['sh', '-c', 'stty raw -echo; echo ready; cat'], tty: true, openStdin: true },
    2,
  );
  await watching.until('ready');
  const { client, id } = monitor.attach(3, { keys });
  const type = (bytes: number[] | string): Promise<void> =>
    new Promise((resolve) =>
      client.socket.write(typeof bytes === 'string' ? bytes : Buffer.from(bytes), () => resolve()),
    );
  await type('a');
  await watching.until('a');
  await type([CTRL_P]);
  await type('b');
  await watching.until('a\x10b');
  await type([CTRL_P, CTRL_P]);
  await type('c');
  await watching.until('a\x10b\x10\x10c');
  await type('d');
  await type([CTRL_P]);
  await type([CTRL_Q]);
  await client.untilEnd();
  const detached = await monitor.connection.wait(105, (message) => message.number(11) === id);
  t.equal(detached.text(33), 'keys');
  await watching.until('a\x10b\x10\x10cd');
  t.notOk(watching.bytes().includes(CTRL_Q));
  t.notOk(
    monitor.connection.messages.some((message) => message.type === 104),
    'the container goes on',
  );
  await monitor.dispose();
});

t.test('keys that overlap with themselves', async (t) => {
  const { monitor, client: watching } = await startAttached(
    {
      args: ['sh', '-c', 'stty raw -echo; echo ready; cat'],
      tty: true,
      openStdin: true,
    },
    2,
  );
  await watching.until('ready');
  const { client } = monitor.attach(3, { keys: Buffer.from('xxy') });
  client.socket.write('_xxxy');
  await client.untilEnd();
  await watching.until('_x');
  t.match(watching.bytes().toString(), /_x$/, 'the first x was input');
  await monitor.dispose();
});

t.test('without a terminal the keys are input like any other', async (t) => {
  const { monitor } = await start({ args: ['cat'], openStdin: true, stdinOnce: true });
  const { client } = monitor.attach(3, { keys });
  client.socket.end(Buffer.from([CTRL_P, CTRL_Q]));
  t.same([...(await client.untilEnd())], [CTRL_P, CTRL_Q]);
  await monitor.dispose();
});

t.test('an attachment to nothing is answered', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const { client, id } = monitor.attach(2, { exec: 'unknown' });
  await client.untilEnd();
  t.equal((await monitor.connection.wait(105, (message) => message.number(11) === id)).text(33), 'error');
  await monitor.dispose();
});
