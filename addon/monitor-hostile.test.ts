// Owns the checks of a monitor that hears nonsense: it answers, or leaves, and never crashes.
import t from 'tap';
import * as addon from './index.ts';
import {
  containerPlan,
  encodeFrame,
  encodePlan,
  MonitorUnderTest,
  O_DIRECTORY,
  O_PATH,
  Sandbox,
  start,
} from './monitor-harness.ts';

/** A small generator with a fixed seed (Mulberry32): every run tries the same. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Sends raw bytes, hangs up, and says how the monitor ended. */
async function after(
  bytes: Uint8Array,
  sandbox: Sandbox,
  descriptors: readonly number[] = [],
): Promise<{ code: number; signal: number }> {
  const monitor = new MonitorUnderTest(sandbox);
  await monitor.connection.wait(101);
  try {
    addon.sendFrame(monitor.connection.fd, bytes, descriptors);
  } catch (error) {
    // It may hang up on the first bytes.
    if (!(error instanceof addon.SystemError) || error.code !== 'EPIPE') throw error;
  }
  monitor.connection.close();
  return await monitor.reaped();
}

t.test('frames that are none', async (t) => {
  const sandbox = new Sandbox();
  const bad = [
    Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    Buffer.alloc(64, 0xff),
    Buffer.alloc(8),
    Buffer.from([1, 0, 0, 0, 1, 0, 1, 0, 9]),
    // A field that is longer than its frame.
    Buffer.from([6, 0, 0, 0, 1, 0, 1, 0, 1, 0, 255, 255, 255, 255]),
    // More descriptors than came along.
    encodeFrame(1, [[3, 3]]),
    encodeFrame(1, [[3, -1]]),
    encodeFrame(1, []),
    encodeFrame(2, []),
    encodeFrame(3, [[11, 1]]),
    encodeFrame(6, [[17, 'x']]),
    encodeFrame(60000, [[60000, 'x']]),
  ];
  for (const bytes of bad)
    t.same(await after(bytes, sandbox), { code: 0, signal: 0 }, bytes.toString('hex').slice(0, 40));
  sandbox.remove();
});

t.test('descriptors that nobody asked for are closed', async (t) => {
  const { monitor } = await start({ args: ['sleep', '1000'] });
  const [ours, theirs] = addon.socketPair();
  monitor.connection.send(4, [[18, 0]], [theirs]);
  addon.close(theirs);
  // Its only other end is closed: reading ends.
  const { AttachedClient } = await import('./monitor-harness.ts');
  await new AttachedClient(ours).untilEnd();
  t.pass();
  await monitor.dispose();
});

t.test('launches with bytes changed at random', async (t) => {
  const random = generator(20261124);
  const sandbox = new Sandbox();
  const plan = encodePlan(containerPlan(sandbox, { args: ['true'] }));
  const frame = encodeFrame(1, [
    [1, 'c0ffee'],
    [2, plan],
    [7, 'json-file'],
    [3, 3],
  ]);
  let crashes = 0;
  for (let round = 0; round < 150; round++) {
    const bytes = Buffer.from(frame);
    // Not the header's length: then nothing but waiting would be tried.
    for (let change = 0; change < 1 + Math.floor(random() * 4); change++) {
      bytes[8 + Math.floor(random() * (bytes.length - 8))] = Math.floor(random() * 256);
    }
    const descriptors = [
      addon.openPath(sandbox.run, O_PATH | O_DIRECTORY),
      addon.openPath(sandbox.log, O_PATH | O_DIRECTORY),
      sandbox.root(),
    ];
    const outcome = await after(bytes, sandbox, descriptors);
    for (const fd of descriptors) addon.close(fd);
    if (outcome.signal !== 0 || outcome.code !== 0) crashes++;
  }
  t.equal(crashes, 0);
  sandbox.remove();
});

t.test('a frame in single bytes, two frames in one piece', async (t) => {
  const monitor = new MonitorUnderTest(new Sandbox());
  const unknown = encodeFrame(60000, [[1, 'later']]);
  for (const byte of unknown) addon.writeAll(monitor.connection.fd, Uint8Array.of(byte));
  addon.writeAll(monitor.connection.fd, Buffer.concat([unknown, unknown]));
  monitor.launch({ args: ['true'] });
  monitor.go();
  t.equal((await monitor.connection.wait([102, 103])).type, 102);
  t.equal((await monitor.connection.wait(104)).number(32), 0);
  await monitor.dispose();
});

t.test('a second launch is refused, the first goes on', async (t) => {
  const { monitor } = await start({ args: ['sh', '-c', 'read x; exit 3'], openStdin: true, stdinOnce: true });
  monitor.launch({ args: ['true'] });
  t.equal((await monitor.connection.wait(103)).number(30), 16, 'EBUSY');
  monitor.attach(1).client.socket.end();
  t.equal((await monitor.connection.wait(104)).number(32), 3);
  await monitor.dispose();
});
