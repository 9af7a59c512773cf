// Owns requests to a daemon: one generic call typed by the route table. Must not print, read the environment or know any single endpoint.
import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import {
  MAX_API,
  type RouteAnswer,
  type RouteBody,
  type RouteParams,
  type RouteQuery,
  type RouteSpec,
} from '../api-spec/index.ts';
import { type Address, DEFAULT_HOST, parseAddress } from './address.ts';
import { ApiError, ConnectionError } from './errors.ts';
import { jsonLines } from './json-lines.ts';
import { fillPath, writeQuery } from './url.ts';

export interface ClientOptions {
  /** `unix:///path` or `tcp://host:port`; the daemon's default socket when not given. */
  readonly host?: string;
  /** API version of every request; empty: no prefix, the daemon's own. The newest when not given. */
  readonly version?: string;
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

type ParamsPart<R extends RouteSpec> = R extends { readonly params: unknown }
  ? { readonly params: RouteParams<R> }
  : { readonly params?: undefined };
type BodyPart<R extends RouteSpec> =
  undefined extends RouteBody<R> ? { readonly body?: RouteBody<R> } : { readonly body: RouteBody<R> };

export type CallOptions<R extends RouteSpec> = ParamsPart<R> &
  BodyPart<R> & {
    readonly query?: Partial<RouteQuery<R>>;
    /** Body of a route that takes a stream. */
    readonly upload?: Readable | Uint8Array;
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
  };

/** Options may be left out when none is needed. */
type OptionsOf<R extends RouteSpec> =
  Record<never, never> extends CallOptions<R> ? [options?: CallOptions<R>] : [options: CallOptions<R>];

type GoodStatus<R extends RouteSpec> = keyof R['responses'] & (200 | 201 | 202 | 204 | 304);

/** The answer of a call: what the status says is in `body`. */
export type Reply<R extends RouteSpec> = {
  [S in GoodStatus<R>]: {
    readonly status: S;
    readonly headers: IncomingMessage['headers'];
    readonly body: RouteAnswer<R, S>;
  };
}[GoodStatus<R>];

/** An answer that is read as it comes. `lines` and `body` are two ways to read the same bytes: use one. */
export interface StreamReply<Line> {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readable;
  lines(): AsyncGenerator<Line, void, undefined>;
}

/** A connection taken over by the streams of a container. Ending the write side leaves the read side open. */
export interface HijackReply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly stream: Duplex;
  /** By the answer's content type; undefined when the daemon does not say. */
  readonly multiplexed: boolean | undefined;
}

interface AnyOptions {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
  readonly upload?: Readable | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A daemon. Connections are kept and reused; `close` ends the idle ones. */
export class Client {
  readonly host: string;
  readonly #address: Address;
  readonly #prefix: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent = new Agent({ keepAlive: true, scheduling: 'lifo' });

  /** Throws when `host` has no form that is known. */
  constructor(options: ClientOptions = {}) {
    this.host = options.host ?? DEFAULT_HOST;
    this.#address = parseAddress(this.host);
    const version = options.version ?? MAX_API;
    const base = this.#address.kind === 'tcp' ? this.#address.base : '';
    this.#prefix = version === '' ? base : `${base}/v${version}`;
    this.#headers = options.headers ?? {};
  }

  /** Asks and reads the whole answer. Rejects with ApiError for 400 and above, ConnectionError when there is no answer. */
  async call<R extends RouteSpec>(route: R, ...[options]: OptionsOf<R>): Promise<Reply<R>> {
    const response = await this.#respond(route, options ?? {});
    const text = await readText(response);
    const type = response.headers['content-type'] ?? '';
    const body: unknown = text === '' ? undefined : type.includes('json') ? JSON.parse(text) : text;
    return { status: response.statusCode ?? 0, headers: response.headers, body } as Reply<R>;
  }

  /** Asks and hands over the answer as it comes. Errors before its first byte are as with `call`. */
  async stream<R extends RouteSpec>(route: R, ...[options]: OptionsOf<R>): Promise<StreamReply<RouteAnswer<R, 200>>> {
    const response = await this.#respond(route, options ?? {});
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: response,
      lines: () => jsonLines<RouteAnswer<R, 200>>(response),
    };
  }

  /** Asks for an upgrade and hands over the connection. Errors before it are as with `call`. */
  hijack<R extends RouteSpec>(route: R, ...[options]: OptionsOf<R>): Promise<HijackReply> {
    return new Promise((resolve, reject) => {
      const request = this.#request(route, options ?? {}, { Connection: 'Upgrade', Upgrade: 'tcp' }, reject);
      request.once('upgrade', (response, stream, head) => {
        if (head.length > 0) {
          stream.unshift(head);
        }
        const type = response.headers['content-type'];
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          stream,
          multiplexed: type?.startsWith('application/vnd.docker.') ? type.includes('multiplexed') : undefined,
        });
      });
      request.once('response', (response) => {
        this.#fail(response).then(
          () => {
            response.destroy();
            reject(
              new ConnectionError(
                `${this.host} answered ${response.statusCode} without the upgrade that was asked for`,
              ),
            );
          },
          (error: unknown) => reject(error),
        );
      });
    });
  }

  /** Ends the connections that are idle. */
  close(): void {
    this.#agent.destroy();
  }

  #respond(route: RouteSpec, options: AnyOptions): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = this.#request(route, options, undefined, reject);
      request.once('response', (response) => {
        this.#fail(response).then(() => resolve(response), reject);
      });
    });
  }

  /** Rejects when the answer is an error, with its message. */
  async #fail(response: IncomingMessage): Promise<void> {
    const status = response.statusCode ?? 0;
    if (status < 400) {
      return;
    }
    throw new ApiError(status, errorMessage(await readText(response), response.statusMessage ?? ''));
  }

  #request(
    route: RouteSpec,
    options: AnyOptions,
    upgrade: Readonly<Record<string, string>> | undefined,
    reject: (error: Error) => void,
  ): ClientRequest {
    const path = fillPath(route, (options.params ?? {}) as Record<string, unknown>);
    const query = writeQuery((options.query ?? {}) as Record<string, unknown>);
    const json = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
    const address = this.#address;
    const target: RequestOptions =
      address.kind === 'unix' ? { socketPath: address.socketPath } : { host: address.host, port: address.port };
    const request = httpRequest({
      ...target,
      method: route.method,
      path: `${this.#prefix}${path}${query}`,
      // A connection that is taken over cannot go back to the agent.
      agent: upgrade ? false : this.#agent,
      signal: options.signal,
      headers: {
        Host: address.kind === 'unix' ? 'localhost' : `${address.host}:${address.port}`,
        ...this.#headers,
        ...(json && { 'Content-Type': 'application/json', 'Content-Length': json.length }),
        ...(options.upload && { 'Content-Type': route.requestContentType ?? 'application/octet-stream' }),
        ...upgrade,
        ...options.headers,
      },
    });
    request.once('error', (error) => reject(options.signal?.aborted ? error : explain(error, this.host)));
    send(request, json ?? options.upload, reject);
    return request;
  }
}

/** Sends the body. An upload that breaks breaks the request, and its error is what the caller sees. */
function send(request: ClientRequest, body: Readable | Uint8Array | undefined, reject: (error: Error) => void): void {
  if (body === undefined || body instanceof Uint8Array) {
    request.end(body);
    return;
  }
  body.once('error', (error) => {
    reject(error);
    request.destroy();
  });
  request.once('close', () => body.destroy());
  body.pipe(request);
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}

function errorMessage(text: string, fallback: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string') {
      return value.message;
    }
  } catch {
    // Not JSON: the text itself is the best there is.
  }
  return text.trim() || fallback;
}

function explain(error: NodeJS.ErrnoException, host: string): ConnectionError {
  const reason =
    error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
      ? 'is the daemon running?'
      : error.code === 'EACCES'
        ? 'permission denied: run as root or as a member of the group of the socket'
        : error.message;
  return new ConnectionError(`cannot connect to the daemon at ${host}: ${reason}`, { cause: error });
}
