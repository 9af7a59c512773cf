// Owns the wire shape of disk usage: totals since 1.52, lists before (and with `verbose` both). Pure.
import {
  atLeast,
  type ContainerSummary,
  type ImageSummary,
  type SystemDataUsage,
  type Volume,
} from '../../../api-spec/index.ts';

export interface Usage {
  readonly layersSize: number;
  readonly images?: readonly ImageSummary[];
  readonly containers?: readonly ContainerSummary[];
  readonly volumes?: readonly Volume[];
  readonly buildCache: boolean;
}

const sum = <T>(list: readonly T[], size: (one: T) => number): number =>
  list.reduce((total, one) => total + size(one), 0);

/** `verbose` adds the lists to the totals. */
export function presentUsage(usage: Usage, verbose: boolean, version: string): SystemDataUsage {
  return atLeast(version, '1.52') ? totals(usage, verbose) : lists(usage);
}

function lists(usage: Usage): SystemDataUsage {
  return {
    ...(usage.images === undefined ? {} : { LayersSize: usage.layersSize, Images: [...usage.images] }),
    ...(usage.containers === undefined ? {} : { Containers: [...usage.containers] }),
    ...(usage.volumes === undefined ? {} : { Volumes: [...usage.volumes] }),
    ...(usage.buildCache ? { BuildCache: [], BuilderSize: 0 } : {}),
  };
}

function totals(usage: Usage, verbose: boolean): SystemDataUsage {
  const items = <T>(list: readonly T[]): { Items?: T[] } => (verbose ? { Items: [...list] } : {});
  const { images, containers, volumes } = usage;
  const own = (image: ImageSummary): number => image.Size - Math.max(image.SharedSize, 0);
  const stopped = (one: ContainerSummary): boolean => !['running', 'paused', 'restarting'].includes(one.State);
  const unused = (one: Volume): boolean => one.UsageData?.RefCount === 0;
  return {
    ...(images === undefined
      ? {}
      : {
          ImageUsage: {
            ActiveCount: images.filter((one) => one.Containers > 0).length,
            TotalCount: images.length,
            Reclaimable: sum(
              images.filter((one) => one.Containers === 0),
              own,
            ),
            TotalSize: usage.layersSize,
            ...items(images),
          },
        }),
    ...(containers === undefined
      ? {}
      : {
          ContainerUsage: {
            ActiveCount: containers.filter((one) => !stopped(one)).length,
            TotalCount: containers.length,
            Reclaimable: sum(containers.filter(stopped), (one) => one.SizeRw ?? 0),
            TotalSize: sum(containers, (one) => one.SizeRw ?? 0),
            ...items(containers),
          },
        }),
    ...(volumes === undefined
      ? {}
      : {
          VolumeUsage: {
            ActiveCount: volumes.filter((one) => !unused(one)).length,
            TotalCount: volumes.length,
            Reclaimable: sum(volumes.filter(unused), (one) => one.UsageData?.Size ?? 0),
            TotalSize: sum(volumes, (one) => one.UsageData?.Size ?? 0),
            ...items(volumes),
          },
        }),
    ...(usage.buildCache
      ? { BuildCacheUsage: { ActiveCount: 0, TotalCount: 0, Reclaimable: 0, TotalSize: 0, ...items<never>([]) } }
      : {}),
  };
}
