// Owns the tie between an entry of the route table and the function that serves it. Knows no endpoint.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RouteAnswer, RouteBody, RouteParams, RouteQuery, RouteSpec } from '../../api-spec/index.ts';
import { messageOf } from '../base/errors.ts';
import { JsonLines } from './json-stream.ts';
import { parseJsonBody, readBody, validate, validateBody } from './validation.ts';
import { requestVersion } from './version.ts';

/** What a handler gets: everything checked, nothing of the framework. */
export interface Context<R extends RouteSpec> {
  readonly params: RouteParams<R>;
  readonly query: RouteQuery<R>;
  readonly body: RouteBody<R>;
  /** API version of the request, for presenters. */
  readonly version: string;
  readonly headers: IncomingHttpHeaders;
  /** The body as it comes, for routes with a stream body. */
  readonly content: Readable;
  /** Aborted when the client goes away before the answer ended. */
  readonly gone: AbortSignal;
  readonly log: { warn(fields: object, text: string): void };
}

type Statuses<R extends RouteSpec> = keyof R['responses'] & number;

/** An answer with one JSON value or none, of a status that the route table has. */
export type ValueAnswer<R extends RouteSpec> = {
  [S in Statuses<R>]: {
    readonly status: S;
    readonly body?: RouteAnswer<R, S>;
    readonly headers?: Readonly<Record<string, string>>;
  };
}[Statuses<R>];

export type Answer<R extends RouteSpec> =
  | ValueAnswer<R>
  | { readonly status: 200; readonly text: string; readonly headers?: Readonly<Record<string, string>> }
  /** Bytes as they come; a failure after the first one ends the connection. */
  | {
      readonly status: 200;
      readonly stream: Readable;
      readonly contentType: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** JSON values one a line. What throws before the first line is an ordinary error answer, later it is the last line. */
  | { readonly status: 200; readonly lines: (lines: JsonLines) => Promise<void>; readonly contentType?: string }
  /** The headers go out at once, the value when it is known. */
  | { readonly status: 200; readonly later: Promise<RouteAnswer<R, 200 & Statuses<R>>> };

export type Handler<R extends RouteSpec> = (context: Context<R>) => Answer<R> | Promise<Answer<R>>;

export interface BindOptions {
  /** Logs answers that differ from the route table. */
  readonly checkAnswers: boolean;
  /** Aborted when the daemon stops: streams and waits end, ordinary requests are finished. */
  readonly stopping: AbortSignal;
}

/** Registers the handler of one route. */
export function bind<R extends RouteSpec>(
  app: FastifyInstance,
  spec: R,
  handler: Handler<R>,
  options: BindOptions,
): void {
  app.route({
    method: spec.method,
    url: spec.path,
    exposeHeadRoute: false,
    handler: async (request, reply) => {
      const context = await contextOf(spec, request, reply, options.stopping);
      const answer = await handler(context);
      if (options.checkAnswers && 'body' in answer) compare(spec, answer.status, answer.body, request);
      return send(answer, reply, options.stopping);
    },
  });
}

async function contextOf<R extends RouteSpec>(
  spec: R,
  request: FastifyRequest,
  reply: FastifyReply,
  stopping: AbortSignal,
): Promise<Context<R>> {
  const version = requestVersion(request.raw);
  const params = validate(spec.params, request.params, 'path');
  const query = validate(spec.query, request.query, 'query');
  let body: unknown;
  if (spec.body !== undefined) {
    body = validateBody(spec.body, parseJsonBody(request.headers['content-type'], await readBody(request.raw)));
  }
  return {
    params: params as RouteParams<R>,
    query: query as RouteQuery<R>,
    body: body as RouteBody<R>,
    version,
    headers: request.headers,
    content: request.raw,
    get gone() {
      return AbortSignal.any([stopping, goneSignal(request.raw, reply.raw)]);
    },
    log: request.log,
  };
}

function goneSignal(request: IncomingMessage, response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(new Error(`client of ${request.url} has gone`));
  });
  return controller.signal;
}

function compare(spec: RouteSpec, status: number, body: unknown, request: FastifyRequest): void {
  const result = spec.responses[status]?.schema?.safeParse(body);
  if (result?.success === false) {
    request.log.warn(
      { issues: result.error.issues },
      `the answer of ${spec.method} ${spec.path} differs from the route table`,
    );
  }
}

async function send<R extends RouteSpec>(
  answer: Answer<R>,
  reply: FastifyReply,
  stopping: AbortSignal,
): Promise<FastifyReply> {
  reply.code(answer.status);
  if ('headers' in answer && answer.headers !== undefined) reply.headers(answer.headers);
  if ('text' in answer) return reply.type('text/plain; charset=utf-8').send(answer.text);
  if ('stream' in answer) return sendStream(answer.stream, answer.contentType, reply, stopping);
  if ('lines' in answer) {
    if (answer.contentType !== undefined) reply.type(answer.contentType);
    return sendLines(answer.lines, reply, stopping);
  }
  if ('later' in answer) {
    const { later } = answer;
    return sendLines(
      async (lines) => {
        // A rejection before the awaiting below must not count as unhandled.
        later.catch(() => undefined);
        lines.open();
        await lines.write(await later);
      },
      reply,
      stopping,
    );
  }
  const { body } = answer as ValueAnswer<R>;
  if (body === undefined) return reply.send();
  // As bytes: the framework would add a charset to a text, which dockerd does not send.
  return reply.type('application/json').send(Buffer.from(`${JSON.stringify(body)}\n`));
}

function copyHeaders(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value);
  }
}

/** The headers go out at once: `docker logs -f` waits for them, and a quiet container may not write for hours. */
async function sendStream(
  stream: Readable,
  contentType: string,
  reply: FastifyReply,
  stopping: AbortSignal,
): Promise<FastifyReply> {
  reply.hijack();
  copyHeaders(reply);
  reply.raw.setHeader('Content-Type', contentType);
  reply.raw.statusCode = 200;
  reply.raw.flushHeaders();
  try {
    await pipeline(stream, reply.raw, { signal: stopping });
  } catch (error) {
    reply.request.log.debug({ reason: messageOf(error) }, 'a stream ended early');
  }
  return reply;
}

async function sendLines(
  produce: (lines: JsonLines) => Promise<void>,
  reply: FastifyReply,
  stopping: AbortSignal,
): Promise<FastifyReply> {
  copyHeaders(reply);
  const lines = new JsonLines(reply.raw);
  try {
    await produce(lines);
  } catch (error) {
    if (!lines.opened) throw error;
    reply.hijack();
    // A client must not take the end of the daemon for an answer.
    if (stopping.aborted) reply.raw.destroy();
    else lines.fail(error);
    return reply;
  }
  reply.hijack();
  lines.open();
  lines.end();
  return reply;
}
