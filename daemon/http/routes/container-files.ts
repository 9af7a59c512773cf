// Owns the handlers of a container's files. Each parses, calls the service once and presents.
import { routes } from '../../../api-spec/index.ts';
import type { PathStat } from '../../containers/types.ts';
import type { RouteContext } from './context.ts';

const TAR = 'application/x-tar';

/** As documented: base64 of the JSON, in the alphabet with padding. */
const statHeader = (stat: PathStat): Record<string, string> => ({
  'X-Docker-Container-Path-Stat': Buffer.from(JSON.stringify(stat)).toString('base64'),
});

export function containerFileRoutes({ services, on }: RouteContext): void {
  const { containers } = services;

  on(routes.ContainerChanges, async ({ params }) => ({
    status: 200,
    body: [...(await containers.changes(params.id))],
  }));

  on(routes.ContainerExport, async ({ params }) => ({
    status: 200,
    stream: await containers.export(params.id),
    contentType: 'application/octet-stream',
  }));

  on(routes.ContainerArchiveInfo, async ({ params, query }) => ({
    status: 200,
    headers: statHeader(await containers.statPath(params.id, query.path)),
  }));

  on(routes.ContainerArchive, async ({ params, query }) => {
    const { stat, stream } = await containers.readArchive(params.id, query.path);
    return { status: 200, headers: statHeader(stat), stream, contentType: TAR };
  });

  on(routes.PutContainerArchive, async ({ params, query, content }) => {
    await containers.writeArchive(params.id, {
      path: query.path,
      body: content,
      keepKinds: query.noOverwriteDirNonDir,
      copyOwner: query.copyUIDGID,
    });
    return { status: 200 };
  });
}
