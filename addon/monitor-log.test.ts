// Owns the checks of the json-file log that the monitor writes.
import { appendFileSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import * as addon from './index.ts';
import { MonitorUnderTest, Sandbox, type StartOptions } from './monitor-harness.ts';

/** Runs to the end with files put into the root before. */
async function logged(options: StartOptions, files: Record<string, Uint8Array> = {}): Promise<MonitorUnderTest> {
  const sandbox = new Sandbox();
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(sandbox.rootfs, name), bytes);
  const monitor = new MonitorUnderTest(sandbox);
  monitor.launch(options);
  monitor.go();
  await monitor.connection.wait(104);
  return monitor;
}

t.test('lines, the piece without a newline, times', async (t) => {
  const monitor = await logged({ args: ['printf', 'one\\n\\ntwo'] });
  t.same(
    monitor.sandbox.records().map((record) => record.log),
    ['one\n', '\n', 'two'],
  );
  for (const record of monitor.sandbox.records()) {
    t.match(record.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$/);
    t.ok(Math.abs(Date.parse(record.time) - Date.now()) < 60_000);
  }
  t.match(monitor.sandbox.logText(), /^\{"log":"one\\n","stream":"stdout","time":"/);
  await monitor.dispose();
});

t.test('a line that comes in pieces is one record', async (t) => {
  const monitor = await logged({ args: ['sh', '-c', 'printf a; sleep 0.05; printf b; sleep 0.05; echo c'] });
  t.same(
    monitor.sandbox.records().map((record) => record.log),
    ['abc\n'],
  );
  await monitor.dispose();
});

t.test('16 KiB pieces', async (t) => {
  const sizes = [16383, 16384, 16385, 40000];
  const lines = sizes.map((size) => `${'x'.repeat(size)}\n`).join('');
  const monitor = await logged({ args: ['cat', '/lines'] }, { lines: Buffer.from(lines) });
  const records = monitor.sandbox.records();
  t.equal(records.map((record) => record.log).join(''), lines);
  t.same(
    records.map((record) => record.log.length),
    [16384, 16384, 1, 16384, 2, 16384, 16384, 7233],
  );
  await monitor.dispose();
});

t.test('a character is not torn by the 16 KiB', async (t) => {
  const line = `${'x'.repeat(16383)}é${'y'.repeat(16382)}€z\n`;
  const monitor = await logged({ args: ['cat', '/line'] }, { line: Buffer.from(line) });
  t.equal(
    monitor.sandbox
      .records()
      .map((record) => record.log)
      .join(''),
    line,
  );
  await monitor.dispose();
});

t.test('what has to be escaped', async (t) => {
  const bytes = Buffer.concat([
    Buffer.from('"\\<>&\t\b\r\x7f'),
    Buffer.from([0, 0x1b]),
    Buffer.from('é€😀\u2028\u2029'),
    // Not UTF-8: a lone byte, an overlong form, a surrogate, one above U+10FFFF, a sequence that is cut short.
    Buffer.from([0xff, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xf4, 0x90, 0x80, 0x80, 0xe2, 0x82]),
    Buffer.from('\n'),
  ]);
  const monitor = await logged({ args: ['cat', '/bytes'] }, { bytes });
  const text = monitor.sandbox.logText();
  t.match(text, '"log":"\\"\\\\\\u003c\\u003e\\u0026\\u0009\\u0008\\r\x7f\\u0000\\u001bé€😀\\u2028\\u2029\\ufffd');
  t.equal(
    monitor.sandbox.records()[0]?.log,
    `"\\<>&\t\b\r\x7f\0\x1bé€😀\u2028\u2029${'\ufffd'.repeat(12)}\n`,
    'one replacement a byte, as Go does',
  );
  await monitor.dispose();
});

t.test('attributes stand in each record', async (t) => {
  const monitor = await logged({ args: ['echo', 'x'], logAttrs: '{"tag":"a"}' });
  t.match(monitor.sandbox.logText(), /^\{"log":"x\\n","stream":"stdout","attrs":\{"tag":"a"\},"time":"[^"]+"\}\n$/);
  await monitor.dispose();
});

t.test('rotation keeps whole records and the newest files', async (t) => {
  const monitor = await logged({ args: ['seq', '1', '1000'], logMaxSize: 4096, logMaxFile: 3 });
  t.same(readdirSync(monitor.sandbox.log).sort(), ['c0ffee-json.log', 'c0ffee-json.log.1', 'c0ffee-json.log.2']);
  const numbers = ['.2', '.1', ''].flatMap((suffix) =>
    monitor.sandbox.records(suffix).map((record) => Number(record.log)),
  );
  t.same(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => 1000 - numbers.length + 1 + i),
    'in order, without a gap, up to the last one',
  );
  for (const suffix of ['.2', '.1', '']) {
    t.ok(statSync(join(monitor.sandbox.log, `c0ffee-json.log${suffix}`)).size <= 4096);
  }
  await monitor.dispose();
});

t.test('one file that may not grow starts again', async (t) => {
  const monitor = await logged({ args: ['seq', '1', '1000'], logMaxSize: 4096, logMaxFile: 1 });
  t.same(readdirSync(monitor.sandbox.log), ['c0ffee-json.log']);
  t.ok(statSync(join(monitor.sandbox.log, 'c0ffee-json.log')).size <= 4096);
  t.equal(monitor.sandbox.records().at(-1)?.log, '1000\n');
  await monitor.dispose();
});

t.test('an earlier log is gone on with', async (t) => {
  const sandbox = new Sandbox();
  appendFileSync(
    join(sandbox.log, 'c0ffee-json.log'),
    '{"log":"before\\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}\n',
  );
  const monitor = new MonitorUnderTest(sandbox);
  monitor.launch({ args: ['echo', 'after'] });
  monitor.go();
  await monitor.connection.wait(104);
  t.same(
    sandbox.records().map((record) => record.log),
    ['before\n', 'after\n'],
  );
  await monitor.dispose();
});

t.test('no log at all', async (t) => {
  const monitor = await logged({ args: ['echo', 'x'], logDriver: 'none' });
  t.notOk(existsSync(join(monitor.sandbox.log, 'c0ffee-json.log')));
  await monitor.dispose();
});

t.test('a full disk is told and leaves whole records', async (t) => {
  const sandbox = new Sandbox();
  // A file system of 64 KiB that is mounted nowhere: the monitor gets it by descriptor.
  const mount = addon.mountFilesystem('tmpfs', 'tmpfs', ['size=64k', 'mode=700'], 0);
  const monitor = new MonitorUnderTest(sandbox);
  monitor.launch({ args: ['seq', '1', '3000'], log: mount });
  monitor.go();
  await monitor.connection.wait(104);
  const told = await monitor.connection.wait(109);
  t.equal(told.number(30), 28, 'ENOSPC');
  t.ok(told.number(34) > 0);
  const text = Buffer.from(addon.readInRoot(mount, '/c0ffee-json.log', 1 << 20) ?? []).toString();
  const numbers = text
    .trim()
    .split('\n')
    .map((line) => Number((JSON.parse(line) as { log: string }).log));
  t.same(
    numbers,
    Array.from({ length: numbers.length }, (_, i) => i + 1),
  );
  addon.close(mount);
  await monitor.dispose();
});

t.test('output of processes outside of the pid namespace does not hold the exit', async (t) => {
  const sandbox = new Sandbox();
  const monitor = new MonitorUnderTest(sandbox);
  monitor.launch({ args: ['sh', '-c', 'echo before; sleep 1000 & echo $!; exit 2'], hostPid: true });
  const { client } = monitor.attach(2);
  monitor.go();
  const exited = await monitor.connection.wait(104);
  t.equal(exited.number(32), 2);
  t.match(
    sandbox.records().map((record) => record.log),
    ['before\n', /^\d+\n$/],
  );
  await client.untilEnd();
  t.same(await monitor.reaped(), { code: 0, signal: 0 });
  process.kill(Number(sandbox.records()[1]?.log), 'SIGKILL');
  await monitor.dispose();
});
