// Owns the HTTP application: versions, headers, unknown routes, errors, and the servers that share it. Knows no endpoint by name.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import { MAX_API } from '../../api-spec/index.ts';
import { describeError, errorBody } from './error-handler.ts';
import { clientUrl, routerUrl } from './version.ts';

export interface ApplicationOptions {
  /** tsd's version, for the Server header. */
  readonly version: string;
  readonly experimental: boolean;
  readonly log: FastifyBaseLogger;
}

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

/** The application, and the function that serves one request with it. */
export interface Application {
  readonly app: FastifyInstance;
  readonly serve: RequestListener;
  /** The headers of every answer. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Makes the application. Routes are bound to `app` before `ready()`; servers are made for `serve`. */
export function createApplication(options: ApplicationOptions): Application {
  const headers = {
    'Api-Version': MAX_API,
    'Docker-Experimental': String(options.experimental),
    Ostype: 'linux',
    Server: `Docker/${options.version} (linux)`,
  };
  let serve: RequestListener | undefined;
  let count = 0;
  const app = fastify({
    // The framework's own server never listens: several sockets are served by servers of our own, see listeners.ts.
    serverFactory: (handler) => {
      serve = handler;
      return createServer();
    },
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    genReqId: () => (++count).toString(36),
    rewriteUrl: (request) => routerUrl(request.method ?? 'GET', request.url ?? '/'),
    routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: false },
    forceCloseConnections: false,
    return503OnClosing: false,
  });
  // Bodies are read by bind.ts or by the handler itself: tar archives pass through without being gathered.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(headers);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    request.log.debug(
      { method: request.method, url: clientUrl(request.raw), status: reply.statusCode, ms: reply.elapsedTime },
      'request',
    );
    done();
  });
  app.setNotFoundHandler((_request, reply) =>
    reply
      .code(404)
      .type('application/json')
      .send(Buffer.from(errorBody('page not found'))),
  );
  app.setErrorHandler((error, request, reply) => {
    const { status, message } = describeError(error);
    const fields = { method: request.method, url: clientUrl(request.raw), status, err: error };
    if (status === 500) request.log.error(fields, message);
    else request.log.debug(fields, message);
    return reply
      .code(status)
      .type('application/json')
      .send(Buffer.from(errorBody(message)));
  });
  if (serve === undefined) throw new Error('the framework made no server');
  return { app, serve, headers };
}

export interface ServerTls {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Set: clients must show a certificate of this authority. */
  readonly ca?: Buffer;
}

/**
 * A server for one socket. `isUpgrade` says for which requests an `Upgrade` header takes the connection out of HTTP; for others it is
 * an ordinary request (curl sends `Upgrade: h2c` everywhere). No limits of time: uploads and streams last as long as they last.
 */
export function createHttpServer(
  application: Application,
  isUpgrade: (request: IncomingMessage) => boolean,
  tls?: ServerTls,
): Server | TlsServer {
  const options = { shouldUpgradeCallback: isUpgrade, requestTimeout: 0, keepAliveTimeout: 0, noDelay: true };
  const server =
    tls === undefined
      ? createServer(options, application.serve)
      : createTlsServer(
          {
            ...options,
            ...tls,
            requestCert: tls.ca !== undefined,
            rejectUnauthorized: tls.ca !== undefined,
            minVersion: 'TLSv1.2',
          },
          application.serve,
        );
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const body = errorBody(`bad request: ${error.message}`);
    socket.end(
      `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  });
  return server;
}
