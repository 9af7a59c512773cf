// Owns the SQL of the table build_cache: which image the step of a build has made. Rows in, rows out: what a key is made of is build/'s.
import type { Database } from './database.ts';

export interface BuildCacheRow {
  /** `sha256:` of all that the step depends on. */
  readonly key: string;
  readonly imageId: string;
  /** Key of the step before; empty: none. */
  readonly parent: string;
  /** The instruction. */
  readonly description: string;
  /** Bytes of its layer. */
  readonly size: number;
  readonly createdNs: bigint;
  readonly lastUsedNs: bigint;
  readonly useCount: number;
}

interface Raw {
  readonly key: string;
  readonly image_id: string;
  readonly parent: string;
  readonly description: string;
  readonly size: bigint;
  readonly created_ns: bigint;
  readonly last_used_ns: bigint;
  readonly use_count: bigint;
}

const rowOf = (raw: Raw): BuildCacheRow => ({
  key: raw.key,
  imageId: raw.image_id,
  parent: raw.parent,
  description: raw.description,
  size: Number(raw.size),
  createdNs: raw.created_ns,
  lastUsedNs: raw.last_used_ns,
  useCount: Number(raw.use_count),
});

export class BuildCacheTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(key: string): BuildCacheRow | undefined {
    const raw = this.#database.handle
      .prepare<[string], Raw>('SELECT * FROM build_cache WHERE key = ?')
      .safeIntegers(true)
      .get(key);
    return raw === undefined ? undefined : rowOf(raw);
  }

  all(): BuildCacheRow[] {
    return this.#database.handle
      .prepare<[], Raw>('SELECT * FROM build_cache ORDER BY last_used_ns')
      .safeIntegers(true)
      .all()
      .map(rowOf);
  }

  /** Takes the place of an older row of the key. */
  put(row: BuildCacheRow): void {
    this.#database.handle
      .prepare<[string, string, string, string, number, bigint, bigint, number]>(
        `INSERT OR REPLACE INTO build_cache (key, image_id, parent, description, size, created_ns, last_used_ns, use_count)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(row.key, row.imageId, row.parent, row.description, row.size, row.createdNs, row.lastUsedNs, row.useCount);
  }

  touch(key: string, nowNs: bigint): void {
    this.#database.handle
      .prepare<[bigint, string]>('UPDATE build_cache SET last_used_ns = ?, use_count = use_count + 1 WHERE key = ?')
      .run(nowNs, key);
  }

  delete(key: string): void {
    this.#database.handle.prepare<[string]>('DELETE FROM build_cache WHERE key = ?').run(key);
  }
}
