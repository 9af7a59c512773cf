// Owns the one door to C++: it alone loads the native addon, gives its calls types and turns their failures into SystemError.
// It decides nothing. A descriptor is a plain number, always close-on-exec; whoever gets one closes it.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';

/** A failed system call: which step, the error number and its name, and what it was about (a path as a rule). */
export class SystemError extends Error {
  readonly step: string;
  readonly errno: number;
  readonly code: string;
  readonly detail: string;

  constructor(step: string, errno: number, detail: string) {
    const code = errorName(errno);
    super(detail === '' ? `${step}: ${code}` : `${step}: ${code}: ${detail}`);
    this.name = 'SystemError';
    this.step = step;
    this.errno = errno;
    this.code = code;
    this.detail = detail;
  }
}

// Not getSystemErrorName: libuv knows only part of them (EBADMSG is missing). Of two names for one number the first holds (EAGAIN).
const errorNames = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** `ENOENT` for 2; `E999` for a number that this system has no name for. */
export function errorName(errno: number): string {
  return errorNames.get(errno) ?? `E${errno}`;
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ReapedProcess {
  /** 0 to 255; 128 + signal when killed by one. */
  readonly code: number;
  /** 0 when it ended by itself. */
  readonly signal: number;
}

export interface OverlayMount {
  /** Directories, top-most first. */
  readonly lower: readonly string[];
  /** Directory for what is written, with `work` on the same file system; absent: a read-only view. */
  readonly upper?: string;
  readonly work?: string;
  /** `key=value` or `flag`, e.g. `metacopy=on`. */
  readonly options?: readonly string[];
  readonly readonly?: boolean;
}

export interface FileStatus {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
}

export interface SeccompProfile {
  /** SECCOMP_RET_* without data. */
  readonly defaultAction: number;
  /** Data of the default action when it is an errno. */
  readonly defaultErrno: number;
  /** AUDIT_ARCH_*; the native one is always in. */
  readonly architectures: readonly number[];
  readonly rules: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly syscalls: readonly string[];
  /** SECCOMP_RET_* with its data. */
  readonly action: number;
  readonly args: readonly SeccompCondition[];
}

export interface SeccompCondition {
  readonly index: number;
  /** For op 7 the mask. */
  readonly value: bigint;
  /** For op 7 what is compared with. */
  readonly valueTwo: bigint;
  /** 1 not equal, 2 less, 3 less or equal, 4 equal, 5 greater or equal, 6 greater, 7 masked equal. */
  readonly op: number;
}

export interface KernelFeatures {
  readonly openat2: boolean;
  readonly mountSetattr: boolean;
  readonly openTree: boolean;
  readonly moveMount: boolean;
  readonly fsopen: boolean;
  readonly clone3: boolean;
  readonly pidfdOpen: boolean;
  readonly closeRange: boolean;
  /** Overlay layers one by one (Linux 6.7); without it at most about 14 layers. */
  readonly overlayAppend: boolean;
  readonly seccomp: boolean;
}

/** A network namespace by descriptor, with a NETLINK_ROUTE socket in it and the answers to the request that was sent there. */
export interface NetworkNamespace {
  readonly namespace: number;
  readonly netlink: number;
  readonly replies: Uint8Array;
}

/** Where an archive's bytes come from: a range of a regular file, or (without offset) everything that a pipe or socket gives. */
export interface ArchiveSource {
  readonly fd: number;
  readonly offset?: number;
  readonly length?: number;
  /**
   * Socket of whoever still writes that file (with `offset` and `length`): each byte in it says that more is there, its end that no more
   * comes. What was read goes back as positions of 8 bytes in host order, once a MiB and at the end.
   */
  readonly follow?: number;
}

export interface ArchiveLimits {
  /** Bytes after decompression; absent or 0: no limit. */
  readonly maxBytes?: number;
  /** Decompressed to compressed, looked at after the first 64 MiB. */
  readonly maxRatio?: number;
  readonly maxEntries?: number;
}

export interface UnpackRequest extends ArchiveLimits {
  readonly source: ArchiveSource;
  /** An existing empty directory. */
  readonly target: string;
  /** `overlay`: `.wh.` names become the overlay file system's whiteouts. */
  readonly whiteouts: 'overlay' | 'none';
  /** A file to make: the record that assembleLayer builds the same tar from. */
  readonly split?: string;
}

export interface UnpackedLayer {
  /** `sha256:` of the bytes as they came. */
  readonly digest: string;
  /** `sha256:` of the plain tar. */
  readonly diffId: string;
  readonly compression: 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';
  readonly compressedBytes: number;
  readonly tarBytes: number;
  /** Apparent bytes of files and symbolic links, hard links once. */
  readonly contentBytes: number;
  readonly entries: number;
  /** False: a later entry overwrote an earlier one, so that assembleLayer cannot give the same tar. */
  readonly reproducible: boolean;
  /** Extended attributes that kernel or file system refused (ENOTSUP, EPERM). */
  readonly skippedAttributes: number;
}

export interface PackRequest {
  /** A directory: below the descriptor `root` when that is given (resolved as if it were `/`), else a host path. */
  readonly path: string;
  readonly root?: number;
  /** Stands before every name and makes an entry of the directory itself; absent: names begin below it. */
  readonly prefix?: string;
  /** `overlay`: whiteouts and opaque directories become `.wh.` names. */
  readonly whiteouts: 'overlay' | 'none';
  /** File, pipe or socket. */
  readonly target: number;
}

export interface ArchiveEntry {
  readonly name: string;
  readonly link: string;
  /** `0` file, `1` hard link, `2` symbolic link, `5` directory, others as in tar. */
  readonly type: string;
  readonly size: number;
  /** Of the contents, in the spool, or in the source when that is plain. */
  readonly offset: number;
}

export interface ScannedArchive {
  readonly digest: string;
  readonly compression: string;
  readonly compressedBytes: number;
  readonly plainBytes: number;
  readonly entries: readonly ArchiveEntry[];
}

export interface TreeUsage {
  /** Apparent sizes of all but directories, hard links once. */
  readonly bytes: number;
  /** Allocated bytes, directories too. */
  readonly allocated: number;
  readonly inodes: number;
}

/** A file, directory or other entry of a tree. */
export interface TreeEntry {
  /** Below what was listed; empty: that itself. */
  readonly path: string;
  /** st_mode, type included. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; 0 for all but regular files. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Value of a symbolic link. */
  readonly link: string;
}

/** One file (or other entry) and its place. */
export interface Placement {
  /** Beneath the source root; absent with `make`. */
  readonly from?: string;
  /** Beneath the target root; links in its directories are followed inside of the root. */
  readonly to: string;
  /** Permission bits; absent: the source's. */
  readonly mode?: number;
  /** Follow a final symbolic link of `from`. */
  readonly follow?: boolean;
  /** Make the directory when it is missing; without a source. */
  readonly make?: boolean;
  /** A directory that is there already keeps owner and mode. */
  readonly keep?: boolean;
}

export interface PlaceRequest {
  /** Absent: there are only directories to be made. */
  readonly source?: number;
  readonly target: number;
  /** Absent: the source's; directories made on the way are root's then. */
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since 1970 for everything that is placed; absent: the source's times. */
  readonly mtime?: number;
  readonly files: readonly Placement[];
}

/** A view of a container's files. Paths below `root` lead through the binds while `namespace` is open; close both. */
export interface RootView {
  readonly root: number;
  readonly namespace: number;
}

export interface ViewBind {
  /** Host path. */
  readonly source: string;
  /** Below the root. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly recursive: boolean;
}

export interface LayerChange {
  readonly path: string;
  /** 0 modified, 1 added, 2 deleted. */
  readonly kind: number;
}

interface Native {
  makeRootView(root: number, staging: string, binds: readonly ViewBind[], makeTargets: boolean): Promise<RootView>;
  copyRootView(mountNamespace: number, without: readonly string[], bare: boolean): Promise<RootView>;
  packEntry(root: number, directory: string, base: string, prefix: string, target: number): Promise<number>;
  unpackInto(root: number, base: string, source: number, keepKinds: boolean, uid: number, gid: number): Promise<void>;
  compareLayers(upper: string, lower: number): Promise<readonly LayerChange[]>;
  listTree(root: number, path: string): Promise<readonly TreeEntry[] | undefined>;
  hashFiles(root: number, paths: readonly string[]): Promise<readonly string[]>;
  placeFiles(request: PlaceRequest): Promise<void>;
  unpackLayer(request: UnpackRequest): Promise<UnpackedLayer>;
  scanArchive(request: ArchiveLimits & { source: ArchiveSource; spool?: number }): Promise<ScannedArchive>;
  assembleLayer(request: {
    split: string;
    directory: string;
    target: number;
  }): Promise<{ digest: string; size: number }>;
  packTree(request: PackRequest): Promise<{ digest: string; size: number }>;
  removeTree(path: string): Promise<void>;
  measureTree(path: string): Promise<TreeUsage>;
  copyTree(root: number, path: string, target: number): Promise<boolean>;
  syncFilesystem(path: string): Promise<void>;
  configure(makeError: (step: string, errno: number, detail: string) => SystemError): void;
  socketPair(): [number, number];
  spawnMonitor(program: string, control: number, name: string): number;
  reap(pid: number): ReapedProcess | undefined;
  connectUnix(directory: string, name: string): number;
  sendFrame(fd: number, data: Uint8Array, descriptors: readonly number[]): void;
  writeAll(fd: number, data: Uint8Array): void;
  duplicate(fd: number): number;
  close(fd: number): void;
  openPath(path: string, flags: number, mode?: number): number;
  peerCredentials(fd: number): PeerCredentials;
  mountOverlay(
    lower: readonly string[],
    upper: string | undefined,
    work: string | undefined,
    options: readonly string[],
    readonly: boolean,
  ): number;
  mountFilesystem(type: string, source: string, options: readonly string[], attributes: number): number;
  cloneTree(path: string, recursive: boolean): number;
  mountImage(file: string, type: string, options: readonly string[], directory: string): void;
  unmount(path: string, flags: number): void;
  readInRoot(root: number, path: string, maxBytes: number): Uint8Array | undefined;
  openInRoot(root: number, path: string, flags: number): number;
  statInRoot(root: number, path: string, flags: number): FileStatus | undefined;
  createNetworkNamespace(request?: Uint8Array): Promise<NetworkNamespace>;
  openNetlink(namespace?: number, protocol?: number): Promise<number>;
  connectTcp(namespace: number, address: string, port: number, waits: boolean): Promise<number>;
  bindSocket(namespace: number, stream: boolean, address: string, port: number): Promise<number>;
  takeDescriptor(pid: number, number: number): number;
  netlinkTransact(fd: number, request: Uint8Array): Promise<Uint8Array>;
  boundingSet(): bigint;
  kernelFeatures(): KernelFeatures;
  setProcessLimit(pid: number, resource: number, soft: bigint, hard: bigint): void;
  notify(path: string, text: string): void;
  lockFile(fd: number): boolean;
  attachDeviceProgram(directory: string, program: Uint8Array): void;
  compileSeccomp(profile: {
    defaultAction: number;
    architectures: readonly number[];
    rules: readonly SeccompRule[];
  }): Uint8Array;
}

const outputs = findOutputs(import.meta.dirname);
const native = load();

// The build results stand in addon/build/Release below the package's root, in a checkout and in an installed package alike.
function findOutputs(start: string): string {
  for (let directory = start; ; directory = dirname(directory)) {
    const manifest = join(directory, 'package.json');
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'tsd') {
      return join(directory, 'addon', 'build', 'Release');
    }
    if (directory === dirname(directory)) throw new Error(`no package.json named "tsd" above ${start}`);
  }
}

function load(): Native {
  const path = join(outputs, 'tsd.node');
  if (!existsSync(path)) throw new Error(`the native addon is not built: ${path} is missing (run "npm run build")`);
  const loaded = createRequire(import.meta.url)(path) as Native;
  loaded.configure((step, errno, detail) => new SystemError(step, errno, detail));
  return loaded;
}

/** A connected pair of AF_UNIX stream sockets; the first one is non-blocking. socketpair(2). */
export function socketPair(): [number, number] {
  return native.socketPair();
}

/**
 * Starts a monitor process from a sealed memory file: own session, empty environment, /dev/null on 0 to 2, `control` as descriptor 3.
 * `name` is its second argument, for people who read `ps`. Returns its pid; the caller reaps it.
 */
export function spawnMonitor(control: number, name: string): number {
  return native.spawnMonitor(join(outputs, 'tsd-monitor'), control, name);
}

/** How the child `pid` ended, undefined while it runs. Call it on SIGCHLD. waitpid(2) with WNOHANG; ECHILD when it is none of ours. */
export function reap(pid: number): ReapedProcess | undefined {
  return native.reap(pid);
}

/** Connects to the socket `name` in `directory`, whatever the length of that path. Non-blocking. ENOENT, ECONNREFUSED. */
export function connectUnix(directory: string, name: string): number {
  return native.connectUnix(directory, name);
}

/** Sends all of `data`, the descriptors with its first byte; waits at most 1 s at a time for room (then ETIMEDOUT). EPIPE when the peer has gone. */
export function sendFrame(fd: number, data: Uint8Array, descriptors: readonly number[]): void {
  native.sendFrame(fd, data, descriptors);
}

/** Writes all of `data`; waits at most 1 s at a time for room (then ETIMEDOUT). */
export function writeAll(fd: number, data: Uint8Array): void {
  native.writeAll(fd, data);
}

/** fcntl(F_DUPFD_CLOEXEC). */
export function duplicate(fd: number): number {
  return native.duplicate(fd);
}

export function close(fd: number): void {
  native.close(fd);
}

/** open(2) with O_CLOEXEC added; `mode` (0600 when not given) counts with O_CREAT. */
export function openPath(path: string, flags: number, mode?: number): number {
  return native.openPath(path, flags, mode);
}

/** SO_PEERCRED of a unix socket. */
export function peerCredentials(fd: number): PeerCredentials {
  return native.peerCredentials(fd);
}

/** An overlay mount in no mount namespace (fsopen, fsconfig, fsmount). It ends with its last descriptor unless it was moved into one. */
export function mountOverlay(request: OverlayMount): number {
  return native.mountOverlay(
    request.lower,
    request.upper,
    request.work,
    request.options ?? [],
    request.readonly ?? false,
  );
}

/** A detached mount of a file system; `source` may be empty, `attributes` are MOUNT_ATTR_*. */
export function mountFilesystem(type: string, source: string, options: readonly string[], attributes: number): number {
  return native.mountFilesystem(type, source, options, attributes);
}

/** A detached copy of the mount or directory at a host path (open_tree with OPEN_TREE_CLONE). */
export function cloneTree(path: string, recursive: boolean): number {
  return native.cloneTree(path, recursive);
}

/**
 * Mounts the file system that a regular file (by a loop device that goes with the mount) or a block device holds on a directory of the host. ENODEV without that
 * file system, ENOENT without loop devices.
 */
export function mountImage(request: {
  readonly file: string;
  readonly type: string;
  readonly options?: readonly string[];
  readonly directory: string;
}): void {
  native.mountImage(request.file, request.type, request.options ?? [], request.directory);
}

/** umount2(2). */
export function unmount(path: string, flags: number): void {
  native.unmount(path, flags);
}

/**
 * The regular file at `path` below `root`, resolved as if `root` were `/` (openat2 RESOLVE_IN_ROOT, no magic links). Undefined when it
 * is missing; E2BIG when it is larger than `maxBytes`; EISDIR or EINVAL when it is no regular file. Never blocks on a FIFO.
 */
export function readInRoot(root: number, path: string, maxBytes: number): Uint8Array | undefined {
  return native.readInRoot(root, path, maxBytes);
}

/** openat2 with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS. */
export function openInRoot(root: number, path: string, flags: number): number {
  return native.openInRoot(root, path, flags);
}

/** Status of `path` below `root`, undefined when it is missing. `flags`: O_NOFOLLOW for a final symbolic link itself. */
export function statInRoot(root: number, path: string, flags: number): FileStatus | undefined {
  return native.statInRoot(root, path, flags);
}

/** The capabilities that this process may hand on, one bit each (PR_CAPBSET_READ). */
export function boundingSet(): bigint {
  return native.boundingSet();
}

/** What this kernel can do, asked by calls and never by its version. */
export function kernelFeatures(): KernelFeatures {
  return native.kernelFeatures();
}

/**
 * Compiles rules to BPF (an array of struct sock_filter) by libseccomp. System calls that it does not know are left out; ones newer than
 * all that the profile names give ENOSYS when the default is another errno, so that programs fall back.
 */
export function compileSeccomp(profile: SeccompProfile): Uint8Array {
  // SECCOMP_RET_ERRNO (0x00050000) carries the errno in its low half.
  const withErrno = profile.defaultAction === 0x0005_0000;
  return native.compileSeccomp({
    defaultAction: withErrno ? profile.defaultAction + profile.defaultErrno : profile.defaultAction,
    architectures: profile.architectures,
    rules: profile.rules,
  });
}

/**
 * Attaches a device program (struct bpf_insn[]) to a cgroup v2 directory, in place of those attached to it before. bpf(2); EPERM, EINVAL when
 * the kernel refuses the program.
 */
export function attachDeviceProgram(directory: string, program: Uint8Array): void {
  native.attachDeviceProgram(directory, program);
}

/**
 * A fresh network namespace (unshare on a worker thread, which returns to its own). `request`, a batch of netlink messages, is sent in
 * it at once. The caller closes both descriptors.
 */
export function createNetworkNamespace(request?: Uint8Array): Promise<NetworkNamespace> {
  return native.createNetworkNamespace(request);
}

/** A netlink socket with extended acknowledgements in a namespace (the daemon's when none is given); `protocol` 0 is NETLINK_ROUTE. */
export function openNetlink(namespace?: number, protocol?: number): Promise<number> {
  return native.openNetlink(namespace, protocol);
}

/**
 * A TCP connection to a numeric address of a network namespace (its loopback), made on a worker thread that is there for the moment.
 * The caller closes it; `namespace` stays open until the promise is settled. Rejects with the SystemError `connect` (ECONNREFUSED, ETIMEDOUT).
 * With `waits` false it resolves with a socket that is still connecting: for addresses further away.
 */
export function connectTcp(namespace: number, address: string, port: number, waits = true): Promise<number> {
  return native.connectTcp(namespace, address, port, waits);
}

/**
 * A UDP socket of a network namespace, or a TCP socket that listens there, on a numeric address (port 0: any), non-blocking; made on a worker
 * thread that is there for the moment. The caller closes it; `namespace` stays open until the promise is settled. Rejects with the SystemError
 * `bind` (EADDRINUSE, EADDRNOTAVAIL).
 */
export function bindSocket(namespace: number, type: 'udp' | 'tcp', address: string, port: number): Promise<number> {
  return native.bindSocket(namespace, type === 'tcp', address, port);
}

/**
 * A duplicate of descriptor `number` of another process, which the caller closes. pidfd_getfd(2); ESRCH: the process is gone, EBADF: it has no
 * such descriptor, EPERM: the host forbids it.
 */
export function takeDescriptor(pid: number, number: number): number {
  return native.takeDescriptor(pid, number);
}

/**
 * Sends a batch of netlink messages as one datagram and resolves with the raw answers when each is acknowledged or its dump has ended.
 * A refusal is part of the answers. One call at a time for one socket; at most one dump in a batch. netlink(7).
 */
export function netlinkTransact(fd: number, request: Uint8Array): Promise<Uint8Array> {
  return native.netlinkTransact(fd, request);
}

/**
 * Unpacks a tar (plain, gzip, zstd, xz or bzip2, seen by its first bytes) below `target` in one pass: digest, decompression, diff id,
 * files. A fresh thread does it with `target` as its root, so nothing outside of it can change. EBADMSG: the archive is broken or
 * hostile, `detail` says how (Docker's words where it has any); EFBIG: a limit. What was unpacked until then stays: the caller removes it.
 */
export function unpackLayer(request: UnpackRequest): Promise<UnpackedLayer> {
  return native.unpackLayer(request);
}

/** Lists a tar of any compression; writes it, decompressed, to the descriptor `spool`. EBADMSG and EFBIG as unpackLayer. */
export function scanArchive(
  request: ArchiveLimits & { readonly source: ArchiveSource; readonly spool?: number },
): Promise<ScannedArchive> {
  return native.scanArchive(request);
}

/** Writes the tar that a layer was unpacked from, byte for byte, to the descriptor `target`. */
export function assembleLayer(request: {
  readonly split: string;
  readonly directory: string;
  readonly target: number;
}): Promise<{ readonly digest: string; readonly size: number }> {
  return native.assembleLayer(request);
}

/**
 * Writes a directory as a tar: pax where needed, names sorted, whole seconds, capabilities and user.* attributes, so that the same tree gives
 * the same bytes. Follows no link.
 */
export function packTree(request: PackRequest): Promise<{ readonly digest: string; readonly size: number }> {
  return native.packTree(request);
}

/** Removes a file, or a directory with all that is below it, never through a symbolic link. Missing is no error. */
export function removeTree(path: string): Promise<void> {
  return native.removeTree(path);
}

export function measureTree(path: string): Promise<TreeUsage> {
  return native.measureTree(path);
}

/**
 * Copies what is below `path` (reached beneath the descriptor `root`) into the directory `target`, with owners, modes, times, extended
 * attributes, hard links and holes; the directory's own too. False when `path` is missing or no directory.
 */
export function copyTree(root: number, path: string, target: number): Promise<boolean> {
  return native.copyTree(root, path, target);
}

/**
 * `path` beneath the descriptor `root` (a final link followed inside of it) and all that is below it, no link followed. Names are sorted by
 * bytes, a directory comes before what it holds. Undefined when there is nothing.
 */
export function listTree(root: number, path: string): Promise<readonly TreeEntry[] | undefined> {
  return native.listTree(root, path);
}

/** `sha256:` of the contents of regular files beneath `root`; empty for what is none. */
export function hashFiles(root: number, paths: readonly string[]): Promise<readonly string[]> {
  return native.hashFiles(root, paths);
}

/**
 * Copies single entries from beneath one root to beneath another, in order, with owner and mode as asked, times, attributes and hard links
 * among them. What stands in the way is replaced; ENOTDIR or EISDIR when a directory meets a file. Directories are not copied with their
 * contents.
 */
export function placeFiles(request: PlaceRequest): Promise<void> {
  return native.placeFiles(request);
}

/**
 * The detached mount `root` with binds on it, in a mount namespace where nobody lives. Targets are reached beneath the root; missing ones
 * are made with `makeTargets` (the mount must be writable), else their binds are left out. `staging` is an empty host directory.
 */
export function makeRootView(
  root: number,
  staging: string,
  binds: readonly ViewBind[],
  makeTargets: boolean,
): Promise<RootView> {
  return native.makeRootView(root, staging, binds, makeTargets);
}

/**
 * A copy of the mounts of a process, by its mount namespace (/proc/PID/ns/mnt), in a namespace where nobody lives: what the process sees,
 * without the mounts that stand at the names `without` in `/`. `bare`: the mount of its root alone.
 */
export function copyRootView(mountNamespace: number, without: readonly string[], bare: boolean): Promise<RootView> {
  return native.copyRootView(mountNamespace, without, bare);
}

/**
 * Writes a tar of what is at `directory` below `root` (links are followed inside of the root): with `base` only that entry of it, of any kind
 * and as itself; else the directory with `prefix` as the name of its top entry. Resolves with its bytes.
 */
export function packEntry(request: {
  readonly root: number;
  readonly directory: string;
  readonly base?: string;
  readonly prefix?: string;
  readonly target: number;
}): Promise<number> {
  return native.packEntry(request.root, request.directory, request.base ?? '', request.prefix ?? '', request.target);
}

/**
 * Unpacks a tar of any compression below `root`, which becomes the root of the thread that does it, in the directory `base` (a path
 * without links and without a leading slash). `keepKinds`: EBADMSG when a directory would replace something else or the other way round.
 * Whoever changes the tree meanwhile leads nothing out of the root.
 */
export function unpackInto(request: {
  readonly root: number;
  readonly base: string;
  readonly source: number;
  readonly keepKinds: boolean;
  /** Owner of everything, instead of the archive's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}): Promise<void> {
  const { root, base, source, keepKinds, owner } = request;
  return native.unpackInto(root, base, source, keepKinds, owner?.uid ?? -1, owner?.gid ?? -1);
}

/** What the upper directory of an overlay changes of the view `lower` of the layers below it, sorted by path. */
export function compareLayers(upper: string, lower: number): Promise<readonly LayerChange[]> {
  return native.compareLayers(upper, lower);
}

/** syncfs(2) of the file system that holds `path`. */
export function syncFilesystem(path: string): Promise<void> {
  return native.syncFilesystem(path);
}

/** One datagram to a service manager's socket (`@` at the front: an abstract name). sd_notify(3). */
export function notify(path: string, text: string): void {
  native.notify(path, text);
}

/**
 * Sets a limit (RLIMIT_* by number) of another process; -1n is unlimited. One that has gone is no error. prlimit(2): EPERM above a hard limit
 * without the capability.
 */
export function setProcessLimit(pid: number, resource: number, soft: bigint, hard: bigint): void {
  native.setProcessLimit(pid, resource, soft, hard);
}

/** Takes an exclusive lock on an open file without waiting; false when another process holds it. It ends with the descriptor. flock(2). */
export function lockFile(fd: number): boolean {
  return native.lockFile(fd);
}
