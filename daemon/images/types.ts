// Owns the contract of the images room.
import type { Readable } from 'node:stream';
import type { ContainerConfig } from '../../api-spec/index.ts';

/** An image as the rest of the engine sees it. `id` is `sha256:` of its config JSON. */
export interface Image {
  readonly id: string;
  /** Its config in Docker's container terms (Env, Cmd, Entrypoint, WorkingDir, User, Labels, Volumes, ExposedPorts, StopSignal, Healthcheck, Shell, OnBuild). */
  readonly config: ContainerConfig;
  readonly architecture: string;
  readonly variant: string;
  readonly os: string;
  readonly author: string;
  readonly comment: string;
  /** RFC 3339 as in the config; empty when it has none. */
  readonly created: string;
  readonly diffIds: readonly string[];
  /** Bytes of all layers, unpacked. */
  readonly size: number;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly history: readonly ImageHistory[];
  readonly parent: string;
  readonly lastTaggedNs: bigint;
}

export interface ImageHistory {
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
  readonly size: number;
}

/** One line of a load, import or pull stream, in Docker's shape. */
export interface Progress {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  /** The bar as text, for clients that do not draw by themselves. */
  readonly progress?: string;
  readonly aux?: unknown;
  readonly error?: string;
  readonly errorDetail?: { readonly code?: number; readonly message: string };
}

/** Docker's filters: a key, and values of which the filter decides whether all or one must hold. */
export type Filters = Readonly<Record<string, readonly string[]>>;

/** Who uses images; asked before one is removed. Given to the service by main.ts. */
export interface ImageUsage {
  containersOf(imageId: string): readonly { readonly id: string; readonly running: boolean }[];
}

export interface ImageRemoval {
  readonly Untagged?: string;
  readonly Deleted?: string;
}

export interface ImportRequest {
  readonly body: Readable;
  /** `name[:tag]`; empty: untagged. */
  readonly reference: string;
  readonly message: string;
  /** Dockerfile instructions (CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, USER, VOLUME, WORKDIR, HEALTHCHECK, STOPSIGNAL). */
  readonly changes: readonly string[];
  readonly platform: string;
}

/** What a new image is made of, on top of another one. */
export interface CommitRequest {
  /** Full id of the image below; empty: none. */
  readonly parent: string;
  /** Upper directory of an overlay on the parent's layers, at rest until this resolves; absent or without changes: no layer is added. */
  readonly upper?: string;
  /** Of the new image, complete. */
  readonly config: ContainerConfig;
  /** What history shows. */
  readonly createdBy: string;
  readonly author: string;
  readonly comment: string;
  /** RFC 3339; absent: now. */
  readonly created?: string;
  /** Names, `latest` where there is no tag. */
  readonly references: readonly string[];
  /** Of the image event; empty: none is told. */
  readonly action: string;
}

export interface Images {
  /** By name[:tag], name@digest, full id, `sha256:` id or unique prefix. Throws not-found `No such image: REF`. */
  get(reference: string): Image;
  /** By exact id; undefined when it is gone. */
  byId(id: string): Image | undefined;
  /**
   * Newest first. Filters: before, dangling, label, label!, reference, since, until; an unknown one is invalid-argument. With `reference` the
   * names of each image are those that match. `all` (true when not given): images too that are only a step of another one.
   */
  list(request?: { readonly filters?: Filters; readonly all?: boolean }): readonly Image[];
  /** Directories of the image's layers for the overlay, top-most first. Never empty: an image without layers has one empty directory. */
  lowerDirectories(imageId: string): readonly string[];
  tag(reference: string, repository: string, tag: string): void;
  remove(
    reference: string,
    options: { readonly force: boolean; readonly prune: boolean },
  ): Promise<readonly ImageRemoval[]>;
  prune(
    filters: Readonly<Record<string, readonly string[]>>,
  ): Promise<{ readonly deleted: readonly ImageRemoval[]; readonly reclaimed: number }>;
  /** Resolves with the image id; a broken stream leaves nothing behind. */
  import(request: ImportRequest, progress: (line: Progress) => void): Promise<string>;
  /** Makes an image of a parent and changes; resolves with its id. */
  commit(request: CommitRequest): Promise<string>;
  /** docker-archive or OCI layout, plain, gzip or zstd (xz, bzip2 too). A broken stream leaves nothing behind. */
  load(
    body: Readable,
    options: { readonly quiet: boolean; readonly platform: string },
    progress: (line: Progress) => void,
  ): Promise<void>;
  /** docker-archive with OCI layout inside, as Docker 25+. */
  save(references: readonly string[], platform: string): Readable;
  /** Removes half-made things of a killed daemon. At boot, before listening. */
  sweep(): Promise<void>;
  /** Resolves when all that was loaded is on the disk. At shutdown. */
  settled(): Promise<void>;
}
