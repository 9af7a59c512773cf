// Owns the handlers of volumes. Each parses, calls the service once and presents.
import { routes } from '../../../api-spec/index.ts';
import { invalidArgument, unavailable } from '../../base/errors.ts';
import type { Volume } from '../../volumes/types.ts';
import { presentVolume } from '../presenters/volume.ts';
import type { RouteContext } from './context.ts';
import { hasLabel } from './networks.ts';

export function volumeRoutes({ services, on }: RouteContext): void {
  const { volumes, containers } = services;

  on(routes.VolumeList, ({ query }) => ({
    status: 200,
    body: {
      Volumes: volumes
        .list()
        .filter((volume) => matches(volume, query.filters, () => containers.containersOfVolume(volume.name).length > 0))
        .map((volume) => presentVolume(volume)),
      Warnings: null,
    },
  }));

  on(routes.VolumeCreate, async ({ body }) => {
    const volume = await volumes.create({
      name: body.Name ?? '',
      driver: body.Driver ?? '',
      labels: body.Labels ?? {},
      options: body.DriverOpts ?? {},
    });
    return { status: 201, body: presentVolume(volume) };
  });

  on(routes.VolumeInspect, ({ params }) => ({ status: 200, body: presentVolume(volumes.get(params.name)) }));

  on(routes.VolumeUpdate, ({ params }) => {
    volumes.get(params.name);
    throw unavailable('This node is not a swarm manager: only cluster volumes can be updated');
  });

  on(routes.VolumeDelete, async ({ params, query }) => {
    await volumes.remove(params.name, query.force);
    return { status: 204 };
  });

  on(routes.VolumePrune, async ({ query, version: _version }) => {
    const { deleted, reclaimed } = await volumes.prune(query.filters);
    return { status: 200, body: { VolumesDeleted: [...deleted], SpaceReclaimed: reclaimed } };
  });
}

function matches(volume: Volume, filters: Readonly<Record<string, readonly string[]>>, used: () => boolean): boolean {
  return Object.entries(filters).every(([key, values]) => {
    switch (key) {
      case 'name':
        return values.some((value) => volume.name.includes(value));
      case 'driver':
        return values.includes(volume.driver);
      case 'label':
        return values.every((value) => hasLabel(volume.labels, value));
      case 'dangling':
        return values.every((value) => truth(value) !== used());
      default:
        return true;
    }
  });
}

function truth(value: string): boolean {
  if (['1', 'true', 't'].includes(value.toLowerCase())) return true;
  if (['0', 'false', 'f'].includes(value.toLowerCase())) return false;
  throw invalidArgument(`invalid filter 'dangling=${value}'`);
}
