// Owns the cache of steps: what a key is made of, hits and records. A hit needs a key of this machine's own table: the config of an image
// from elsewhere never makes one.
import { sha256 } from '../base/ids.ts';
import { nowNs } from '../base/time.ts';
import type { Images } from '../images/types.ts';
import type { BuildCacheRow, BuildCacheTable } from '../store/build-cache.ts';

/** Changes when the meaning of a step changes: old keys then hit no more. */
const FORM = 1;

/** Everything that a step depends on. */
export interface StepKey {
  /** Image that the step stands on; empty for scratch. */
  readonly parent: string;
  readonly keyword: string;
  /** With variables put in, as history shows it. */
  readonly createdBy: string;
  /** Digests of files, mounts, options; in a fixed order. */
  readonly inputs: readonly string[];
}

export const keyOf = (step: StepKey): string =>
  sha256(JSON.stringify([FORM, step.parent, step.keyword, step.createdBy, ...step.inputs]));

export class BuildCache {
  readonly #table: BuildCacheTable;
  readonly #images: Images;
  readonly #keys = new Map<string, string>();

  constructor(table: BuildCacheTable, images: Images) {
    this.#table = table;
    this.#images = images;
  }

  /** Id of the image that the step has made before. */
  find(key: string): string | undefined {
    const row = this.#table.get(key);
    if (row === undefined || this.#images.byId(row.imageId) === undefined) return undefined;
    this.#table.touch(key, nowNs());
    this.#keys.set(row.imageId, key);
    return row.imageId;
  }

  record(key: string, imageId: string, parentImage: string, description: string, size: number): void {
    const now = nowNs();
    this.#table.put({
      key,
      imageId,
      parent: this.#keys.get(parentImage) ?? '',
      description,
      size,
      createdNs: now,
      lastUsedNs: now,
      useCount: 1,
    });
    this.#keys.set(imageId, key);
  }

  /** The longest unused first. */
  all(): readonly BuildCacheRow[] {
    return this.#table.all();
  }

  delete(row: BuildCacheRow): void {
    this.#table.delete(row.key);
    this.#keys.delete(row.imageId);
  }
}
