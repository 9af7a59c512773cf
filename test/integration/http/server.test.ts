// Checks the HTTP application over made-up services: versions, headers, bodies, errors, streams. No engine behind it.
import { request } from 'node:http';
import { Readable } from 'node:stream';
import t from 'tap';
import { EngineError, type ErrorKind, notFound } from '../../../daemon/base/errors.ts';
import type { CreateRequest } from '../../../daemon/containers/types.ts';
import type { EngineEvent, EventQuery } from '../../../daemon/http/ports.ts';
import type { Image, ImportRequest } from '../../../daemon/images/types.ts';
import { serve } from './fakes.ts';

interface Reply {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

const send = (
  socketPath: string,
  method: string,
  path: string,
  options: { headers?: Record<string, string>; body?: string | Readable } = {},
): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, headers: options.headers ?? {}, agent: false }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(parts).toString() }),
      );
      answer.on('error', reject);
    });
    call.on('error', reject);
    if (options.body instanceof Readable) options.body.pipe(call);
    else call.end(options.body);
  });

const json = (body: string) => ({
  headers: { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) },
  body,
});
const message = (reply: Reply): string => (JSON.parse(reply.text) as { message: string }).message;

t.test('versions and headers', async (t) => {
  const { socket } = await serve(t, {});
  const ping = await send(socket, 'GET', '/_ping');
  t.match(ping, { status: 200, text: 'OK' });
  t.match(ping.headers, {
    'api-version': '1.55',
    'docker-experimental': 'false',
    ostype: 'linux',
    server: 'Docker/0.0.0-test (linux)',
    'builder-version': '1',
    swarm: 'inactive',
    'content-type': /^text\/plain/,
  });
  t.match(await send(socket, 'HEAD', '/v1.24/_ping'), { status: 200, text: '' });
  const old = await send(socket, 'GET', '/v1.23/_ping');
  t.equal(old.status, 400);
  t.match(message(old), /client version 1.23 is too old. Minimum supported API version is 1.24/);
  t.match(
    message(await send(socket, 'GET', '/v1.56/_ping')),
    /client version 1.56 is too new. Maximum supported API version is 1.55/,
  );
  for (const [method, path] of [
    ['GET', '/nothing'],
    ['GET', '/v1.40/nothing'],
    ['DELETE', '/_ping'],
    ['GET', '/'],
    ['GET', '/_ping/'],
  ] as const) {
    const reply = await send(socket, method, path);
    t.equal(reply.status, 404);
    t.equal(reply.text, '{"message":"page not found"}\n', `${method} ${path}`);
  }
});

t.test('bodies', async (t) => {
  const created: CreateRequest[] = [];
  const { socket } = await serve(t, {
    containers: {
      create: async (wanted: CreateRequest) => {
        created.push(wanted);
        return { id: 'a'.repeat(64), warnings: [] };
      },
      start: async () => 'already-running',
    },
  });
  const path = '/containers/create?name=web';
  const good = await send(
    socket,
    'POST',
    path,
    json('{"Image":"busybox","Cmd":"sh","HostConfig":{"Binds":null,"Memory":5}}'),
  );
  t.match(good, { status: 201, text: `{"Id":"${'a'.repeat(64)}","Warnings":[]}\n` });
  t.match(created[0], { name: 'web', config: { Image: 'busybox', Cmd: ['sh'] }, hostConfig: { Memory: 5 } });
  const refused = async (body: string, wanted: RegExp, headers?: Record<string, string>) => {
    const reply = await send(socket, 'POST', path, headers === undefined ? json(body) : { headers, body });
    t.equal(reply.status, 400, body);
    t.match(message(reply), wanted);
  };
  await refused('{"Image":', /^invalid JSON: unexpected EOF/);
  await refused('{x}', /^invalid JSON/);
  await refused('', /got EOF while reading request body/);
  await refused('{"HostConfig":{"Memory":"much"}}', /HostConfig\.Memory: expected integer, received string/);
  await refused('{}', /unsupported Content-Type header \(text\/plain\): must be 'application\/json'/, {
    'Content-Type': 'text/plain',
    'Content-Length': '2',
  });
  await refused('{}', /malformed Content-Type header/, { 'Content-Length': '2' });
  t.equal((await send(socket, 'POST', '/containers/x/start', json('{}'))).status, 304, 'a body that nobody needs');
  t.equal((await send(socket, 'POST', '/containers/x/start')).status, 304);
});

t.test('every kind of error', async (t) => {
  let kind: ErrorKind = 'internal';
  const { socket } = await serve(t, {
    containers: {
      start: async () => {
        throw new EngineError(kind, `it was ${kind}`);
      },
    },
  });
  const table: [ErrorKind, number][] = [
    ['invalid-argument', 400],
    ['unauthorized', 401],
    ['forbidden', 403],
    ['not-found', 404],
    ['conflict', 409],
    ['unavailable', 503],
    ['not-implemented', 501],
    ['internal', 500],
  ];
  for (const [one, status] of table) {
    kind = one;
    const reply = await send(socket, 'POST', '/containers/x/start');
    t.match(reply, { status, text: `{"message":"it was ${one}"}\n` });
    t.equal(reply.headers['content-type'], 'application/json');
  }
  t.equal((await send(socket, 'GET', '/containers/json?filters=nonsense')).status, 400);
  t.match(message(await send(socket, 'GET', '/containers/json?filters={%22x%22:[%22y%22]}')), /^invalid filter 'x'$/);
  t.match(message(await send(socket, 'POST', '/containers/x/resize?h=a&w=1')), /h: expected an integer/);
});

t.test('image names with slashes and ports', async (t) => {
  const asked: string[] = [];
  const { socket } = await serve(t, {
    images: {
      get: (reference: string): Image => {
        asked.push(reference);
        throw notFound(`No such image: ${reference}`);
      },
      remove: async (reference: string) => {
        asked.push(reference);
        return [{ Untagged: reference }];
      },
    },
  });
  for (const name of ['busybox', 'localhost:5000/a/b/c:tag', 'a/json', 'x/get', `a/b@sha256:${'0'.repeat(64)}`]) {
    asked.length = 0;
    t.equal((await send(socket, 'GET', `/v1.41/images/${name}/json`)).status, 404);
    t.equal((await send(socket, 'GET', `/images/${name}/history?x=/y/json`)).status, 404);
    t.equal((await send(socket, 'DELETE', `/images/${name}`)).status, 200);
    t.equal((await send(socket, 'GET', `/images/${encodeURIComponent(name)}/json`)).status, 404);
    t.same(asked, [name, name, name, name]);
  }
});

t.test('a progress stream', async (t) => {
  const bodies: string[] = [];
  const { socket } = await serve(t, {
    images: {
      import: async (wanted: ImportRequest, progress: (line: { status: string }) => void) => {
        let text = '';
        for await (const part of wanted.body) text += String(part);
        bodies.push(text);
        if (text === 'early') throw new EngineError('invalid-argument', 'broken at once');
        progress({ status: 'one' });
        if (text === 'late') throw new EngineError('invalid-argument', 'broken later');
        return 'sha256:0';
      },
    },
  });
  const run = (body: string) => send(socket, 'POST', '/images/create?fromSrc=-', { body: Readable.from([body]) });
  t.match(await run('fine'), { status: 200, text: '{"status":"one"}\n' });
  t.match(await run('early'), { status: 400, text: '{"message":"broken at once"}\n' });
  t.match(await run('late'), {
    status: 200,
    text: '{"status":"one"}\n{"errorDetail":{"message":"broken later"},"error":"broken later"}\n',
  });
  t.same(bodies, ['fine', 'early', 'late']);
});

t.test('events and waits send their headers at once, and end with the client', async (t) => {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>();
  const { socket } = await serve(t, {
    events: {
      stream: (query: EventQuery) => ({
        async *[Symbol.asyncIterator](): AsyncGenerator<EngineEvent> {
          yield {
            timeNs: 1_700_000_000_000_000_001n,
            type: 'container',
            action: 'start',
            actorId: 'x',
            attributes: { image: 'busybox' },
          };
          await new Promise<void>((resolve) => query.signal.addEventListener('abort', () => resolve()));
          end();
        },
      }),
    },
    containers: {
      get: async (reference: string) => {
        if (reference === 'none') throw notFound('No such container: none');
        return {} as never;
      },
      wait: (_reference: string, condition: string, signal: AbortSignal) =>
        condition === 'removed'
          ? Promise.resolve({ statusCode: 3 })
          : new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => {
                cancel();
                reject(new Error('cancelled'));
              });
            }),
    },
  });
  const open = (method: string, path: string) =>
    new Promise<{ first: Promise<string>; status: number; close(): void }>((resolve) => {
      const call = request({ socketPath: socket, method, path, agent: false }, (answer) => {
        const first = new Promise<string>((done) => answer.once('data', (part: Buffer) => done(part.toString())));
        answer.on('error', () => undefined);
        resolve({ first, status: answer.statusCode ?? 0, close: () => call.destroy() });
      });
      call.on('error', () => undefined);
      call.end();
    });
  const events = await open('GET', '/v1.50/events');
  t.equal(
    await events.first,
    '{"status":"start","id":"x","from":"busybox","Type":"container","Action":"start","Actor":{"ID":"x","Attributes":{"image":"busybox"}},"scope":"local","time":1700000000,"timeNano":1700000000000000001}\n',
  );
  events.close();
  await ended;
  const wait = await open('POST', '/containers/x/wait?condition=next-exit');
  t.equal(wait.status, 200, 'before the end');
  wait.close();
  await cancelled;
  t.match(await send(socket, 'POST', '/containers/x/wait?condition=removed'), {
    status: 200,
    text: '{"StatusCode":3}\n',
  });
  t.equal((await send(socket, 'POST', '/containers/none/wait')).status, 404);
  t.equal(message(await send(socket, 'POST', '/containers/x/wait?condition=later')), 'invalid condition: "later"');
});
