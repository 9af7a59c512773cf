// Owns the upgrade seam: the only listener on `upgrade`, and the taking of connections from requests without one. Node does not parse
// the body of an upgrade request: it comes as `head` or as the next bytes of the socket, and is read here by its Content-Length.
// Must not know what is done with a connection (routes/ do).
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { parse as parseQuery } from 'node:querystring';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { RouteBody, RouteParams, RouteQuery, RouteSpec } from '../../api-spec/index.ts';
import { EngineError, invalidArgument, messageOf } from '../base/errors.ts';
import type { ClientConnection } from '../containers/types.ts';
import type { Descriptors } from './ports.ts';
import { answerPlainly, greeting, refuse } from './raw-answer.ts';
import { holdReading, isEncrypted, takeByPump, takeDescriptor } from './takeover.ts';
import { MAX_JSON_BODY, parseJsonBody, readBody, validate, validateBody } from './validation.ts';
import { requestVersion, splitVersion } from './version.ts';

export interface HijackContext<R extends RouteSpec> {
  readonly params: RouteParams<R>;
  readonly query: RouteQuery<R>;
  readonly body: RouteBody<R>;
  readonly version: string;
  /** Writes the head of the answer and takes the connection; to be called once. Whoever gets the descriptor closes it. */
  take(options: { readonly multiplexed: boolean }): ClientConnection;
}

/** Throws before `take` for an ordinary error answer; returns without `take` for an empty 200. */
export type HijackHandler<R extends RouteSpec> = (context: HijackContext<R>) => Promise<void>;

interface HijackLog {
  debug(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

interface Entry {
  readonly spec: RouteSpec;
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly handler: HijackHandler<RouteSpec>;
}

interface Match {
  readonly entry: Entry;
  readonly params: Readonly<Record<string, string>>;
}

const NOTHING = Buffer.alloc(0);

/** The routes that take connections. One for all servers of an application. */
export class Hijacks {
  readonly #entries: Entry[] = [];
  readonly #descriptors: Descriptors;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #log: HijackLog;
  readonly #websockets: EventEmitter;

  /** `websockets` gets the upgrades of WebSocket routes, as a server would emit them. */
  constructor(
    descriptors: Descriptors,
    headers: Readonly<Record<string, string>>,
    websockets: EventEmitter,
    log: HijackLog,
  ) {
    this.#descriptors = descriptors;
    this.#headers = headers;
    this.#websockets = websockets;
    this.#log = log;
  }

  /** Registers a route for both kinds of clients: with an `Upgrade` header and without. */
  register<R extends RouteSpec>(app: FastifyInstance, spec: R, handler: HijackHandler<R>): void {
    this.#entries.push(entryOf(spec, handler as unknown as HijackHandler<RouteSpec>));
    app.route({
      method: spec.method,
      url: spec.path,
      handler: async (request, reply) => {
        const socket = request.raw.socket;
        const body = spec.body === undefined ? NOTHING : await readBody(request.raw);
        // What the client sends from here on belongs to whoever takes the connection, not to the HTTP parser.
        const hold = holdReading(socket);
        let taken = false;
        try {
          const context = contextOf(spec, request.raw, request.params as Record<string, string>, body);
          await handler({
            ...context,
            take: ({ multiplexed }) => {
              if (isEncrypted(socket))
                throw invalidArgument(
                  'over TLS the request must ask for an upgrade: send the headers "Connection: Upgrade" and "Upgrade: tcp"',
                );
              reply.hijack();
              taken = true;
              return this.#take(socket, NOTHING, greeting({ upgrade: false, multiplexed, version: context.version }));
            },
          } as HijackContext<R>);
        } catch (error) {
          if (!taken) {
            hold.release();
            throw error;
          }
          this.#log.warn({ url: request.raw.url, err: error }, 'a taken connection failed');
        }
        if (taken) return reply;
        hold.release();
        return reply.code(200).send();
      },
    });
  }

  /** A WebSocket route: its upgrades go to the emitter of the WebSocket library. */
  registerWebSocket(spec: RouteSpec): void {
    this.#entries.push(entryOf(spec, async () => undefined));
  }

  /** For the server's shouldUpgradeCallback. */
  isUpgrade(request: IncomingMessage): boolean {
    return this.#match(request) !== undefined;
  }

  /** Makes this the listener on `upgrade` of a server. */
  listen(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // A client that goes away in the middle is normal life.
      socket.on('error', (error) => this.#log.debug({ url: request.url, reason: messageOf(error) }, 'client lost'));
      const match = this.#match(request);
      if (match === undefined) return void refuse(socket, invalidArgument('no such upgrade'), this.#headers);
      if (match.entry.spec.method === 'GET') return void this.#websockets.emit('upgrade', request, socket, head);
      return void this.#upgrade(match, request, socket, head);
    });
  }

  #match(request: IncomingMessage): Match | undefined {
    const { path } = splitVersion(request.url ?? '/');
    const pathname = path.split('?', 1)[0] ?? path;
    for (const entry of this.#entries) {
      const found = entry.spec.method === request.method ? entry.pattern.exec(pathname) : null;
      if (found === null) continue;
      return {
        entry,
        params: Object.fromEntries(entry.names.map((name, index) => [name, decode(found[index + 1] ?? '')])),
      };
    }
    return undefined;
  }

  async #upgrade({ entry, params }: Match, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    let taken = false;
    try {
      const { body, rest } = await readUpgradeBody(request, socket, head);
      const context = contextOf(entry.spec, request, params, body);
      await entry.handler({
        ...context,
        take: ({ multiplexed }) => {
          taken = true;
          return this.#take(socket, rest, greeting({ upgrade: true, multiplexed, version: context.version }));
        },
      });
      if (!taken) answerPlainly(socket, 200, '', this.#headers);
      this.#log.debug({ method: request.method, url: request.url, taken }, 'upgrade');
    } catch (error) {
      if (taken) {
        this.#log.warn({ url: request.url, err: error }, 'a taken connection failed');
        return;
      }
      const status = refuse(socket, error, this.#headers);
      this.#log.debug(
        { method: request.method, url: request.url, status, reason: messageOf(error) },
        'upgrade refused',
      );
    }
  }

  #take(socket: Duplex, head: Buffer, text: Buffer): ClientConnection {
    const take = isEncrypted(socket) ? takeByPump : takeDescriptor;
    const { descriptor, input } = take(socket, head, text, this.#descriptors);
    return { descriptor, input, greeting: NOTHING };
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function entryOf(spec: RouteSpec, handler: HijackHandler<RouteSpec>): Entry {
  const names = [...spec.path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? '');
  return { spec, handler, names, pattern: new RegExp(`^${spec.path.replace(/:\w+/g, '([^/]+)')}$`) };
}

function contextOf(spec: RouteSpec, request: IncomingMessage, params: Readonly<Record<string, string>>, bytes: Buffer) {
  const version = requestVersion(request);
  const query = parseQuery((request.url ?? '').split('?').slice(1).join('?'));
  return {
    version,
    params: validate(spec.params, params, 'path') as Record<never, never>,
    query: validate(spec.query, { ...query }, 'query') as Record<never, never>,
    body: (spec.body === undefined
      ? undefined
      : validateBody(spec.body, parseJsonBody(request.headers['content-type'], bytes))) as undefined,
  };
}

/** The Content-Length bytes of the body, and what came behind them: the first bytes of stdin. */
async function readUpgradeBody(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<{ readonly body: Buffer; readonly rest: Buffer }> {
  if (request.headers['transfer-encoding'] !== undefined) {
    throw invalidArgument('a request for an upgrade needs a body with a Content-Length, received a chunked one');
  }
  const length = Number(request.headers['content-length'] ?? 0);
  if (!Number.isSafeInteger(length) || length < 0) throw invalidArgument('Content-Length: expected a whole number');
  if (length > MAX_JSON_BODY)
    throw new EngineError('invalid-argument', `request body too large: expected at most ${MAX_JSON_BODY} bytes`);
  let bytes = head;
  while (bytes.length < length) {
    const part = await nextBytes(socket);
    if (part === undefined) throw invalidArgument('invalid JSON: unexpected EOF');
    bytes = Buffer.concat([bytes, part]);
  }
  return { body: bytes.subarray(0, length), rest: bytes.subarray(length) };
}

/** The next bytes of a paused socket; undefined at its end. */
async function nextBytes(socket: Duplex): Promise<Buffer | undefined> {
  const at = socket.read() as Buffer | null;
  if (at !== null) return at;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const more = () => resolve(true);
  const over = () => resolve(false);
  socket.once('readable', more).once('end', over).once('close', over);
  const open = await promise;
  socket.off('readable', more).off('end', over).off('close', over);
  const part = socket.read() as Buffer | null;
  return part ?? (open && !socket.readableEnded && !socket.destroyed ? nextBytes(socket) : undefined);
}
