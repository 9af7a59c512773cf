// Owns WebSockets: the private emitter between the upgrade seam and the library, and the pump between a WebSocket and a descriptor.
import type { EventEmitter } from 'node:events';
import websocketPlugin from '@fastify/websocket';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { atLeast, type RouteParams, type RouteQuery, type RouteSpec } from '../../api-spec/index.ts';
import { invalidArgument } from '../base/errors.ts';
import type { ClientConnection } from '../containers/types.ts';
import type { Descriptors } from './ports.ts';
import { bridge } from './takeover.ts';
import { validate } from './validation.ts';
import { requestVersion } from './version.ts';

/** What is used of the library's socket. */
interface WebSocket {
  readonly readyState: number;
  on(event: 'message', listener: (data: Buffer | ArrayBuffer | Buffer[]) => void): void;
  on(event: 'close', listener: () => void): void;
  send(data: Buffer | string, options: { binary: boolean }, sent: (error?: Error) => void): void;
  close(code: number): void;
  pause(): void;
  resume(): void;
}

const OPEN = 1;

export interface WebSocketContext<R extends RouteSpec> {
  readonly params: RouteParams<R>;
  readonly query: RouteQuery<R>;
}

export interface WebSocketHandler<R extends RouteSpec, Prepared> {
  /** Before the answer: throws for an ordinary error answer. */
  prepare(context: WebSocketContext<R>): Prepared;
  /** Gets the other end of the WebSocket; whoever gets the descriptor closes it. */
  open(prepared: Prepared, connection: ClientConnection): Promise<void>;
}

/** Binds a WebSocket route. Upgrades arrive through `emitter` alone, so that the library never sees those of other routes. */
export async function bindWebSocket<R extends RouteSpec, Prepared>(
  app: FastifyInstance,
  emitter: EventEmitter,
  spec: R,
  descriptors: Descriptors,
  handler: WebSocketHandler<R, Prepared>,
): Promise<void> {
  await app.register(async (scope) => {
    await scope.register(websocketPlugin, { options: { server: emitter } as never });
    const prepared = new WeakMap<FastifyRequest, Prepared>();
    scope.route({
      method: 'GET',
      url: spec.path,
      exposeHeadRoute: false,
      preValidation: async (request) => {
        requestVersion(request.raw);
        prepared.set(
          request,
          handler.prepare({
            params: validate(spec.params, request.params, 'path') as RouteParams<R>,
            query: validate(spec.query, request.query, 'query') as RouteQuery<R>,
          }),
        );
      },
      handler: () => {
        throw invalidArgument('expected a WebSocket: send the headers "Connection: Upgrade" and "Upgrade: websocket"');
      },
      wsHandler: async (socket: unknown, request: FastifyRequest) => {
        const version = requestVersion(request.raw);
        const descriptor = pump(socket as WebSocket, atLeast(version, '1.28'), descriptors);
        const ready = prepared.get(request);
        if (ready === undefined) throw new Error('a WebSocket without its preparation');
        await handler.open(ready, { descriptor, input: Buffer.alloc(0), greeting: Buffer.alloc(0) });
      },
    });
  });
}

/** Pumps between a WebSocket and a socket pair whose other end is answered. Slow sides are waited for. */
function pump(socket: WebSocket, binary: boolean, descriptors: Descriptors): number {
  const { inner, descriptor } = bridge(descriptors);
  socket.on('message', (data) => {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data;
    if (inner.write(bytes)) return;
    socket.pause();
    inner.once('drain', () => socket.resume());
  });
  socket.on('close', () => inner.destroy());
  inner.on('data', (bytes: Buffer) => {
    if (socket.readyState !== OPEN) return;
    inner.pause();
    socket.send(binary ? bytes : bytes.toString('utf8'), { binary }, () => inner.resume());
  });
  inner.on('end', () => socket.close(1000)).on('error', () => socket.close(1011));
  return descriptor;
}
