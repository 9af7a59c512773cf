// Owns the handlers of containers. Each parses, calls the service once and presents: no decision about containers is taken here.
import { atLeast, type Filters, routes } from '../../../api-spec/index.ts';
import { invalidArgument } from '../../base/errors.ts';
import type { LogsRequest } from '../../containers/types.ts';
import { presentContainer, summarizeContainer } from '../presenters/container.ts';
import { imageNamer, networkNames, nowNs, type RouteContext, timeOf } from './context.ts';

export function containerRoutes({ services, on }: RouteContext): void {
  const { containers } = services;

  on(routes.ContainerList, async ({ query, version }) => {
    const views = await containers.list({
      all: query.all,
      limit: query.limit ?? 0,
      size: query.size,
      filters: query.filters,
    });
    const names = networkNames(services);
    const imageName = imageNamer(services);
    const now = nowNs();
    return {
      status: 200,
      body: views.map((view) =>
        summarizeContainer(view, names, imageName(view.record.imageReference, view.record.imageId), now, version),
      ),
    };
  });

  on(routes.ContainerCreate, async ({ query, body, version }) => {
    const { HostConfig: hostConfig = {}, NetworkingConfig: networkingConfig = {}, ...config } = body;
    if (!atLeast(version, '1.25') && query.platform) throw invalidArgument('platform: needs API version 1.41');
    const { id, warnings } = await containers.create({
      name: (query.name ?? '').replace(/^\//, ''),
      platform: query.platform ?? '',
      config,
      hostConfig,
      networkingConfig,
    });
    return { status: 201, body: { Id: id, Warnings: [...warnings] } };
  });

  on(routes.ContainerInspect, async ({ params, query, version }) => {
    const view = await containers.get(params.id, { size: query.size });
    return { status: 200, body: presentContainer(view, networkNames(services), version) };
  });

  on(routes.ContainerStart, async ({ params, query }) => {
    if (query.checkpoint)
      throw invalidArgument('checkpoint: starting from a checkpoint is not supported by this engine');
    const result = await containers.start(params.id);
    return { status: result === 'already-running' ? 304 : 204 };
  });

  on(routes.ContainerStop, async ({ params, query }) => {
    const result = await containers.stop(params.id, { timeout: query.t, signal: query.signal });
    return { status: result === 'not-running' ? 304 : 204 };
  });

  on(routes.ContainerRestart, async ({ params, query }) => {
    await containers.restart(params.id, { timeout: query.t, signal: query.signal });
    return { status: 204 };
  });

  on(routes.ContainerKill, async ({ params, query }) => {
    await containers.kill(params.id, query.signal ?? '');
    return { status: 204 };
  });

  on(routes.ContainerPause, async ({ params }) => {
    await containers.pause(params.id);
    return { status: 204 };
  });

  on(routes.ContainerUnpause, async ({ params }) => {
    await containers.unpause(params.id);
    return { status: 204 };
  });

  on(routes.ContainerRename, async ({ params, query }) => {
    await containers.rename(params.id, query.name ?? '');
    return { status: 204 };
  });

  on(routes.ContainerDelete, async ({ params, query }) => {
    if (query.link) throw invalidArgument('link: legacy links are not supported; remove the container itself');
    await containers.remove(params.id, { force: query.force, volumes: query.v });
    return { status: 204 };
  });

  on(routes.ContainerPrune, async ({ query }) => {
    const { deleted, reclaimed } = await containers.prune(query.filters as Filters);
    return { status: 200, body: { ContainersDeleted: [...deleted], SpaceReclaimed: reclaimed } };
  });

  on(routes.ContainerResize, async ({ params, query }) => {
    await containers.resize(params.id, query.h, query.w);
    return { status: 200 };
  });

  on(routes.ContainerWait, async ({ params, query, version, gone }) => {
    // Registered before the headers go out: `docker run` starts the container when it has seen them.
    const ended = containers
      .wait(params.id, atLeast(version, '1.30') ? query.condition : 'not-running', gone)
      .then(({ statusCode, error }) => ({
        StatusCode: statusCode,
        ...(error === undefined ? {} : { Error: { Message: error } }),
      }));
    ended.catch(() => undefined);
    await containers.get(params.id);
    return { status: 200, later: ended };
  });

  on(routes.ContainerLogs, async ({ params, query, version }) => {
    if (!query.stdout && !query.stderr) {
      throw invalidArgument('Bad parameters: you must choose at least one stream');
    }
    const now = nowNs();
    const request: LogsRequest = {
      stdout: query.stdout,
      stderr: query.stderr,
      follow: query.follow,
      timestamps: query.timestamps,
      details: query.details,
      since: timeOf('since', query.since, now) ?? 0n,
      until: timeOf('until', query.until, now) ?? 0n,
      tail: parseTail(query.tail),
    };
    const { tty, stream } = containers.logs(params.id, request);
    const contentType =
      !tty && atLeast(version, '1.42')
        ? 'application/vnd.docker.multiplexed-stream'
        : 'application/vnd.docker.raw-stream';
    return { status: 200, stream, contentType };
  });
}

/** As dockerd: what is no number of lines means all. */
function parseTail(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : -1;
}
