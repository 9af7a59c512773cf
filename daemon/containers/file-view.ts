// Owns the ways to a container's files from outside: which view a container in which state has, and how long it lives. What is done in a
// view is files.ts's.
import { constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { close, copyRootView, makeRootView, openPath, type RootView, type ViewBind } from '../../addon/index.ts';
import { conflict } from '../base/errors.ts';
import { startTicksOf } from '../supervisor/process/proc.ts';
import type { Engine } from './engine.ts';
import { hasProcess } from './lifecycle.ts';
import { containerDirectory, stagingDirectory } from './paths.ts';
import { mountRoot, mountRootReadOnly } from './rootfs.ts';
import type { ContainerRecord } from './types.ts';

/** Kernel file systems of a running container: what they show is no file that could be copied. */
const kernelMounts = ['proc', 'sys', 'dev'];

/** `bare`: the root without volumes and binds. `write`: a stopped container's lock is held as long as the view is there. */
export type ViewPurpose = 'read' | 'write' | 'bare';

/** Runs `use` in a view and takes the view away afterwards. For a stopped container and `write` the caller holds the lock. */
export async function withView<T>(
  engine: Engine,
  record: ContainerRecord,
  purpose: ViewPurpose,
  use: (root: number) => Promise<T>,
): Promise<T> {
  const view = await openView(engine, record, purpose);
  try {
    return await use(view.root);
  } finally {
    closeView(view);
  }
}

export function closeView({ root, namespace }: RootView): void {
  close(root);
  close(namespace);
}

/** The caller closes it. */
export function openView(engine: Engine, record: ContainerRecord, purpose: ViewPurpose): Promise<RootView> {
  return hasProcess(record.state) ? runningView(record, purpose) : stoppedView(engine, record, purpose);
}

/** A copy of the container's own mounts: what its processes see, files being written and all. */
async function runningView({ id, pid, startTime }: ContainerRecord, purpose: ViewPurpose): Promise<RootView> {
  const namespace = openPath(`/proc/${pid}/ns/mnt`, constants.O_RDONLY);
  try {
    // The pid may have been given to somebody else meanwhile; with the descriptor open it no longer matters.
    if (startTicksOf(pid) !== Number(startTime)) throw conflict(`container ${id} is not running`);
    return await copyRootView(namespace, kernelMounts, purpose === 'bare');
  } finally {
    close(namespace);
  }
}

async function stoppedView(engine: Engine, record: ContainerRecord, purpose: ViewPurpose): Promise<RootView> {
  const layers = engine.images.lowerDirectories(record.imageId);
  const staging = stagingDirectory(engine);
  const binds = purpose === 'bare' ? [] : bindsOf(engine, record);
  const view = async (root: number, makeTargets: boolean): Promise<RootView> => {
    try {
      return await makeRootView(root, staging, binds, makeTargets);
    } finally {
      close(root);
    }
  };
  if (purpose === 'write') return view(mountRoot(engine, record.id, layers), true);
  return view(mountRootReadOnly(engine, record.id, layers), false);
}

/** Volumes and binds as the next start would mount them, and the files that the engine keeps for the container. */
function bindsOf(engine: Engine, record: ContainerRecord): readonly ViewBind[] {
  const own = containerDirectory(engine, record.id);
  const kept = new Set(readdirSync(own));
  const files = ['hostname', 'hosts', 'resolv.conf']
    .filter((name) => kept.has(name))
    .map((name) => ({ source: join(own, name), target: `/etc/${name}`, readOnly: false, recursive: false }));
  const binds = record.mounts.flatMap((mount): ViewBind[] => {
    if (mount.type !== 'bind' && mount.type !== 'volume') return [];
    const source = mount.type === 'volume' ? volumeDirectory(engine, mount.name) : mount.source;
    return source === undefined ? [] : [{ source, target: mount.destination, readOnly: !mount.rw, recursive: true }];
  });
  return [...files, ...binds].sort((a, b) => a.target.split('/').length - b.target.split('/').length);
}

/** Undefined for a volume that was removed by force: the next start makes it again, empty. */
function volumeDirectory(engine: Engine, name: string): string | undefined {
  try {
    return engine.volumes.get(name).mountpoint;
  } catch {
    return undefined;
  }
}
