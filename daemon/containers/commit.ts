// Owns `docker commit`: what of a container's configuration an image of it gets, and the rest of its processes while the layer is read. The
// image is made by the images room.
import { join } from 'node:path';
import type { ContainerConfig } from '../../api-spec/index.ts';
import { messageOf } from '../base/errors.ts';
import { applyChanges } from '../images/changes.ts';
import { parseReference } from '../images/reference.ts';
import { containerEvent, current, type Engine, resolve } from './engine.ts';
import { hasProcess } from './lifecycle.ts';
import { mergeConfig } from './merge-config.ts';
import { layerDirectory } from './paths.ts';
import { groupOf } from './top.ts';
import type { CommitOptions, ContainerRecord } from './types.ts';

/** What an image keeps; the rest of a configuration belongs to one container. */
const kept = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'StopTimeout',
  'Healthcheck',
  'OnBuild',
  'Shell',
  'ArgsEscaped',
] as const;

/** The image's configuration: the given one (or the container's) with the changes, filled up from the container's. Pure. */
export function committedConfig(
  container: ContainerConfig,
  given: ContainerConfig | undefined,
  changes: readonly string[],
): ContainerConfig {
  const base = given !== undefined && Object.keys(given).length > 0 ? given : container;
  const merged = mergeConfig(container, applyChanges(base, changes));
  return Object.fromEntries(kept.flatMap((key) => (merged[key] === undefined ? [] : [[key, merged[key]]])));
}

/** Resolves with the image's id. The lock is held: the layer must not be used by a start or a removal meanwhile. */
export function commitContainer(engine: Engine, reference: string, options: CommitOptions): Promise<string> {
  const { id } = resolve(engine.table, reference);
  // What cannot be meant, before anything rests.
  if (options.reference !== '') parseReference(options.reference);
  return engine.lock.run(id, async () => {
    const record = current(engine.table, id);
    const config = committedConfig(record.config, options.config, options.changes);
    const imageId = await atRest(engine, record, options.pause, () =>
      engine.images.commit({
        parent: record.imageId,
        upper: join(layerDirectory(engine, id), 'diff'),
        config,
        createdBy: (record.config.Cmd ?? []).join(' '),
        author: options.author,
        comment: options.comment,
        references: options.reference === '' ? [] : [options.reference],
        action: 'create',
      }),
    );
    engine.table.tell(
      containerEvent(record, 'commit', {
        comment: options.comment,
        imageID: imageId,
        imageRef: options.reference,
      }),
    );
    return imageId;
  });
}

/** Freezes the processes for the time of `fn`, unless they are frozen already. Nobody is told: it is no pause of the user's. */
async function atRest<T>(engine: Engine, record: ContainerRecord, wanted: boolean, fn: () => Promise<T>): Promise<T> {
  if (!wanted || !hasProcess(record.state) || record.state === 'paused') return fn();
  const group = groupOf(engine, record);
  await engine.cgroups.freeze(group);
  try {
    return await fn();
  } finally {
    await engine.cgroups
      .thaw(group)
      .catch((error: unknown) =>
        engine.log.error({ err: error, container: record.id }, `thaw after commit: ${messageOf(error)}`),
      );
  }
}
