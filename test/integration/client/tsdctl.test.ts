// tsdctl and the typed library against a daemon of this test's own.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { Client, demultiplex, routes } from '../../../client/index.ts';
import { startDaemon, type TestDaemon } from '../../helpers/daemon.ts';
import { busyboxImage, makeDockerArchive } from '../../helpers/image.ts';
import { Pty } from '../../helpers/pty.ts';

const program = join(import.meta.dirname, '../../../client/tsdctl');

async function tsdctl(daemon: TestDaemon, args: readonly string[], input: string | Uint8Array = '') {
  const child = spawn(program, args, { env: { ...process.env, TSD_HOST: daemon.host } });
  child.stdin.on('error', () => undefined).end(input);
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { stdout, stderr, code };
}

t.test('tsdctl', async (t) => {
  const daemon = await startDaemon(t);
  const ctl = (...args: string[]) => tsdctl(daemon, args);
  const host = ['--network', 'none'];

  t.test('version, load, images', async (t) => {
    t.match(await ctl('version'), {
      code: 0,
      stdout: /Client:[\s\S]*Server[\s\S]*API version: +1\.55 \(minimum version 1\.24\)/,
    });
    const archive = join(daemon.root, 'busybox.tar');
    writeFileSync(archive, makeDockerArchive(busyboxImage()));
    t.match(await ctl('load', '-i', archive), { code: 0, stdout: /Loaded image: busybox:latest/ });
    t.match(await ctl('images'), { code: 0, stdout: /^REPOSITORY[\s\S]*\nbusybox +latest +[0-9a-f]{12} / });
    t.match(await tsdctl(daemon, ['load'], 'no archive'), { code: 1, stderr: /\S/ });
  });

  t.test('run: output, exit codes, stdin', async (t) => {
    const script = 'echo out; echo err >&2; exit 7';
    t.strictSame(await ctl('run', '--rm', ...host, 'busybox', 'sh', '-c', script), {
      stdout: 'out\n',
      stderr: 'err\n',
      code: 7,
    });
    t.match(await ctl('run', '--rm', ...host, 'busybox', 'no-such-command'), { code: 127 });
    t.match(await ctl('run', '--rm', ...host, 'busybox', '/etc'), { code: 126 });
    const large = Buffer.alloc(2_000_000, 'x');
    const echoed = await tsdctl(daemon, ['run', '--rm', '-i', ...host, 'busybox', 'cat'], large);
    t.equal(echoed.stdout.length, large.length);
    t.equal(echoed.code, 0);
  });

  t.test('run -d, ps, logs, events, stop, rm', async (t) => {
    const started = await ctl(
      'run',
      '-d',
      '--name',
      'web',
      '-e',
      'A=b',
      '-l',
      'k=v',
      ...host,
      'busybox',
      'sh',
      '-c',
      'echo $A; sleep 1000',
    );
    t.match(started, { code: 0, stdout: /^[0-9a-f]{64}\n$/ });
    const id = started.stdout.trim();
    t.match(await ctl('ps'), {
      code: 0,
      stdout: new RegExp(`${id.slice(0, 12)} +busybox +"sh -c [\\s\\S]*Up [\\s\\S]*web`),
    });
    t.equal((await ctl('ps', '-q', '--no-trunc', '--filter', 'label=k=v')).stdout, `${id}\n`);
    t.match(await ctl('run', '--name', 'web', ...host, 'busybox'), {
      code: 125,
      stderr: /The container name "\/web" is already in use/,
    });
    const client = new Client({ host: daemon.host });
    const follow = await client.stream(routes.ContainerLogs, { params: { id }, query: { stdout: true, follow: true } });
    t.match(await ctl('stop', '-t', '0', 'web'), { code: 0, stdout: 'web\n' });
    t.ok(await text(follow.body), 'a followed log ends with its container');
    client.close();
    t.strictSame(await ctl('logs', 'web'), { stdout: 'b\n', stderr: '', code: 0 });
    t.match(await ctl('events', '--since', '1h', '--until', '0s', '--filter', 'container=web'), {
      code: 0,
      stdout: /container create [\s\S]*container start [\s\S]*container die [\s\S]*exitCode=137/,
    });
    t.match(await ctl('rm', 'web', 'nonesuch'), { code: 1, stdout: 'web\n', stderr: /No such container: nonesuch/ });
    t.equal((await ctl('ps', '-aq')).stdout, '');
  });

  t.test('a signal goes on to the container', async (t) => {
    const script = 'trap "echo got; exit 3" TERM; echo ready; while :; do sleep 0.1; done';
    const child = spawn(program, ['run', '--rm', ...host, 'busybox', 'sh', '-c', script], {
      env: { ...process.env, TSD_HOST: daemon.host },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let shown = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (shown === '') {
        child.kill('SIGTERM');
      }
      shown += chunk;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    t.equal(shown, 'ready\ngot\n');
    t.equal(code, 3);
  });

  t.test('a terminal session', async (t) => {
    const pty = new Pty([program, 'run', '-it', '--name', 'terminal', ...host, 'busybox', 'sh'], {
      rows: 33,
      columns: 101,
      env: { TSD_HOST: daemon.host },
    });
    await pty.expect('# ');
    pty.type('stty size; echo A$((1+1))\r');
    await pty.expect(/33 101\r+\nA2/);
    pty.resize(44, 55);
    pty.type('sleep 0.5; stty size; echo B$((1+1))\r');
    await pty.expect(/44 55\r+\nB2/);
    pty.type('\x10\x11');
    t.equal(await pty.exit, 0, 'detached');
    t.match(await ctl('ps'), { stdout: /Up [\s\S]*terminal/ });
    t.match(await ctl('rm', '-f', 'terminal'), { code: 0 });
  });

  t.test('the library alone: create, attach, wait', async (t) => {
    const client = new Client({ host: daemon.host });
    t.teardown(() => client.close());
    const { body } = await client.call(routes.ContainerCreate, {
      body: { Image: 'busybox', Cmd: ['cat'], OpenStdin: true, StdinOnce: true, HostConfig: { NetworkMode: 'none' } },
    });
    const params = { id: body.Id };
    const query = { stream: true, stdin: true, stdout: true, stderr: true };
    const { stream, multiplexed } = await client.hijack(routes.ContainerAttach, { params, query });
    t.equal(multiplexed, true);
    await client.call(routes.ContainerStart, { params });
    t.equal((await client.call(routes.ContainerStart, { params })).status, 304);
    const stdout = new PassThrough();
    stream.end('through and back\n');
    await demultiplex(stream, stdout, new PassThrough());
    t.equal(await text(stdout.end()), 'through and back\n');
    t.equal((await client.call(routes.ContainerWait, { params })).body.StatusCode, 0);
    const inspect = await client.call(routes.ContainerInspect, { params });
    const parsed = routes.ContainerInspect.responses[200].schema.safeParse(inspect.body);
    t.ok(parsed.success, parsed.error?.message ?? 'as the route table says');
    t.equal((await client.call(routes.ContainerDelete, { params })).status, 204);
  });
});
