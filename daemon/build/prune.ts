// Owns `docker builder prune`: which records of the cache go, and the images and cache mounts that go with them. Images that somebody has
// named, uses or builds on stay.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { measureTree, removeTree } from '../../addon/index.ts';
import { EngineError, invalidArgument } from '../base/errors.ts';
import { nowNs } from '../base/time.ts';
import { parseTimestamp } from '../base/timestamp.ts';
import type { Images } from '../images/types.ts';
import type { BuildCacheRow } from '../store/build-cache.ts';
import type { EventTable } from '../store/events.ts';
import type { BuildCache } from './cache.ts';
import type { Builds } from './types.ts';

type Request = Parameters<Builds['prune']>[0];

interface Parts {
  readonly cache: BuildCache;
  readonly images: Images;
  readonly events: EventTable;
  readonly inUse: ReadonlySet<string>;
  readonly mounts: { readonly cacheRoot: string; readonly busy: ReadonlyMap<string, number> };
}

const known = ['until', 'unused-for', 'id', 'parent', 'description', 'inuse', 'shared', 'private', 'type'];

export async function pruneCache(parts: Parts, request: Request): ReturnType<Builds['prune']> {
  for (const key of Object.keys(request.filters)) {
    if (!known.includes(key)) throw invalidArgument(`invalid filter '${key}'`);
  }
  const now = nowNs();
  const limits = [...(request.filters.until ?? []), ...(request.filters['unused-for'] ?? [])].map((text) =>
    parseTimestamp(text, now),
  );
  const rows = parts.cache.all();
  let left = rows.reduce((sum, row) => sum + row.size, 0);
  const chosen: BuildCacheRow[] = [];
  for (const row of rows) {
    if (request.keepBytes > 0 && left <= request.keepBytes) break;
    if (parts.inUse.has(row.imageId) || limits.some((limit) => row.lastUsedNs > limit)) continue;
    if (!matches(row, request.filters)) continue;
    parts.cache.delete(row);
    chosen.push(row);
    left -= row.size;
  }
  const deleted = chosen.map((row) => row.key.slice('sha256:'.length));
  let reclaimed = await removeImages(parts.images, chosen);
  if (request.keepBytes === 0 && Object.keys(request.filters).every((key) => key === 'until' || key === 'unused-for')) {
    reclaimed += await pruneMounts(parts, limits);
  }
  parts.events.append({ type: 'builder', action: 'prune', actorId: '', attributes: { reclaimed: String(reclaimed) } });
  return { deleted, reclaimed };
}

function matches(row: BuildCacheRow, filters: Request['filters']): boolean {
  const id = row.key.slice('sha256:'.length);
  const some = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters[key] ?? [];
    return values.length === 0 || values.some(test);
  };
  return (
    some('id', (value) => id.startsWith(value)) &&
    some('parent', (value) => row.parent.slice('sha256:'.length).startsWith(value)) &&
    some('description', (value) => row.description.includes(value)) &&
    some('type', (value) => value === 'regular')
  );
}

/** Removes those images that were nothing but steps of builds, the last steps first. Answers the bytes of their layers. */
async function removeImages(images: Images, rows: readonly BuildCacheRow[]): Promise<number> {
  let reclaimed = 0;
  let left = [...rows].reverse();
  for (let before = left.length + 1; left.length < before; ) {
    before = left.length;
    const kept: BuildCacheRow[] = [];
    for (const row of left) {
      if (await removeImage(images, row.imageId)) reclaimed += row.size;
      else kept.push(row);
    }
    left = kept;
  }
  return reclaimed;
}

/** True when it is gone. What somebody has named, uses or builds on stays. */
async function removeImage(images: Images, id: string): Promise<boolean> {
  const image = images.byId(id);
  if (image === undefined) return true;
  if (image.repoTags.length > 0 || image.repoDigests.length > 0) return false;
  try {
    await images.remove(id, { force: false, prune: false });
    return true;
  } catch (error) {
    if (error instanceof EngineError && (error.kind === 'conflict' || error.kind === 'not-found')) return false;
    throw error;
  }
}

async function pruneMounts({ mounts }: Parts, limits: readonly bigint[]): Promise<number> {
  let reclaimed = 0;
  for (const name of readdirSync(mounts.cacheRoot)) {
    const path = join(mounts.cacheRoot, name);
    const changed = BigInt(Math.floor(statSync(path).mtimeMs)) * 1_000_000n;
    if (mounts.busy.has(name) || limits.some((limit) => changed > limit)) continue;
    reclaimed += (await measureTree(path)).bytes;
    await removeTree(path);
  }
  return reclaimed;
}
