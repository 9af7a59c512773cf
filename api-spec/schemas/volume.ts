// Owns the schemas of volumes. Must not know any endpoint.
import { z } from 'zod';
import { dateTime, int64, string, stringMap, strings } from '../fields.ts';

export const Volume = z.object({
  Name: string,
  Driver: string,
  Mountpoint: string,
  CreatedAt: dateTime.optional(),
  Status: z.record(z.string(), z.unknown()).optional(),
  Labels: stringMap.nullable(),
  Scope: z.enum(['local', 'global']),
  Options: stringMap.nullable(),
  ClusterVolume: z.record(z.string(), z.unknown()).optional(),
  UsageData: z.object({ Size: int64, RefCount: int64 }).optional().describe('Bytes, containers; -1: not known.'),
});
export type Volume = z.output<typeof Volume>;

export const VolumeCreateRequest = z.object({
  Name: string.optional().describe('Empty: a name is made.'),
  Driver: string.optional(),
  DriverOpts: stringMap.optional(),
  Labels: stringMap.optional(),
  ClusterVolumeSpec: z.record(z.string(), z.unknown()).optional(),
});
export type VolumeCreateRequest = z.output<typeof VolumeCreateRequest>;

export const VolumeUpdateRequest = z.object({ Spec: z.record(z.string(), z.unknown()).optional() });
export type VolumeUpdateRequest = z.output<typeof VolumeUpdateRequest>;

export const VolumeList = z.object({ Volumes: z.array(Volume), Warnings: strings.nullable() });
export type VolumeList = z.output<typeof VolumeList>;

export const VolumePruneResponse = z.object({ VolumesDeleted: strings.nullable(), SpaceReclaimed: int64 });
export type VolumePruneResponse = z.output<typeof VolumePruneResponse>;
