// Owns the contract of the runtime room: what a launch needs and what a running container offers. No mechanism here.
import type { ContainerConfig, HostConfig } from '../../api-spec/index.ts';

/** The user of a process, resolved against the container's own passwd and group files. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, without duplicates, the primary group included only when the files or the request name it. */
  readonly additionalGids: readonly number[];
  readonly home: string;
  readonly name: string;
}

/** A detached mount of the daemon's: what is to be mounted, whatever becomes of its path. */
export interface MountTree {
  /** The caller closes it after the launch. */
  readonly descriptor: number;
  readonly directory: boolean;
}

/** A bind or volume whose source is a host path, or a tree that the daemon has taken already. */
export interface BindMount {
  /** With `tree`: for messages alone. */
  readonly source: string;
  readonly tree?: MountTree;
  readonly target: string;
  readonly readOnly: boolean;
  /** Read-only for mounts below the source too (default true when readOnly, as Docker 25+). */
  readonly recursiveReadOnly: boolean;
  /** Mounts below the source come along. */
  readonly recursive: boolean;
  readonly propagation: 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';
}

export interface TmpfsMount {
  readonly target: string;
  readonly options: readonly string[];
}

/** Everything that decides a container's OCI spec. Pure data; runtime/spec.ts turns it into the spec. */
export interface SpecInput {
  readonly id: string;
  /** Config after the merge with the image's. */
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly user: ResolvedUser;
  /** Entrypoint and command as one argv, not empty. */
  readonly args: readonly string[];
  /** Complete environment, defaults (PATH, HOSTNAME, HOME, TERM) included. */
  readonly env: readonly string[];
  readonly hostname: string;
  readonly domainname: string;
  /** Order matters: parents before children is made by the spec, later entries win for equal targets. */
  readonly binds: readonly BindMount[];
  readonly tmpfs: readonly TmpfsMount[];
  /** Path below each hierarchy's root, e.g. `/tsd-1a2b3c4d/<id>`. */
  readonly cgroupPath: string;
  readonly network: 'own' | 'host';
  /** Pid of the first process of the container whose namespace is joined (`PidMode`, `IpcMode` `container:REF`). */
  readonly joinPid?: number;
  readonly joinIpc?: number;
  readonly host: HostFeatures;
}

/** What this kernel and this daemon can do; measured once at boot. */
export interface HostFeatures {
  readonly boundingSet: bigint;
  readonly seccomp: boolean;
  readonly apparmor: boolean;
  readonly selinux: boolean;
  readonly cgroup: 'v1' | 'v2' | 'hybrid';
  readonly cgroupControllers: readonly string[];
  readonly kernelRelease: string;
}

export interface LogOptions {
  readonly driver: 'json-file' | 'none';
  /** Bytes a file; 0 is unlimited. */
  readonly maxSize: number;
  readonly maxFile: number;
  /** Put as `attrs` into each record; empty: none. */
  readonly attrs: Readonly<Record<string, string>>;
}

/** A client connection handed over as a descriptor; the runtime owns and closes it from here on. */
export interface AttachRequest {
  readonly descriptor: number;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Docker's 8-byte frames (no terminal). */
  readonly multiplexed: boolean;
  /** Bytes that the monitor writes to the client first (the HTTP answer), when nobody has yet. */
  readonly greeting?: Uint8Array;
  /** Stdin bytes that had arrived with the request. */
  readonly input?: Uint8Array;
  /** Detach key sequence as bytes; empty: none. */
  readonly detachKeys: Uint8Array;
}

export interface LaunchInput {
  readonly spec: SpecInput;
  /** Detached overlay mount of the container's root; duplicated into the monitor, the caller keeps its own. */
  readonly rootDescriptor: number;
  /** Network namespace, absent when the container shares the host's. The caller keeps its own. */
  readonly networkNamespace?: number;
  /** Host paths, both exist, 0700. */
  readonly runDirectory: string;
  readonly logDirectory: string;
  /** An empty host directory, see plan op `root`. */
  readonly stagingDirectory: string;
  readonly log: LogOptions;
  /** Rows and columns of the terminal at start, from HostConfig.ConsoleSize. */
  readonly consoleSize?: readonly [number, number];
  /** Clients that came before the start; attached before `go`. */
  readonly attaches: readonly AttachRequest[];
}

export interface ExitRecord {
  /** 0 to 255; 128 + signal when killed by one. */
  readonly code: number;
  /** 0 when it ended by itself. */
  readonly signal: number;
  readonly finishedAt: bigint;
  readonly pid: number;
  /** True when the monitor died and nobody could see how PID 1 ended. */
  readonly monitorLost: boolean;
}

export interface Started {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: with the pid it names one process of this boot. */
  readonly startTime: bigint;
  readonly startedAt: bigint;
}

export interface ExecInput {
  readonly execId: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: ResolvedUser;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly privileged: boolean;
  readonly consoleSize?: readonly [number, number];
  readonly attaches: readonly AttachRequest[];
  /** A client of `attaches` has gone: `keys`, `eof` or `error`. */
  readonly onDetached?: (reason: string) => void;
  /** Of the container, as it was started. */
  readonly spec: SpecInput;
}

/** A running container, by its monitor. Signals and exec go through the monitor, which is PID 1's parent: no pid can be mistaken. */
export interface LogLoss {
  /** Of records. */
  readonly bytes: number;
  /** Name of the last error, `ENOSPC`. */
  readonly error: string;
}

export interface ContainerProcess {
  readonly started: Started;
  readonly monitorPid: number;
  /** Resolves once, after the exit record is on disk. Never rejects. */
  readonly exited: Promise<ExitRecord>;
  /** Output that could not be written to the log, so far; undefined: all was. */
  readonly logLoss?: LogLoss | undefined;
  attach(request: AttachRequest, onDetached?: (reason: string) => void): void;
  signal(signal: number): void;
  resize(rows: number, columns: number): void;
  /**
   * Rejects with a LaunchError when it cannot be started. The clients' connections are then closed here without a shutdown: whoever kept a
   * duplicate can still write to them.
   */
  exec(input: ExecInput): Promise<ExecProcess>;
  /** What the monitor of an adopted container still ran when it was found, by exec id; empty for one that was launched here. */
  readonly sessions: ReadonlyMap<string, ExecProcess>;
  /** The monitor keeps duplicates of the descriptors, in the place of those before, for a later daemon. The caller keeps its own. */
  hold(descriptors: readonly number[]): void;
  /** Duplicates of what the monitor of an adopted container held when it was found, which the caller closes; empty the second time. */
  takeHeld(): readonly number[];
  /** Lets go of the monitor without touching the container (shutdown of the daemon). */
  release(): void;
}

export interface ExecProcess {
  /** On the host; 0 while an adopted session is still being started. */
  readonly pid: number;
  /** Resolves once, after the session's exit record is on disk. Never rejects. */
  readonly exited: Promise<{ readonly code: number; readonly signal: number }>;
  attach(request: AttachRequest): void;
  signal(signal: number): void;
  resize(rows: number, columns: number): void;
}

/** What is found of a container when the daemon starts; containers/reconcile.ts decides on it. */
export type Observation =
  | { readonly kind: 'running'; readonly process: ContainerProcess }
  | { readonly kind: 'exited'; readonly record: ExitRecord; readonly startedAt: bigint }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'gone' };

export interface Runtime {
  /**
   * Makes the cgroup at `spec.cgroupPath` with the limits of `spec.hostConfig` (the caller removes it after the exit, by Cgroups.remove),
   * starts the monitor and runs the plan. Resolves when PID 1 has called execve; rejects with a LaunchError (runtime/launch-error.ts:
   * an EngineError with `exitCode` 126, 127 or 128) in Docker's words, then nothing is left behind but the directories.
   */
  launch(input: LaunchInput): Promise<ContainerProcess>;
  /** Looks at the run directory of a container that an earlier daemon started: monitor socket, pid file, exit record. */
  observe(runDirectory: string, id: string): Promise<Observation>;
  /** Fails with kind invalid-argument when the spec cannot be built (bad capability, sysctl, …): called at create. */
  validate(input: SpecInput): void;
  /**
   * Writes the limits of a changed HostConfig to the cgroup of a running container, all or none (invalid-argument names what was refused).
   * Devices stay as they were at the start.
   */
  update(input: SpecInput): void;
  /** What of the request this host cannot do, as sentences for the `Warnings` of the create answer. */
  warnings(input: SpecInput): readonly string[];
}
