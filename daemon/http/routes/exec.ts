// Owns the handlers of exec sessions. Each parses, calls the service once and presents.
import type { FastifyInstance } from 'fastify';
import { routes } from '../../../api-spec/index.ts';
import { notImplemented } from '../../base/errors.ts';
import type { Hijacks } from '../hijack.ts';
import type { RouteContext } from './context.ts';

const unsupported = () => notImplemented('exec is not supported by this engine yet');

export function execRoutes({ services, on }: RouteContext, app: FastifyInstance, hijacks: Hijacks): void {
  on(routes.ContainerExec, async ({ params }) => {
    await services.containers.get(params.id);
    throw unsupported();
  });

  hijacks.register(app, routes.ExecStart, async () => {
    throw unsupported();
  });

  on(routes.ExecResize, () => {
    throw unsupported();
  });

  on(routes.ExecInspect, () => {
    throw unsupported();
  });
}
