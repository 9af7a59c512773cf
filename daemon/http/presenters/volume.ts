// Owns the wire shape of volumes. Pure.
import type { Volume as VolumeView } from '../../../api-spec/index.ts';
import { rfc3339Nano } from '../../base/time.ts';
import type { Volume } from '../../volumes/types.ts';

const orNull = (map: Readonly<Record<string, string>>): Record<string, string> | null =>
  Object.keys(map).length === 0 ? null : { ...map };

/** A volume; `usage` where it was computed. The mark of anonymous ones is Docker's label. */
export function presentVolume(
  volume: Volume,
  usage?: { readonly size: number; readonly references: number },
): VolumeView {
  const labels = volume.anonymous ? { 'com.docker.volume.anonymous': '', ...volume.labels } : volume.labels;
  return {
    CreatedAt: rfc3339Nano((volume.createdNs / 1_000_000_000n) * 1_000_000_000n),
    Driver: volume.driver,
    Labels: orNull(labels),
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: orNull(volume.options),
    Scope: 'local',
    ...(usage === undefined ? {} : { UsageData: { Size: usage.size, RefCount: usage.references } }),
  };
}
