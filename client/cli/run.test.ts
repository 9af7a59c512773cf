// Tests of what `tsdctl` asks a daemon for and in which order, against a server that plays one container.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';

interface Fake {
  readonly host: string;
  readonly seen: string[];
}

interface Behaviour {
  readonly exitCode?: number;
  readonly startError?: { readonly status: number; readonly message: string };
  /** The image is missing until it was pulled. */
  readonly pull?: readonly object[];
}

function frame(stream: number, payload: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(payload), 4);
  return Buffer.concat([header, Buffer.from(payload)]);
}

async function fakeDaemon(t: { teardown(action: () => void): void }, behaviour: Behaviour): Promise<Fake> {
  const directory = mkdtempSync(join(tmpdir(), 'tsdctl-'));
  const socketPath = join(directory, 'socket');
  const seen: string[] = [];
  const started = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  let pulled = behaviour.pull === undefined;
  const json = (response: ServerResponse, status: number, value: unknown) => {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
  };
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const target = `${request.method} ${request.url}`;
    seen.push(target);
    if (target.startsWith('POST /containers/create')) {
      const image: unknown = JSON.parse(body).Image;
      json(
        response,
        pulled ? 201 : 404,
        pulled ? { Id: 'c1', Warnings: ['careful'] } : { message: `No such image: ${image}` },
      );
    } else if (target.startsWith('POST /images/create')) {
      pulled = true;
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end((behaviour.pull ?? []).map((line) => `${JSON.stringify(line)}\r\n`).join(''));
    } else if (target.startsWith('POST /containers/c1/wait')) {
      response.writeHead(200, { 'Content-Type': 'application/json' }).flushHeaders();
      await ended.promise;
      response.end(JSON.stringify({ StatusCode: behaviour.exitCode ?? 0 }));
    } else if (target === 'POST /containers/c1/start') {
      if (behaviour.startError) {
        json(response, behaviour.startError.status, { message: behaviour.startError.message });
      } else {
        response.writeHead(204).end();
        started.resolve();
      }
    } else {
      json(response, 404, { message: `page not found: ${target}` });
    }
  });
  server.on('upgrade', async (request, socket) => {
    seen.push(`${request.method} ${request.url}`);
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    const input = request.url?.includes('stdin=1') ? text(socket) : Promise.resolve('');
    socket.on('error', () => undefined);
    await started.promise;
    socket.write(frame(1, `out ${await input}\n`));
    socket.end(frame(2, 'err\n'));
    ended.resolve();
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true });
  });
  return { host: `unix://${socketPath}`, seen };
}

async function tsdctl(host: string, args: readonly string[], input = '') {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../tsdctl.ts'), ...args], {
    env: { ...process.env, TSD_HOST: host, DOCKER_API_VERSION: '' },
  });
  child.stdin.end(input);
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { stdout, stderr, code };
}

t.test('run: attached and waiting before the start', async (t) => {
  const { host, seen } = await fakeDaemon(t, { exitCode: 7 });
  const result = await tsdctl(host, ['run', '--name', 'web', 'busybox', 'true']);
  t.strictSame(result, { stdout: 'out \n', stderr: 'WARNING: careful\nerr\n', code: 7 });
  t.strictSame(seen, [
    'POST /containers/create?name=web',
    'POST /containers/c1/attach?stream=1&stdin=0&stdout=1&stderr=1&detachKeys=',
    'POST /containers/c1/wait?condition=next-exit',
    'POST /containers/c1/start',
  ]);
});

t.test('run -i --rm: stdin to its end, waits for the removal', async (t) => {
  const { host, seen } = await fakeDaemon(t, {});
  const result = await tsdctl(host, ['run', '-i', '--rm', 'busybox', 'cat'], 'hello');
  t.match(result, { stdout: 'out hello\n', code: 0 });
  t.ok(seen.includes('POST /containers/c1/wait?condition=removed'));
});

t.test('run -d prints the id', async (t) => {
  const { host, seen } = await fakeDaemon(t, {});
  t.match(await tsdctl(host, ['run', '-d', 'busybox']), { stdout: 'c1\n', code: 0 });
  t.strictSame(seen, ['POST /containers/create', 'POST /containers/c1/start']);
});

t.test('run: a failed start', async (t) => {
  for (const [message, code] of [
    ['exec: "x": executable file not found in $PATH', 127],
    ['exec: "/tmp": permission denied', 126],
    ['no space left on device', 125],
  ] as const) {
    const { host } = await fakeDaemon(t, { startError: { status: 400, message } });
    const result = await tsdctl(host, ['run', 'busybox', 'x']);
    t.equal(result.code, code, message);
    t.match(result.stderr, `tsdctl: Error response from daemon: ${message}`);
  }
});

t.test('run: a missing image is pulled', async (t) => {
  const { host, seen } = await fakeDaemon(t, { pull: [{ id: 'latest', status: 'Pulling' }, { status: 'Done' }] });
  const result = await tsdctl(host, ['run', 'r.io:5/busybox', 'x']);
  t.equal(result.code, 0);
  t.match(result.stderr, "Unable to find image 'r.io:5/busybox:latest' locally\nlatest: Pulling\nDone\n");
  t.equal(seen[1], 'POST /images/create?fromImage=r.io%3A5%2Fbusybox&tag=latest');
  const refused = await fakeDaemon(t, {
    pull: [{ error: 'no such registry', errorDetail: { message: 'no such registry' } }],
  });
  const failed = await tsdctl(refused.host, ['run', 'busybox']);
  t.match(failed, { code: 125, stderr: /no such registry/ });
  const never = await fakeDaemon(t, { pull: [] });
  t.match(await tsdctl(never.host, ['run', '--pull', 'never', 'busybox']), {
    code: 125,
    stderr: /No such image: busybox/,
  });
});

t.test('wrong use', async (t) => {
  t.match(await tsdctl('unix:///nonexistent', ['run', '--bogus', 'x']), {
    code: 125,
    stderr: /Unknown option '--bogus'/,
  });
  t.match(await tsdctl('unix:///nonexistent', ['run', '-it', 'x']), { code: 1, stderr: /not a TTY/ });
  t.match(await tsdctl('unix:///nonexistent', ['run', 'x']), { code: 125, stderr: /is the daemon running\?/ });
  t.match(await tsdctl('unix:///nonexistent', ['ps']), { code: 1, stderr: /is the daemon running\?/ });
  t.match(await tsdctl('ftp://x', ['ps']), { code: 1, stderr: /invalid host/ });
  t.match(await tsdctl('', ['nonsense']), { code: 1, stderr: /"nonsense" is not a command/ });
  t.match(await tsdctl('', ['stop', '--help']), { code: 0, stdout: /^Usage: {2}tsdctl stop/ });
  t.match(await tsdctl('', ['--version']), { code: 0, stdout: /^tsdctl \d/ });
  t.match(await tsdctl('', []), { code: 1, stderr: /^Usage/ });
});
