// Owns the removal of containers: the row goes first, with its event, and frees the name; what lies on disk goes behind it. A daemon that
// dies in between leaves only things without a row, which reconcile.ts sweeps.
import { lstat, rm } from 'node:fs/promises';
import { removeTree } from '../../addon/index.ts';
import { EngineError, invalidArgument, messageOf } from '../base/errors.ts';
import { nowNs } from '../base/time.ts';
import { parseTimestamp } from '../base/timestamp.ts';
import { unmountDisk } from '../supervisor/storage/disk.ts';
import { containerEvent, current, type Engine } from './engine.ts';
import { next, refusalError, sourcesOf } from './lifecycle.ts';
import { matchesLabels } from './list-filters.ts';
import { cgroupPath, containerDirectory, layerDirectory, runDirectory } from './paths.ts';
import { cancelRestart } from './restarts.ts';
import { layerSize } from './size.ts';
import type { ContainerRecord } from './types.ts';

export interface RemoveOptions {
  /** Anonymous volumes go too, when nobody else uses them. */
  readonly volumes: boolean;
  /** What those who wait for the removal are told. */
  readonly exitCode: number;
}

/** Removes a container that has no process. Runs under its lock. */
export async function removeUnderLock(engine: Engine, id: string, options: RemoveOptions): Promise<void> {
  const before = current(engine.table, id);
  const verdict = next(before.state, 'remove');
  if (verdict.kind === 'refuse') throw refusalError(verdict.reason, 'remove', before);
  const record = engine.table.transition(id, sourcesOf('remove'), 'removing', {});
  if (record === undefined) throw refusalError('unexpected', 'remove', before);
  await finishRemoval(engine, record, options);
}

/** From `removing` on; reconcile.ts takes up a removal here that a killed daemon left. */
export async function finishRemoval(engine: Engine, record: ContainerRecord, options: RemoveOptions): Promise<void> {
  const { id } = record;
  cancelRestart(engine, id);
  engine.pending.drop(id);
  try {
    await engine.networks.detach(id);
    if (!engine.table.remove(id, containerEvent(record, 'destroy'))) return;
  } catch (error) {
    engine.table.transition(id, sourcesOf('remove-failed'), 'dead', { error: messageOf(error) });
    throw error;
  }
  engine.live.delete(id);
  engine.logLosses.delete(id);
  engine.waiters.removed(id, { statusCode: options.exitCode });
  engine.background.run('remove files', id, () => removeFiles(engine, record));
  if (options.volumes) await removeVolumes(engine, record);
}

/** Everything that is named after the container. */
async function removeFiles(engine: Engine, record: ContainerRecord): Promise<void> {
  const { id, hostConfig } = record;
  await Promise.all([
    removeDirectory(layerDirectory(engine, id)),
    removeDirectory(containerDirectory(engine, id)),
    removeRunDirectory(engine, id),
    engine.cgroups.remove(cgroupPath(engine.instance, hostConfig.CgroupParent || engine.cgroupParent, id)),
  ]);
}

/** The monitor of a container that was just killed may still write its last record into it: then once more. */
export const removeRunDirectory = (engine: Engine, id: string): Promise<void> =>
  rm(runDirectory(engine, id), { recursive: true, force: true, maxRetries: 5 });

/** Natively: the contents were written by a container. A file system that is mounted there goes with it; a missing one is fine. */
export async function removeDirectory(path: string): Promise<void> {
  unmountDisk(path);
  const there = await lstat(path).catch(() => undefined);
  if (there !== undefined) await removeTree(path);
}

async function removeVolumes(engine: Engine, record: ContainerRecord): Promise<void> {
  for (const mount of record.mounts) {
    if (mount.type !== 'volume') continue;
    try {
      if (!engine.volumes.get(mount.name).anonymous || engine.table.ofVolume(mount.name).length > 0) continue;
      await engine.volumes.remove(mount.name, true);
    } catch (error) {
      if (error instanceof EngineError && (error.kind === 'not-found' || error.kind === 'conflict')) continue;
      engine.log.warn({ err: error, container: record.id }, `remove volume ${mount.name}: ${messageOf(error)}`);
    }
  }
}

const pruneFilters = new Set(['label', 'label!', 'until']);

/** `docker container prune`: all that do not run and match. */
export async function pruneContainers(
  engine: Engine,
  filters: Readonly<Record<string, readonly string[]>>,
): Promise<{ readonly deleted: readonly string[]; readonly reclaimed: number }> {
  for (const name of Object.keys(filters)) {
    if (!pruneFilters.has(name)) throw invalidArgument(`invalid filter '${name}'`);
  }
  const until = pruneUntil(filters.until ?? []);
  const deleted: string[] = [];
  let reclaimed = 0;
  for (const record of engine.table.inStates(['created', 'exited', 'dead'])) {
    if (until !== undefined && record.createdNs >= until) continue;
    const labels = record.config.Labels ?? {};
    if (!matchesLabels(labels, filters.label ?? [])) continue;
    if ((filters['label!'] ?? []).some((label) => matchesLabels(labels, [label]))) continue;
    const size = await layerSize(engine, record.id);
    try {
      await engine.lock.run(record.id, () =>
        removeUnderLock(engine, record.id, { volumes: false, exitCode: record.exitCode }),
      );
    } catch (error) {
      // Started or removed by somebody else meanwhile.
      engine.log.debug({ err: error, container: record.id }, `prune: ${messageOf(error)}`);
      continue;
    }
    deleted.push(record.id);
    reclaimed += size;
  }
  return { deleted, reclaimed };
}

function pruneUntil(values: readonly string[]): bigint | undefined {
  const [value, second] = values;
  if (value === undefined) return undefined;
  if (second !== undefined) throw invalidArgument('more than one until filter specified');
  try {
    return parseTimestamp(value, nowNs());
  } catch {
    throw invalidArgument(`failed to parse value as time or duration: "${value}"`);
  }
}
