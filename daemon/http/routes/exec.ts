// Owns the handlers of exec sessions. Each parses, calls the service once and presents.
import type { FastifyInstance } from 'fastify';
import { routes } from '../../../api-spec/index.ts';
import type { Hijacks } from '../hijack.ts';
import { presentExec } from '../presenters/exec.ts';
import type { RouteContext } from './context.ts';

/** Rows and columns; undefined when the client gave none. */
const sizeOf = (size: readonly number[] | undefined): readonly [number, number] | undefined =>
  size?.[0] !== undefined && size[1] !== undefined && size.length === 2 && size[0] > 0 ? [size[0], size[1]] : undefined;

export function execRoutes({ services, on }: RouteContext, app: FastifyInstance, hijacks: Hijacks): void {
  const { containers } = services;

  on(routes.ContainerExec, ({ params, body }) => {
    const id = containers.createExec(params.id, {
      args: body.Cmd ?? [],
      env: body.Env ?? [],
      user: body.User ?? '',
      workingDirectory: body.WorkingDir ?? '',
      tty: body.Tty ?? false,
      privileged: body.Privileged ?? false,
      stdin: body.AttachStdin ?? false,
      stdout: body.AttachStdout ?? false,
      stderr: body.AttachStderr ?? false,
      detachKeys: body.DetachKeys ?? '',
      killOnDisconnect: body.KillOnDisconnect === true,
      consoleSize: sizeOf(body.ConsoleSize),
    });
    return { status: 201, body: { Id: id } };
  });

  hijacks.register(app, routes.ExecStart, async ({ params, body, take }) => {
    const tty = body?.Tty ?? false;
    const options = { tty, consoleSize: sizeOf(body?.ConsoleSize) };
    await containers.startExec(
      params.id,
      options,
      body?.Detach === true ? undefined : () => take({ multiplexed: !tty }),
    );
  });

  on(routes.ExecResize, async ({ params, query }) => {
    await containers.resizeExec(params.id, query.h, query.w);
    return { status: 200 };
  });

  on(routes.ExecInspect, ({ params }) => ({ status: 200, body: presentExec(containers.inspectExec(params.id)) }));

  on(routes.ExecKill, async ({ params, query }) => {
    await containers.killExec(params.id, query.signal ?? '');
    return { status: 204 };
  });
}
