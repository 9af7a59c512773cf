// Owns the handlers that take connections: attach by upgrade, by the older way and by WebSocket, and the builder's session.
import type { EventEmitter } from 'node:events';
import type { FastifyInstance } from 'fastify';
import { type RouteQuery, routes } from '../../../api-spec/index.ts';
import { invalidArgument } from '../../base/errors.ts';
import type { AttachOptions } from '../../containers/types.ts';
import type { Hijacks } from '../hijack.ts';
import type { HttpServices } from '../ports.ts';
import { bindWebSocket } from '../websocket.ts';

const optionsOf = (query: RouteQuery<typeof routes.ContainerAttach>): AttachOptions => ({
  stdin: query.stdin,
  stdout: query.stdout,
  stderr: query.stderr,
  stream: query.stream,
  logs: query.logs,
  detachKeys: query.detachKeys ?? '',
});

export async function attachRoutes(
  app: FastifyInstance,
  hijacks: Hijacks,
  websockets: EventEmitter,
  { containers, descriptors }: HttpServices,
): Promise<void> {
  hijacks.register(app, routes.ContainerAttach, async ({ params, query, take }) => {
    const options = optionsOf(query);
    const { id, tty } = containers.prepareAttach(params.id, options);
    await containers.attach(id, options, take({ multiplexed: !tty }));
  });

  hijacks.registerWebSocket(routes.ContainerAttachWebsocket);
  await bindWebSocket(app, websockets, routes.ContainerAttachWebsocket, descriptors, {
    prepare: ({ params, query }) => {
      // A WebSocket keeps message borders but has no frames of Docker's: both streams go as they are.
      const options = { ...optionsOf(query), raw: true };
      return { options, ...containers.prepareAttach(params.id, options) };
    },
    open: ({ id, options }, connection) => containers.attach(id, options, connection),
  });

  hijacks.register(app, routes.Session, async () => {
    throw invalidArgument('sessions of BuildKit are not supported by this engine: set DOCKER_BUILDKIT=0');
  });
}
