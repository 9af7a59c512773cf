// Owns the contract of the containers room: the record of a container and the service that http and main use.

import type { Readable } from 'node:stream';
import type {
  ContainerConfig,
  ContainerStats,
  ContainerTopResponse,
  ContainerUpdateRequest,
  EndpointSettings,
  FilesystemChange,
  HostConfig,
  NetworkingConfig,
} from '../../api-spec/index.ts';
import type { Endpoint } from '../networks/types.ts';
import type { LogLoss } from '../runtime/types.ts';
import type { ExecRow, StoredExecConfig } from '../store/execs.ts';
import type { HealthRow } from '../store/health.ts';
import type { OomReport } from '../supervisor/process/oom-log.ts';

/** The states of design and database; presenters show Docker's word for each. */
export type ContainerState =
  | 'created'
  | 'starting'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'stopping'
  | 'exited'
  | 'removing'
  | 'dead';

/** A mount as resolved and frozen at create. */
export interface MountPoint {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Volume name; empty for binds and tmpfs. */
  readonly name: string;
  readonly source: string;
  readonly destination: string;
  readonly driver: string;
  readonly mode: string;
  readonly rw: boolean;
  readonly propagation: string;
  /** Copy what the image has there into an empty volume. */
  readonly copyUp: boolean;
  /** Of a volume or an image: the part below its root that is mounted. */
  readonly subpath?: string;
}

export interface ContainerRecord {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly state: ContainerState;
  readonly createdNs: bigint;
  readonly imageId: string;
  /** As the client named it (Config.Image). */
  readonly imageReference: string;
  /** After the merge with the image's config; defaults that inspect shows are in. */
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networkingConfig: NetworkingConfig;
  readonly mounts: readonly MountPoint[];
  readonly pid: number;
  readonly startTime: bigint;
  readonly startedNs: bigint;
  readonly finishedNs: bigint;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Text of the last failed start, as Docker's State.Error. */
  readonly error: string;
  readonly restartCount: number;
  /** Stopped on request: restart policies leave it alone. */
  readonly manuallyStopped: boolean;
  /** Removed by itself after its end. */
  readonly autoRemove: boolean;
  readonly bootId: string;
  /** The client's own `tsd.` labels, never the image's: see extensions.ts. */
  readonly extensions: Readonly<Record<string, string>>;
}

/** What presenters need beside the record. */
export interface ContainerView {
  readonly record: ContainerRecord;
  readonly endpoints: readonly Endpoint[];
  readonly logPath: string;
  /** Of the last run, as far as this daemon has heard of it. */
  readonly logLoss?: LogLoss | undefined;
  readonly hostnamePath: string;
  readonly hostsPath: string;
  readonly resolvConfPath: string;
  /** Sessions that have not ended. */
  readonly execIds: readonly string[];
  /** Absent without a check, and until the first start. */
  readonly health?: HealthRow;
  /** Of the last run, when it was killed for lack of memory and the kernel's log told how. */
  readonly oomReport?: OomReport;
  readonly sizeRw?: number;
  readonly sizeRootFs?: number;
  readonly graphDriver: { readonly name: string; readonly data: Readonly<Record<string, string>> };
}

export interface CreateRequest {
  readonly name: string;
  readonly platform: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networkingConfig: NetworkingConfig;
}

export interface ListRequest {
  readonly all: boolean;
  /** Newest n, running or not; 0: no limit. */
  readonly limit: number;
  readonly size: boolean;
  readonly filters: Readonly<Record<string, readonly string[]>>;
}

export interface LogsRequest {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly details: boolean;
  /** ns since 1970; 0n: no bound. */
  readonly since: bigint;
  readonly until: bigint;
  /** Lines from the end; -1: all. */
  readonly tail: number;
}

/** A client's connection, taken out of the HTTP server. */
export interface ClientConnection {
  readonly descriptor: number;
  readonly input: Uint8Array;
  /** HTTP answer still to be written to it; empty when it has been. */
  readonly greeting: Uint8Array;
}

export interface AttachOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Live output; false with `logs`: only what was logged so far. */
  readonly stream: boolean;
  readonly logs: boolean;
  readonly detachKeys: string;
  /** Never Docker's 8-byte frames (WebSockets); otherwise they are used without a terminal. */
  readonly raw?: boolean;
}

/** A session as it is asked for. */
export type ExecRequest = StoredExecConfig;
/** A session as it is. */
export type ExecRecord = ExecRow;

export interface ExecStart {
  /** The client's word for raw streams; without it they are framed. */
  readonly tty: boolean;
  /** Rows and columns. */
  readonly consoleSize?: readonly [number, number];
}

/** `one-shot`: one sample at once; `once`: one with the sample of a second before; `stream`: one at once and then one a second. */
export type StatisticsMode = 'stream' | 'once' | 'one-shot';

/** A file in a container, in Docker's words: Go's mode, RFC 3339 time. */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  readonly mtime: string;
  /** Where a link leads in the end; empty for what is no link. */
  readonly linkTarget: string;
}

export interface ArchiveRequest {
  readonly path: string;
  readonly body: Readable;
  /** No directory takes the place of something else, nor the other way round. */
  readonly keepKinds: boolean;
  /** Everything belongs to the container's user. */
  readonly copyOwner: boolean;
}

export interface CommitOptions {
  /** `name[:tag]`; empty: untagged. */
  readonly reference: string;
  readonly author: string;
  readonly comment: string;
  /** Its processes rest while the layer is read. */
  readonly pause: boolean;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** In place of the container's. */
  readonly config?: ContainerConfig;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** Every method that takes a `reference` accepts name, id or unique prefix and throws not-found `No such container: REF`. */
export interface Containers {
  create(request: CreateRequest): Promise<{ readonly id: string; readonly warnings: readonly string[] }>;
  start(reference: string): Promise<'started' | 'already-running'>;
  /** `timeout` in seconds, -1: wait for ever, undefined: the container's StopTimeout or 10. */
  stop(
    reference: string,
    options: { readonly timeout?: number; readonly signal?: string },
  ): Promise<'stopped' | 'not-running'>;
  restart(reference: string, options: { readonly timeout?: number; readonly signal?: string }): Promise<void>;
  /** conflict `container ID is not running`. */
  kill(reference: string, signal: string): Promise<void>;
  pause(reference: string): Promise<void>;
  unpause(reference: string): Promise<void>;
  rename(reference: string, name: string): Promise<void>;
  remove(reference: string, options: { readonly force: boolean; readonly volumes: boolean }): Promise<void>;
  prune(
    filters: Readonly<Record<string, readonly string[]>>,
  ): Promise<{ readonly deleted: readonly string[]; readonly reclaimed: number }>;
  wait(
    reference: string,
    condition: WaitCondition,
    cancel: AbortSignal,
  ): Promise<{ readonly statusCode: number; readonly error?: string }>;
  list(request: ListRequest): Promise<readonly ContainerView[]>;
  get(reference: string, options?: { readonly size?: boolean }): Promise<ContainerView>;
  /** Checks that an attach is possible (conflict when paused or restarting) before the HTTP answer is written. */
  prepareAttach(reference: string, options: AttachOptions): { readonly id: string; readonly tty: boolean };
  /**
   * Takes the connection over: the client is served by the monitor from here on, or waits for the start. The descriptor belongs to the
   * callee from the call on, and is closed by it when this rejects.
   */
  attach(id: string, options: AttachOptions, connection: ClientConnection): Promise<void>;
  resize(reference: string, rows: number, columns: number): Promise<void>;
  /** Docker's log stream: multiplexed frames, raw with a terminal. Throws before the first byte where it can. */
  logs(reference: string, request: LogsRequest): { readonly tty: boolean; readonly stream: Readable };
  /** Prepares a session; conflict unless the container runs. Answers its id. */
  createExec(reference: string, request: ExecRequest): string;
  /**
   * `take` gives the client's connection, and is not called for what is refused with an ordinary answer; what fails later is told on the
   * connection. Absent: detached.
   */
  startExec(id: string, options: ExecStart, take: (() => ClientConnection) | undefined): Promise<void>;
  inspectExec(id: string): ExecRecord;
  resizeExec(id: string, rows: number, columns: number): Promise<void>;
  /** An empty signal is SIGKILL. */
  killExec(id: string, signal: string): Promise<void>;
  /** The processes as `ps` shows them; `psArguments` as for ps(1), empty: -ef. conflict when it does not run. */
  top(reference: string, psArguments: string): ContainerTopResponse;
  /** Samples of its resource usage in Docker's shape. Ends when `cancel` is aborted or the container is removed. */
  statistics(reference: string, mode: StatisticsMode, cancel: AbortSignal): AsyncIterable<ContainerStats>;
  /** Changes limits and restart policy, of a running one too. Resolves with warnings. */
  update(reference: string, request: ContainerUpdateRequest): Promise<readonly string[]>;
  /** Makes an image of it; resolves with the image's id. */
  commit(reference: string, options: CommitOptions): Promise<string>;
  /** Differences of its root file system from the image's. */
  changes(reference: string): Promise<readonly FilesystemChange[]>;
  /** A tar of its root without volumes and binds. */
  export(reference: string): Promise<Readable>;
  /** What a path in it is. not-found `Could not find the file PATH in container REF`. */
  statPath(reference: string, path: string): Promise<PathStat>;
  /** A tar of a path in it. */
  readArchive(reference: string, path: string): Promise<{ readonly stat: PathStat; readonly stream: Readable }>;
  /** Unpacks a tar of any compression into a directory of it. forbidden when that is read-only. */
  writeArchive(reference: string, request: ArchiveRequest): Promise<void>;
  // What follows with a question mark is answered 501 while it is not there.
  /** Attaches now when it runs (`network connect`), and at every start from then on. */
  connectNetwork(network: string, reference: string, settings: EndpointSettings): Promise<void>;
  /** Detaches. With `force` a missing container is no error. */
  disconnectNetwork(network: string, reference: string, force: boolean): Promise<void>;
  /** For images: which containers use an image. */
  containersOf(imageId: string): readonly { readonly id: string; readonly running: boolean }[];
  containersOfVolume(volume: string): readonly string[];
  counts(): { readonly total: number; readonly running: number; readonly paused: number; readonly stopped: number };
  /** Boot: observe, decide, apply, sweep. */
  reconcile(): Promise<void>;
  /** Shutdown of the daemon: lets the monitors go; containers run on. */
  release(): void;
}
