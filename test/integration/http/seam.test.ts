// Checks the upgrade seam on real sockets: where a connection is cut out of HTTP, no byte is lost, doubled or taken for a request.
import { Socket } from 'node:net';
import t from 'tap';
import { close } from '../../../addon/index.ts';
import { conflict, notFound } from '../../../daemon/base/errors.ts';
import type { AttachOptions, ClientConnection } from '../../../daemon/containers/types.ts';
import { serve } from './fakes.ts';

interface Attached {
  readonly id: string;
  readonly options: AttachOptions;
  readonly connection: ClientConnection;
}

/** A service that hands each attached connection to the test. */
function attachable(tty = false) {
  const waiting: ((attached: Attached) => void)[] = [];
  const come: Attached[] = [];
  return {
    next: (): Promise<Attached> => {
      const one = come.shift();
      return one === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(one);
    },
    containers: {
      prepareAttach: (reference: string) => {
        if (reference === 'none') throw notFound('No such container: none');
        if (reference === 'paused') throw conflict('container paused is paused, unpause the container before attach');
        return { id: `id-of-${reference}`, tty };
      },
      attach: async (id: string, options: AttachOptions, connection: ClientConnection) => {
        const resolve = waiting.shift();
        if (resolve === undefined) come.push({ id, options, connection });
        else resolve({ id, options, connection });
      },
    },
  };
}

/** Everything that comes out of a socket until its end, and the parts as they come. */
function reader(socket: Socket) {
  let text = '';
  let wake = () => {};
  socket.on('data', (part) => {
    text += part.toString('latin1');
    wake();
  });
  let ended = false;
  socket.on('end', () => {
    ended = true;
    wake();
  });
  return {
    until: async (wanted: string) => {
      while (!text.includes(wanted)) {
        if (ended) throw new Error(`ended with ${JSON.stringify(text)}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return text;
    },
    end: async () => {
      while (!ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return text;
    },
  };
}

const own = (descriptor: number) => new Socket({ fd: descriptor, readable: true, writable: true, allowHalfOpen: true });
const upgrade = 'Connection: Upgrade\r\nUpgrade: tcp\r\n';

t.test('upgrade, both ways, half-closed both ways', async (t) => {
  const service = attachable();
  const api = await serve(t, service);
  const client = api.connect();
  const seen = reader(client);
  client.write(`POST /v1.50/containers/a/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
  const { id, options, connection } = await service.next();
  t.equal(id, 'id-of-a');
  t.match(options, { stream: true, stdin: true, stdout: true, stderr: false, logs: false });
  t.equal(
    await seen.until('\r\n\r\n'),
    'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
  );
  t.equal(connection.input.length, 0);
  t.equal(connection.greeting.length, 0, 'the answer is written already');
  const container = own(connection.descriptor);
  const stdin = reader(container);
  client.write('GET /info HTTP/1.1\r\n\r\n');
  t.equal(await stdin.until('\r\n\r\n'), 'GET /info HTTP/1.1\r\n\r\n', 'stdin that looks like a request is stdin');
  client.end();
  await stdin.end();
  container.write('output after the end of stdin');
  await seen.until('output after the end of stdin');
  container.end();
  t.match(await seen.end(), /stdin$/);
});

t.test('stdin that came with the request, and before the answer', async (t) => {
  const service = attachable(true);
  const api = await serve(t, service);
  const client = api.connect();
  client.end(`POST /containers/a/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: x\r\n${upgrade}\r\nfirst words`);
  const { connection } = await service.next();
  const container = own(connection.descriptor);
  const rest = reader(container);
  const all = Buffer.from(connection.input).toString() + (await rest.end());
  t.equal(all, 'first words');
  container.destroy();
});

t.test('content types by version and terminal', async (t) => {
  for (const [tty, version, type] of [
    [false, 'v1.42', 'multiplexed'],
    [false, 'v1.41', 'raw'],
    [true, 'v1.50', 'raw'],
  ] as const) {
    const service = attachable(tty);
    const api = await serve(t, service);
    const client = api.connect();
    const seen = reader(client);
    client.write(`POST /${version}/containers/a/attach?stdout=1 HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
    close((await service.next()).connection.descriptor);
    t.match(await seen.end(), new RegExp(`application/vnd.docker.${type}-stream`), `${version} ${tty}`);
  }
});

t.test('without an upgrade, as old clients do', async (t) => {
  const service = attachable();
  const api = await serve(t, service);
  const client = api.connect();
  const seen = reader(client);
  client.write(
    'POST /v1.24/containers/a/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n',
  );
  const { connection } = await service.next();
  t.equal(await seen.until('\r\n\r\n'), 'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n');
  const container = own(connection.descriptor);
  const stdin = reader(container);
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await stdin.until('\r\n\r\n');
  container.end('done');
  await seen.until('done');
  client.end();
  await stdin.end();
});

t.test('refusals are ordinary answers', async (t) => {
  const service = attachable();
  const api = await serve(t, service);
  const refused = async (reference: string, headers: string) =>
    await api.exchange(`POST /containers/${reference}/attach?stdout=1 HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
  t.match(
    await refused('none', upgrade),
    /^HTTP\/1.1 404 Not Found\r\n[\s\S]*Api-Version: 1.55\r\n[\s\S]*\{"message":"No such container: none"\}\n$/,
  );
  t.match(await refused('paused', upgrade), /^HTTP\/1.1 409 Conflict\r\n/);
  t.match(await refused('none', 'Connection: close\r\n'), /^HTTP\/1.1 404 Not Found\r\n[\s\S]*No such container/);
  t.match(
    await api.exchange(`POST /v1.99/containers/a/attach HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`),
    /^HTTP\/1.1 400 Bad Request\r\n[\s\S]*client version 1.99 is too new/,
  );
  const other = await api.exchange(
    'GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n',
  );
  t.match(other, /^HTTP\/1.1 404 Not Found\r\n[\s\S]*page not found/, 'an upgrade elsewhere is an ordinary request');
});

t.test('the body of exec start in any number of packets', async (t) => {
  const api = await serve(t, {});
  const body = '{"Detach":false,"Tty":tru}';
  for (const cut of [0, 1, 10, body.length]) {
    const client = api.connect();
    const seen = reader(client);
    client.setNoDelay(true);
    client.write(
      `POST /exec/x/start HTTP/1.1\r\nHost: x\r\n${upgrade}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, cut)}`,
    );
    if (cut < body.length) {
      await new Promise((resolve) => setImmediate(resolve));
      client.write(body.slice(cut));
    }
    t.match(await seen.end(), /^HTTP\/1.1 400 Bad Request\r\n[\s\S]*invalid JSON/, `cut at ${cut}`);
    client.destroy();
  }
  const client = api.connect();
  client.end(
    `POST /exec/x/start HTTP/1.1\r\nHost: x\r\n${upgrade}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
  );
  t.match(await reader(client).end(), /unexpected EOF/, 'a body that ends too early');
});

t.test('a WebSocket', async (t) => {
  const service = attachable();
  const api = await serve(t, service);
  const head = (reference: string) =>
    `GET /v1.50/containers/${reference}/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y29udHJhY3QtcHJveHkhIQ==\r\n\r\n';
  t.match(await api.exchange(head('none')), /^HTTP\/1.1 404 Not Found\r\n[\s\S]*No such container: none/);
  const client = api.connect();
  const seen = reader(client);
  client.write(head('a'));
  const { options, connection } = await service.next();
  t.match(options, { raw: true, stdin: true });
  t.match(await seen.until('\r\n\r\n'), /^HTTP\/1.1 101 Switching Protocols/);
  const container = own(connection.descriptor);
  const stdin = reader(container);
  // A masked binary frame of a client: "hi" with the mask 0.
  client.write(Buffer.from([0x82, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  t.equal(await stdin.until('hi'), 'hi');
  container.write('output');
  t.match(await seen.until('output'), /\x82\x06output$/, 'a binary frame');
  container.end();
  await seen.until('\x88\x02\x03\xe8');
  client.destroy();
  await stdin.end().catch(() => undefined);
  container.destroy();
});
