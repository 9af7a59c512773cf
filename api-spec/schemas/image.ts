// Owns the schemas of images, their history, and what registries say of them. Must not know any endpoint.
import { z } from 'zod';
import { boolean, command, dateTime, int64, string, stringMap, stringSet, strings } from '../fields.ts';
import { DriverData, OciDescriptor, OciPlatform } from './common.ts';
import { ContainerConfig, ContainerConfigView, HealthConfig } from './container.ts';

/** Defaults an image brings for its containers. */
export const ImageConfig = z.object({
  User: string.optional(),
  ExposedPorts: stringSet.nullable().optional(),
  Env: strings.nullable().optional(),
  Cmd: command.nullable().optional(),
  Healthcheck: HealthConfig.optional(),
  ArgsEscaped: boolean.optional(),
  Volumes: stringSet.nullable().optional(),
  WorkingDir: string.optional(),
  Entrypoint: command.nullable().optional(),
  OnBuild: strings.nullable().optional(),
  Labels: stringMap.nullable().optional(),
  StopSignal: string.optional(),
  Shell: strings.optional(),
  Hostname: string.optional().describe('This and what follows: clients before 1.50 only.'),
  Domainname: string.optional(),
  AttachStdin: boolean.optional(),
  AttachStdout: boolean.optional(),
  AttachStderr: boolean.optional(),
  Tty: boolean.optional(),
  OpenStdin: boolean.optional(),
  StdinOnce: boolean.optional(),
  Image: string.optional(),
});
export type ImageConfig = z.output<typeof ImageConfig>;

/** One manifest of an image index. Sizes in bytes. */
export const ImageManifestSummary = z.object({
  ID: string,
  Descriptor: OciDescriptor,
  Available: boolean,
  Size: z.object({ Total: int64, Content: int64 }),
  Kind: z.enum(['image', 'attestation', 'unknown']),
  ImageData: z
    .object({
      Platform: OciPlatform,
      Identity: z.unknown().optional(),
      Size: z.object({ Unpacked: int64 }),
      Containers: strings,
    })
    .optional(),
  AttestationData: z.object({ For: string }).optional(),
});
export type ImageManifestSummary = z.output<typeof ImageManifestSummary>;

/** Where an image comes from, as far as the engine verified it. */
export const ImageIdentity = z.object({
  Signature: z.array(z.record(z.string(), z.unknown())).optional(),
  Pull: z.array(z.object({ Repository: string.optional() })).optional(),
  Build: z.array(z.object({ Ref: string.optional(), CreatedAt: dateTime.optional() })).optional(),
});

/** An image. Parent, DockerVersion, VirtualSize, Container and ContainerConfig go to older clients only. */
export const ImageInspect = z.object({
  Id: string,
  Descriptor: OciDescriptor.optional(),
  Manifests: z.array(ImageManifestSummary).optional(),
  Identity: ImageIdentity.optional(),
  RepoTags: strings,
  RepoDigests: strings,
  Comment: string.optional(),
  Created: dateTime.optional(),
  Author: string.optional(),
  Config: ImageConfig,
  Architecture: string,
  Variant: string.optional(),
  Os: string,
  OsVersion: string.optional(),
  Size: int64,
  GraphDriver: DriverData.optional(),
  RootFS: z.object({ Type: string, Layers: strings.optional() }),
  Metadata: z.object({ LastTagTime: dateTime.optional() }),
  Parent: string.optional(),
  DockerVersion: string.optional(),
  VirtualSize: int64.optional(),
  Container: string.optional(),
  ContainerConfig: ContainerConfigView.optional(),
});
export type ImageInspect = z.output<typeof ImageInspect>;

export const ImageSummary = z.object({
  Id: string,
  ParentId: string,
  RepoTags: strings,
  RepoDigests: strings,
  Created: int64.describe('Seconds since 1970.'),
  Size: int64,
  SharedSize: int64.describe('-1: not computed.'),
  Labels: stringMap.nullable(),
  Containers: int64.describe('-1: not computed.'),
  Manifests: z.array(ImageManifestSummary).optional(),
  Descriptor: OciDescriptor.optional(),
  VirtualSize: int64.optional().describe('Clients before 1.44.'),
});
export type ImageSummary = z.output<typeof ImageSummary>;

export const ImageHistoryItem = z.object({
  Id: string,
  Created: int64,
  CreatedBy: string,
  Tags: strings,
  Size: int64,
  Comment: string,
});
export type ImageHistoryItem = z.output<typeof ImageHistoryItem>;

export const ImageDeleteItem = z.object({ Untagged: string.optional(), Deleted: string.optional() });
export type ImageDeleteItem = z.output<typeof ImageDeleteItem>;

export const ImagePruneResponse = z.object({
  ImagesDeleted: z.array(ImageDeleteItem).nullable(),
  SpaceReclaimed: int64,
});
export type ImagePruneResponse = z.output<typeof ImagePruneResponse>;

export const ImageSearchItem = z.object({
  description: string,
  is_official: boolean,
  is_automated: boolean,
  name: string,
  star_count: int64,
});
export type ImageSearchItem = z.output<typeof ImageSearchItem>;

export const AttestationStatement = z.object({
  Descriptor: OciDescriptor,
  PredicateType: string,
  Statement: z.record(z.string(), z.unknown()).optional(),
});
export type AttestationStatement = z.output<typeof AttestationStatement>;

export const DistributionInspect = z.object({ Descriptor: OciDescriptor, Platforms: z.array(OciPlatform) });
export type DistributionInspect = z.output<typeof DistributionInspect>;

/** Body of commit: overrides of the container's configuration. */
export const ImageCommitRequest = ContainerConfig;
