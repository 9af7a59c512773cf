// Tests of the client against a server of their own on a socket.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createRawServer, type Server as RawServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { ApiError, Client, ConnectionError, routes } from './index.ts';

type Test = { teardown(action: () => unknown): void };

async function listen(t: Test, server: Server | RawServer): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tsd-client-'));
  const path = join(directory, 'socket');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    server.close();
    if ('closeAllConnections' in server) {
      server.closeAllConnections();
    }
    rmSync(directory, { recursive: true });
  });
  return `unix://${path}`;
}

/** A client and the requests its server saw. */
async function pair(t: Test, answer: (request: IncomingMessage, body: string, response: ServerResponse) => void) {
  const seen: string[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    seen.push(`${request.method} ${request.url} ${request.headers['content-type'] ?? '-'} ${body}`);
    answer(request, body, response);
  });
  const client = new Client({ host: await listen(t, server), headers: { 'X-Test': '1' } });
  t.teardown(() => client.close());
  return { client, seen };
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

t.test('call', async (t) => {
  const { client, seen } = await pair(t, (request, _body, response) => {
    if (request.url?.includes('/create')) {
      json(response, 201, { Id: 'abc', Warnings: [] });
    } else if (request.url?.includes('/stop')) {
      response.writeHead(304).end();
    } else if (request.url?.includes('/_ping')) {
      response.writeHead(200, { 'Content-Type': 'text/plain' }).end('OK');
    } else if (request.url?.includes('/html')) {
      response.writeHead(502).end('<h1>no</h1>');
    } else {
      json(response, 404, { message: 'No such container: a/b' });
    }
  });
  const created = await client.call(routes.ContainerCreate, { query: { name: 'web' }, body: { Image: 'busybox' } });
  t.equal(created.status, 201);
  t.equal(created.body.Id, 'abc');
  t.equal((await client.call(routes.ContainerStop, { params: { id: 'x' }, query: { t: 3 } })).status, 304);
  t.equal((await client.call(routes.SystemPing)).body, 'OK');
  await t.rejects(client.call(routes.ContainerInspect, { params: { id: 'a/b' } }), {
    name: 'ApiError',
    status: 404,
    message: 'No such container: a/b',
  });
  await t.rejects(client.call(routes.ContainerInspect, { params: { id: 'html' } }), { message: '<h1>no</h1>' });
  await t.rejects(client.call(routes.ContainerInspect, { params: { id: '' } }), /id: expected a name or id/);
  await t.rejects(client.call(routes.ImageInspect, { params: { name: 'localhost:5000/a/b:c' } }), ApiError);
  await t.rejects(
    client.call(routes.ContainerList, { query: { all: true, size: false, filters: { status: ['running'] } } }),
  );
  await t.rejects(client.call(routes.ImageGetAll, { query: { names: ['a', 'b'] } }));
  t.strictSame(seen, [
    'POST /v1.55/containers/create?name=web application/json {"Image":"busybox"}',
    'POST /v1.55/containers/x/stop?t=3 - ',
    'GET /v1.55/_ping - ',
    'GET /v1.55/containers/a%2Fb/json - ',
    'GET /v1.55/containers/html/json - ',
    'GET /v1.55/images/localhost:5000/a/b:c/json - ',
    'GET /v1.55/containers/json?all=1&size=0&filters=%7B%22status%22%3A%5B%22running%22%5D%7D - ',
    'GET /v1.55/images/get?names=a&names=b - ',
  ]);
});

t.test('stream and upload', async (t) => {
  const { client, seen } = await pair(t, (_request, _body, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.write('{"status":"é one"}\r\n{"sta');
    response.end('tus":"two"}');
  });
  const reply = await client.stream(routes.ImageLoad, { query: { quiet: true }, upload: Readable.from(['a', 'b']) });
  const statuses: (string | undefined)[] = [];
  for await (const line of reply.lines()) {
    statuses.push(line.status);
  }
  t.strictSame(statuses, ['é one', 'two']);
  t.strictSame(seen, ['POST /v1.55/images/load?quiet=1 application/x-tar ab']);
});

t.test('an upload that breaks', async (t) => {
  const { client } = await pair(t, (_request, _body, response) => response.end());
  const broken = new Readable({
    read() {
      this.destroy(new Error('disk is gone'));
    },
  });
  await t.rejects(client.stream(routes.ImageLoad, { upload: broken }), { message: 'disk is gone' });
});

t.test('abort', async (t) => {
  const { client } = await pair(t, () => undefined);
  const controller = new AbortController();
  const call = client.call(routes.SystemInfo, { signal: controller.signal });
  setImmediate(() => controller.abort());
  await t.rejects(call, { name: 'AbortError' });
});

t.test('no daemon', async (t) => {
  const client = new Client({ host: 'unix:///nonexistent/socket' });
  await t.rejects(client.call(routes.SystemInfo), {
    name: 'ConnectionError',
    message: 'cannot connect to the daemon at unix:///nonexistent/socket: is the daemon running?',
  });
  await t.rejects(client.hijack(routes.ContainerAttach, { params: { id: 'x' } }), ConnectionError);
  t.throws(() => new Client({ host: 'ftp://x' }), /invalid host "ftp:\/\/x": expected unix:/);
});

/** A server that answers an upgrade by hand: `first` with the 101, then echoes in upper case, and ends when the client has ended. */
async function upgrader(t: Test, first: string) {
  const requests: string[] = [];
  const server = createRawServer({ allowHalfOpen: true }, (socket) => {
    let head = '';
    let body: string | undefined;
    socket.on('data', (chunk: Buffer) => {
      let data = chunk.toString();
      if (body === undefined) {
        head += data;
        const end = head.indexOf('\r\n\r\n');
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (end < 0 || head.length < end + 4 + length) {
          return;
        }
        body = head.slice(end + 4, end + 4 + length);
        data = head.slice(end + 4 + length);
        requests.push(`${head.slice(0, head.indexOf('\r\n'))} ${/upgrade: (.*)/i.exec(head)?.[1]} ${body}`);
        socket.write(
          `HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n${first}`,
        );
      }
      if (data !== '') {
        socket.write(data.toUpperCase());
      }
    });
    socket.on('end', () => socket.end('bye'));
    socket.on('error', () => undefined);
  });
  return { client: new Client({ host: await listen(t, server) }), requests };
}

t.test('hijack: body is sent, bytes behind the answer are kept, half-close leaves the output open', async (t) => {
  const { client, requests } = await upgrader(t, 'hello ');
  const reply = await client.hijack(routes.ExecStart, { params: { id: 'e' }, body: { Tty: true } });
  t.equal(reply.status, 101);
  t.equal(reply.multiplexed, false);
  reply.stream.end('input ');
  t.equal(await text(reply.stream), 'hello INPUT bye');
  t.strictSame(requests, ['POST /v1.55/exec/e/start HTTP/1.1 tcp {"Tty":true}']);
});

t.test('hijack: an error is an error', async (t) => {
  const { client } = await pair(t, (_request, _body, response) => json(response, 409, { message: 'is paused' }));
  await t.rejects(client.hijack(routes.ContainerAttach, { params: { id: 'x' } }), {
    status: 409,
    message: 'is paused',
  });
});

t.test('hijack: an answer without upgrade is an error', async (t) => {
  const { client } = await pair(t, (_request, _body, response) => json(response, 200, {}));
  await t.rejects(client.hijack(routes.ContainerAttach, { params: { id: 'x' } }), /without the upgrade/);
});
