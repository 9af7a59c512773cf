// Owns the contract of the registry room: what the rest of the engine may ask of registries, and how they are configured.
import type { Readable } from 'node:stream';
import type { Progress } from '../types.ts';

/** Credentials as clients send them; empty texts are absent. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** A refresh token that stands for user and password. */
  readonly identityToken: string;
  /** A bearer token that is sent as it is. */
  readonly registryToken: string;
  readonly serverAddress: string;
}

export const noCredentials: Credentials = {
  username: '',
  password: '',
  identityToken: '',
  registryToken: '',
  serverAddress: '',
};

export type MirrorCapability = 'pull' | 'resolve';

export interface MirrorSettings {
  /** Base URL in front of `/v2/`. */
  readonly url: string;
  /** `pull`: content by digest. `resolve`: what a tag means. */
  readonly capabilities: readonly MirrorCapability[];
}

/** One registry of `registries` in daemon.json. */
export interface RegistryHostSettings {
  /** Asked in this order before the registry itself. */
  readonly mirrors: readonly MirrorSettings[];
  /** TLS without a check of the certificate, then plain HTTP. */
  readonly insecure: boolean;
  /** PEM file of the authority that signs its certificate; empty: the system's. */
  readonly ca: string;
}

/** Settings as they are at the moment: SIGHUP changes them. */
export interface RegistrySettings {
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly registries: Readonly<Record<string, RegistryHostSettings>>;
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  readonly maxDownloadAttempts: number;
}

export type Report = (line: Progress) => void;

export interface PullRequest {
  /** `name`, `name:tag` or `name@digest`; without tag and digest all tags are pulled, as Docker's API has it. */
  readonly reference: string;
  readonly platform: string;
  readonly credentials: Credentials;
  /** Ends the pull; what was downloaded is kept for the next one. */
  readonly signal: AbortSignal;
}

export interface PushRequest {
  /** Without a tag all tags of the repository are pushed. */
  readonly reference: string;
  readonly platform: string;
  readonly credentials: Credentials;
  readonly signal: AbortSignal;
}

export interface SearchRequest {
  readonly term: string;
  /** 1 to 100; 0: 25. */
  readonly limit: number;
  readonly filters: Readonly<Record<string, readonly string[]>>;
  readonly credentials: Credentials;
}

export interface SearchResult {
  readonly name: string;
  readonly description: string;
  readonly isOfficial: boolean;
  readonly isAutomated: boolean;
  readonly starCount: number;
}

export interface OfferedPlatform {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
}

export interface DistributionAnswer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platforms: readonly OfferedPlatform[];
}

export interface Registry {
  /**
   * Pulls an image; progress in Docker's lines. What throws before the first line is an ordinary error: not-found for a missing manifest,
   * repository or access, internal (as dockerd's 500) for a registry that cannot be reached.
   */
  pull(request: PullRequest, report: Report): Promise<void>;
  push(request: PushRequest, report: Report): Promise<void>;
  /** Throws not-found when the registry offers no search. */
  search(request: SearchRequest): Promise<readonly SearchResult[]>;
  /** Checks credentials. Resolves with an identity token, empty when the registry gives none. Throws unauthorized. */
  login(credentials: Credentials): Promise<string>;
  /** What the registry holds under a name. */
  inspect(reference: string, credentials: Credentials): Promise<DistributionAnswer>;
  /** Begins to read the file at an http or https URL, for an import. */
  fetch(url: string, signal: AbortSignal): Promise<Readable>;
  /** Removes what a killed daemon left of downloads that nobody will go on with. At boot. */
  sweep(): Promise<void>;
  /** Closes kept connections. At shutdown. */
  close(): void;
}
