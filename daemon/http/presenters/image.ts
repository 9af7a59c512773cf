// Owns the wire shapes of images: inspect, list and history, with the differences of the API versions. Pure.
import {
  atLeast,
  type ContainerConfig,
  type ImageConfig,
  type ImageHistoryItem,
  type ImageInspect,
  type ImageSummary,
} from '../../../api-spec/index.ts';
import { rfc3339Nano } from '../../base/time.ts';
import type { Image } from '../../images/types.ts';
import { presentConfig } from './host-config.ts';

/** Seconds since 1970 of an image's time; Docker's zero time when it has none. */
export function unixSeconds(created: string): number {
  const milliseconds = Date.parse(created);
  return Number.isNaN(milliseconds) ? -62135596800 : Math.floor(milliseconds / 1000);
}

const absent = (value: unknown): boolean =>
  value === undefined ||
  value === '' ||
  value === false ||
  (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

function modernConfig(config: ContainerConfig): ImageConfig {
  const {
    User,
    ExposedPorts,
    Env,
    Cmd,
    Healthcheck,
    ArgsEscaped,
    Volumes,
    WorkingDir,
    Entrypoint,
    OnBuild,
    Labels,
    StopSignal,
    Shell,
  } = config;
  const all = {
    User,
    ExposedPorts,
    Env,
    Cmd,
    Healthcheck,
    ArgsEscaped,
    Volumes,
    WorkingDir,
    Entrypoint,
    OnBuild,
    Labels,
    StopSignal,
    Shell,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => !absent(value)));
}

function legacyConfig(config: ContainerConfig, version: string): ImageConfig {
  const {
    MacAddress: _mac,
    StopTimeout: _timeout,
    NetworkDisabled: _network,
    ...view
  } = presentConfig(config, version);
  return view;
}

function graphDriver(directories: readonly string[]): NonNullable<ImageInspect['GraphDriver']> {
  const [upper = '', ...lower] = directories;
  return {
    Name: 'overlay2',
    Data: { ...(lower.length === 0 ? {} : { LowerDir: lower.join(':') }), UpperDir: upper },
  };
}

/** The answer of inspect. `directories` are the image's layers, top-most first. */
export function presentImage(image: Image, directories: readonly string[], version: string): ImageInspect {
  const created = image.created === '' ? rfc3339Nano(0n) : image.created;
  return {
    Id: image.id,
    RepoTags: [...image.repoTags],
    RepoDigests: [...image.repoDigests],
    Comment: image.comment,
    Created: created,
    Author: image.author,
    Config: atLeast(version, '1.50') ? modernConfig(image.config) : legacyConfig(image.config, version),
    Architecture: image.architecture,
    ...(image.variant === '' ? {} : { Variant: image.variant }),
    Os: image.os,
    Size: image.size,
    GraphDriver: graphDriver(directories),
    RootFS: { Type: 'layers', ...(image.diffIds.length === 0 ? {} : { Layers: [...image.diffIds] }) },
    Metadata: { LastTagTime: rfc3339Nano(image.lastTaggedNs) },
    ...(atLeast(version, '1.52') ? {} : { Parent: image.parent, DockerVersion: '' }),
    ...(atLeast(version, '1.44') ? {} : { VirtualSize: image.size }),
    ...(atLeast(version, '1.45') ? {} : { Container: '', ContainerConfig: presentConfig({}, version) }),
  };
}

export interface ImageListOptions {
  readonly version: string;
  /** Bytes shared with other images; absent: not computed. */
  readonly sharedSize?: number;
  /** Containers that use it; absent: not computed. */
  readonly containers?: number;
}

/** An entry of the list. */
export function summarizeImage(image: Image, options: ImageListOptions): ImageSummary {
  const older = !atLeast(options.version, '1.43');
  const none = (list: readonly string[], text: string): string[] => (list.length === 0 && older ? [text] : [...list]);
  return {
    Id: image.id,
    ParentId: image.parent,
    RepoTags: none(image.repoTags, '<none>:<none>'),
    RepoDigests: none(image.repoDigests, '<none>@<none>'),
    Created: unixSeconds(image.created),
    Size: image.size,
    SharedSize: options.sharedSize ?? -1,
    Labels: image.config.Labels ?? null,
    Containers: options.containers ?? -1,
    ...(atLeast(options.version, '1.44') ? {} : { VirtualSize: image.size }),
  };
}

/** Bytes of an image's layers by chain: each layer named by the diff ids up to it. */
function layerSizes(image: Image): readonly (readonly [string, number])[] {
  const sizes = image.history.filter((entry) => !entry.emptyLayer).map((entry) => entry.size);
  return image.diffIds.map((_, index) => [image.diffIds.slice(0, index + 1).join(' '), sizes[index] ?? 0] as const);
}

/** Bytes that each image shares with another one, by image id. */
export function sharedSizes(images: readonly Image[]): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  const layers = images.map((image) => [image.id, layerSizes(image)] as const);
  for (const [, list] of layers) for (const [chain] of list) users.set(chain, (users.get(chain) ?? 0) + 1);
  return new Map(
    layers.map(([id, list]) => [
      id,
      list.reduce((sum, [chain, size]) => sum + ((users.get(chain) ?? 0) > 1 ? size : 0), 0),
    ]),
  );
}

/** Bytes of all layers of the images, each layer once. */
export function totalLayerSize(images: readonly Image[]): number {
  const sizes = new Map(images.flatMap(layerSizes));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** The answer of history, last step first. */
export function presentHistory(image: Image): ImageHistoryItem[] {
  return image.history
    .map((entry) => ({
      Id: '<missing>',
      Created: unixSeconds(entry.created),
      CreatedBy: entry.createdBy,
      Tags: [] as string[],
      Size: entry.size,
      Comment: entry.comment,
    }))
    .reverse()
    .map((item, index) => (index === 0 ? { ...item, Id: image.id, Tags: [...image.repoTags] } : item));
}
