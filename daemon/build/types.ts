// Owns the contract of the build room.
import type { Readable } from 'node:stream';
import type { HostConfig } from '../../api-spec/index.ts';
import type { Credentials } from '../images/registry/types.ts';

/** One line of a build's stream, in Docker's shape. */
export interface BuildLine {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly aux?: unknown;
}

/** What RUN containers get from the request. */
export type RunLimits = Pick<
  HostConfig,
  | 'Memory'
  | 'MemorySwap'
  | 'CpuShares'
  | 'CpusetCpus'
  | 'CpusetMems'
  | 'CpuPeriod'
  | 'CpuQuota'
  | 'CgroupParent'
  | 'ShmSize'
  | 'Ulimits'
  | 'NetworkMode'
  | 'ExtraHosts'
  | 'SecurityOpt'
>;

export interface BuildRequest {
  /** Tar of the context, plain or compressed; not read when `remote` is given. */
  readonly body: Readable;
  /** Address of the context; empty: the body. */
  readonly remote: string;
  /** Within the context; empty: `Dockerfile`. */
  readonly dockerfile: string;
  readonly tags: readonly string[];
  readonly args: Readonly<Record<string, string | null>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly target: string;
  readonly platform: string;
  readonly noCache: boolean;
  readonly pull: boolean;
  /** Images that the client would have taken as cache; told to be ignored. */
  readonly cacheFrom: readonly string[];
  /** Remove the containers of steps that succeeded. */
  readonly remove: boolean;
  /** Remove them in every case. */
  readonly forceRemove: boolean;
  readonly quiet: boolean;
  /** For cancel; empty: none. */
  readonly buildId: string;
  readonly limits: RunLimits;
  /** Credentials of the client for a registry, by its domain. */
  readonly credentialsFor: (domain: string) => Credentials;
}

export interface CacheRecord {
  readonly id: string;
  readonly parent: string;
  readonly description: string;
  readonly size: number;
  readonly inUse: boolean;
  readonly shared: boolean;
  readonly createdNs: bigint;
  readonly lastUsedNs: bigint;
  readonly usageCount: number;
  readonly type: string;
}

export interface Builds {
  /** Resolves with the image's id. Everything is undone when `gone` is aborted. Throws BuildError for a step that failed. */
  build(request: BuildRequest, write: (line: BuildLine) => void, gone: AbortSignal): Promise<string>;
  /** Ends a build; not-found when there is none of this id. */
  cancel(buildId: string): void;
  cacheRecords(): readonly CacheRecord[];
  prune(request: {
    readonly all: boolean;
    readonly filters: Readonly<Record<string, readonly string[]>>;
    readonly keepBytes: number;
  }): Promise<{ readonly deleted: readonly string[]; readonly reclaimed: number }>;
  /** Removes what a killed daemon left behind, containers too. At boot, when those are known again. */
  sweep(): Promise<void>;
  /** Images that steps under way stand on. */
  imagesInUse(): ReadonlySet<string>;
}
