// Owns what a spec has to ask the host for: device nodes and processor lists. The interface is what spec.ts sees; the real one reads /dev
// and /sys, tests give their own.
import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { invalidArgument } from '../base/errors.ts';
import type { OciDevice } from './oci-spec.ts';

export interface HostLookup {
  /**
   * The device node at a host path, or all below it when it is a directory, with their host paths. Links are followed. Throws invalid-argument
   * in Docker's words when there is none.
   */
  devices(path: string): readonly OciDevice[];
  /** Every node of the host's /dev but what a container has of its own (pts, shm, mqueue, console, …). */
  allDevices(): readonly OciDevice[];
  /** Number of the block device at a host path. */
  blockDevice(path: string): { readonly major: number; readonly minor: number };
  /** Processors that are online and memory nodes, as lists (`0-3`). */
  cpus(): string;
  memoryNodes(): string;
  /** Host paths that are hidden by default and depend on the number of processors. */
  thermalPaths(): readonly string[];
}

const S_IFMT = 0o170000;
const S_IFBLK = 0o060000;
const S_IFCHR = 0o020000;

/** Of a dev_t as Linux packs it (makedev(3)). */
export function deviceNumber(rdev: number): { readonly major: number; readonly minor: number } {
  const low = rdev % 2 ** 32;
  const high = Math.floor(rdev / 2 ** 32);
  const major = ((low >>> 8) & 0xfff) + (high & 0xfffff000);
  const minor = (low & 0xff) + ((low >>> 12) & 0xfff00);
  return { major, minor };
}

function nodeOf(path: string, stat: Stats): OciDevice | undefined {
  const kind = stat.mode & S_IFMT;
  if (kind !== S_IFBLK && kind !== S_IFCHR) return undefined;
  return {
    path,
    type: kind === S_IFBLK ? 'b' : 'c',
    ...deviceNumber(stat.rdev),
    fileMode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
  };
}

function walk(directory: string, skip: ReadonlySet<string>, found: OciDevice[]): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (skip.has(entry.name)) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      walk(path, skip, found);
    } else if (entry.isBlockDevice() || entry.isCharacterDevice()) {
      const stat = statSync(path, { throwIfNoEntry: false });
      const node = stat === undefined ? undefined : nodeOf(path, stat);
      if (node !== undefined) found.push(node);
    }
  }
}

const ownDirectories: ReadonlySet<string> = new Set([
  'pts',
  'shm',
  'fd',
  'mqueue',
  '.lxc',
  '.lxd-mounts',
  '.udev',
  'console',
  'ptmx',
]);

function readText(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return otherwise;
  }
}

function devicesAt(path: string): readonly OciDevice[] {
  const refuse = (reason: string): Error =>
    invalidArgument(`error gathering device information while adding custom device "${path}": ${reason}`);
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    throw error instanceof Error && 'code' in error && error.code === 'ENOENT'
      ? refuse('no such file or directory')
      : refuse(String(error));
  }
  const stat = statSync(real);
  if (!stat.isDirectory()) {
    const node = nodeOf(path, stat);
    if (node === undefined) throw refuse('not a device node');
    return [node];
  }
  const found: OciDevice[] = [];
  walk(real, new Set(), found);
  if (found.length === 0) throw refuse('not a device node');
  return found.map((node) => ({ ...node, path: join(path, node.path.slice(real.length)) }));
}

/** The lookup on this machine; nothing is cached, devices come and go. */
export function hostLookup(): HostLookup {
  return {
    devices: devicesAt,
    allDevices() {
      const found: OciDevice[] = [];
      walk('/dev', ownDirectories, found);
      return found;
    },
    blockDevice(path) {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) throw invalidArgument(`stat ${path}: no such file or directory`);
      if ((stat.mode & S_IFMT) !== S_IFBLK) throw invalidArgument(`${path} is not a block device`);
      return deviceNumber(stat.rdev);
    },
    cpus: () => readText('/sys/devices/system/cpu/online', '0'),
    memoryNodes: () => readText('/sys/devices/system/node/online', '0'),
    thermalPaths: () =>
      readText('/sys/devices/system/cpu/possible', '')
        .split(',')
        .flatMap(rangeOf)
        .map((cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`)
        .filter((path) => statSync(path, { throwIfNoEntry: false }) !== undefined),
  };
}

function rangeOf(text: string): readonly number[] {
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  if (first === undefined) return [];
  const from = Number(first);
  return Array.from({ length: Number(last ?? first) - from + 1 }, (_, index) => from + index);
}
