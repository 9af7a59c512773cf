// Owns the host side of a container's binds and volumes at start: sources made or refused, volumes found and filled. What they mean for the
// spec is spec-input.ts's.
import { mkdirSync, statSync } from 'node:fs';
import { EngineError, invalidArgument, messageOf } from '../base/errors.ts';
import type { BindMount } from '../runtime/types.ts';
import type { Volume } from '../volumes/types.ts';
import type { Engine } from './engine.ts';
import { bindMount, createsSource } from './spec-input.ts';
import type { ContainerRecord, MountPoint } from './types.ts';

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;

/** Binds in the order of the record. `root`: the container's root, from which empty volumes are filled. */
export async function prepareBinds(
  engine: Engine,
  record: ContainerRecord,
  root: number,
): Promise<readonly BindMount[]> {
  const binds: BindMount[] = [];
  for (const mount of record.mounts) {
    if (mount.type === 'tmpfs') continue;
    const source = mount.type === 'volume' ? await volumeSource(engine, mount, root) : hostSource(record, mount);
    binds.push(bindMount(record.hostConfig, mount, source));
  }
  return binds;
}

function hostSource(record: ContainerRecord, mount: MountPoint): string {
  if (exists(mount.source)) return mount.source;
  if (!createsSource(record.hostConfig, mount)) {
    throw invalidArgument(`invalid mount config for type "bind": bind source path does not exist: ${mount.source}`);
  }
  try {
    mkdirSync(mount.source, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new EngineError(
      'internal',
      `error while creating mount source path '${mount.source}': ${messageOf(error)}`,
      error,
    );
  }
  return mount.source;
}

async function volumeSource(engine: Engine, mount: MountPoint, root: number): Promise<string> {
  const volume = await volumeOf(engine, mount);
  if (mount.copyUp) await engine.volumes.populate(volume.name, root, mount.destination);
  return volume.mountpoint;
}

/** A volume that was removed by force meanwhile is made again, as Docker does. */
async function volumeOf(engine: Engine, mount: MountPoint): Promise<Volume> {
  try {
    return engine.volumes.get(mount.name);
  } catch (error) {
    if (!(error instanceof EngineError) || error.kind !== 'not-found') throw error;
    return engine.volumes.create({ name: mount.name, driver: mount.driver, labels: {}, options: {} });
  }
}
