// Owns the wire shape of disk usage: totals since 1.52, lists before (and with `verbose` both). Pure.
import {
  atLeast,
  type BuildCache,
  type ContainerSummary,
  type ImageSummary,
  type SystemDataUsage,
  type Volume,
} from '../../../api-spec/index.ts';
import { rfc3339Nano } from '../../base/time.ts';
import type { CacheRecord } from '../../build/types.ts';

export interface Usage {
  readonly layersSize: number;
  readonly images?: readonly ImageSummary[];
  readonly containers?: readonly ContainerSummary[];
  readonly volumes?: readonly Volume[];
  readonly buildCache?: readonly BuildCache[];
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
    ...(usage.buildCache === undefined
      ? {}
      : { BuildCache: [...usage.buildCache], BuilderSize: sum(usage.buildCache, (one) => one.Size) }),
  };
}

function totals(usage: Usage, verbose: boolean): SystemDataUsage {
  const items = <T>(list: readonly T[]): { Items?: T[] } => (verbose ? { Items: [...list] } : {});
  const { images, containers, volumes, buildCache } = usage;
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
    ...(buildCache === undefined
      ? {}
      : {
          BuildCacheUsage: {
            ActiveCount: buildCache.filter((one) => one.InUse).length,
            TotalCount: buildCache.length,
            Reclaimable: sum(
              buildCache.filter((one) => !one.InUse && !one.Shared),
              (one) => one.Size,
            ),
            TotalSize: sum(buildCache, (one) => one.Size),
            ...items(buildCache),
          },
        }),
  };
}

/** A record of the build cache as clients know it. */
export const presentCache = (record: CacheRecord): BuildCache => ({
  ID: record.id,
  ...(record.parent === '' ? {} : { Parents: [record.parent] }),
  Type: record.type,
  Description: record.description,
  InUse: record.inUse,
  Shared: record.shared,
  Size: record.size,
  CreatedAt: rfc3339Nano(record.createdNs),
  LastUsedAt: rfc3339Nano(record.lastUsedNs),
  UsageCount: record.usageCount,
});
