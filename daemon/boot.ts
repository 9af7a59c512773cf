// Owns what must hold before anything else: root, Node, kernel calls, directories, the lock of the data-root, the pidfile, the words to
// the service manager. Starts nothing.
import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { kernelFeatures, lockFile, notify, openPath } from '../addon/index.ts';
import { conflict, internal, invalidArgument, messageOf, unavailable } from './base/errors.ts';

/** Throws in plain words when this process cannot be a container engine. */
export function requireHost(): void {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 24)
    throw unavailable(`tsd needs Node.js 24 or newer, this is ${process.version}: start it by its launcher daemon/tsd`);
  if (process.platform !== 'linux') throw unavailable(`tsd needs Linux, this is ${process.platform}`);
  if (process.getuid?.() !== 0) {
    throw unavailable('tsd must be started as root: it makes namespaces, mounts and control groups');
  }
  const features = kernelFeatures();
  const needed = {
    'openat2 (Linux 5.6)': features.openat2,
    'open_tree (Linux 5.2)': features.openTree,
    'move_mount (Linux 5.2)': features.moveMount,
    'fsopen (Linux 5.2)': features.fsopen,
    'mount_setattr (Linux 5.12)': features.mountSetattr,
    'clone3 (Linux 5.3)': features.clone3,
    'pidfd_open (Linux 5.3)': features.pidfdOpen,
    'close_range (Linux 5.9)': features.closeRange,
  };
  const missing = Object.entries(needed)
    .filter(([, there]) => !there)
    .map(([name]) => name);
  if (missing.length > 0) {
    throw unavailable(`this kernel lacks system calls that tsd needs: ${missing.join(', ')}; the least kernel is 5.14`);
  }
}

/** What the engine itself makes in its directories. */
const ownNames: ReadonlySet<string> = new Set(['lock', 'tsd.db', 'layers', 'containers', 'staging']);

/**
 * Makes a directory that only root may enter, and answers its real path. One of the engine's that was left open is closed: users of the host
 * would reach set-user-ID programs of images (CVE-2021-41091). One that others use is refused.
 */
export function privateDirectory(path: string, option: string): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const real = realpathSync(path);
    if ((statSync(real).mode & 0o077) === 0) return real;
    const names = readdirSync(real);
    if (names.length === 0 || names.some((name) => ownNames.has(name))) {
      chmodSync(real, 0o700);
      return real;
    }
  } catch (error) {
    throw invalidArgument(`${option}: cannot make the directory ${path}: ${messageOf(error)}`, error);
  }
  throw invalidArgument(
    `${option}: ${path} is open to other users and holds files that are not the engine's: give a directory of its own, or chmod 700 it`,
  );
}

/**
 * Locks the data-root for the life of this process. Throws conflict when another daemon holds it. The lock ends with the process,
 * however it dies; the file only tells who holds it.
 */
export function lockDataRoot(dataRoot: string): void {
  const path = join(dataRoot, 'lock');
  const descriptor = openPath(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  if (!lockFile(descriptor)) {
    const holder = readFileSync(path, 'utf8').trim();
    closeSync(descriptor);
    throw conflict(
      `another tsd (pid ${holder || 'unknown'}) uses the data-root ${dataRoot}: stop it, or give this one its own --data-root`,
    );
  }
  ftruncateSync(descriptor, 0);
  writeSync(descriptor, `${process.pid}\n`);
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** Writes the pidfile; an empty path is none. Throws conflict when it names a daemon that runs. Answers how to remove it. */
export function writePidfile(path: string): () => void {
  if (path === '') return () => undefined;
  let old = '';
  try {
    old = readFileSync(path, 'utf8').trim();
  } catch {
    // There is none.
  }
  const pid = Number(old);
  if (pid > 0 && pid !== process.pid && /daemon\/main\.(ts|js)/.test(commandOf(pid))) {
    throw conflict(
      `process with PID ${pid} is still running (pidfile ${path}): stop it, or give this daemon its own --pidfile`,
    );
  }
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${process.pid}\n`, { mode: 0o644 });
  } catch (error) {
    throw internal(`cannot write the pidfile ${path}: ${messageOf(error)}`, error);
  }
  return () => {
    if (readFileSync(path, 'utf8').trim() === String(process.pid)) rmSync(path, { force: true });
  };
}

/** Tells systemd a state, when it asked to be told (sd_notify(3)). Never throws: without a listener the daemon runs as well. */
export function notifier(report: (error: unknown) => void): (state: string) => void {
  const socket = process.env.NOTIFY_SOCKET ?? '';
  delete process.env.NOTIFY_SOCKET;
  return (state) => {
    if (socket === '') return;
    try {
      notify(socket, state);
    } catch (error) {
      report(error);
    }
  };
}
