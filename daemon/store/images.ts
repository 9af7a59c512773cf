// Owns the SQL of the tables images, image_references, image_layers and layers. Rows in, rows out: what they mean is images/'s.
import type BetterSqlite from 'better-sqlite3';
import type { Database } from './database.ts';

export interface LayerRow {
  /** `sha256:` of parent chain id and diff id; the name of its directory. */
  readonly chainId: string;
  readonly diffId: string;
  /** Chain id of the layer below; empty for the lowest. */
  readonly parent: string;
  /** Bytes of its files. */
  readonly size: number;
  /** Bytes of its plain tar. */
  readonly tarSize: number;
  /** Its tar can be built again from its directory and split record. */
  readonly reproducible: boolean;
  /** Its tar is kept beside it, because it cannot be built again. */
  readonly keptTar: boolean;
  readonly createdNs: bigint;
  /** The boot whose page cache may still hold what is not on the disk; empty: it is on the disk. */
  readonly unsyncedBoot: string;
}

export interface ImageRow {
  readonly id: string;
  /** The config JSON, byte for byte: the id is its digest. */
  readonly config: Uint8Array;
  readonly parent: string;
  readonly addedNs: bigint;
  readonly lastTaggedNs: bigint;
  /** Removed by force while stopped containers need its layers: it has no name and no one lists it. */
  readonly removed: boolean;
}

export interface ReferenceRow {
  /** Complete name: `docker.io/library/busybox:latest` or `…@sha256:…`. */
  readonly name: string;
  readonly imageId: string;
}

interface RawLayer {
  readonly chain_id: string;
  readonly diff_id: string;
  readonly parent: string;
  readonly size: bigint;
  readonly tar_size: bigint;
  readonly reproducible: bigint;
  readonly kept_tar: bigint;
  readonly created_ns: bigint;
  readonly unsynced_boot: string;
}

interface RawImage {
  readonly id: string;
  readonly config: Uint8Array;
  readonly parent: string;
  readonly added_ns: bigint;
  readonly last_tagged_ns: bigint;
  readonly removed: bigint;
}

interface RawReference {
  readonly name: string;
  readonly image_id: string;
}

const layerOf = (raw: RawLayer): LayerRow => ({
  chainId: raw.chain_id,
  diffId: raw.diff_id,
  parent: raw.parent,
  size: Number(raw.size),
  tarSize: Number(raw.tar_size),
  reproducible: raw.reproducible !== 0n,
  keptTar: raw.kept_tar !== 0n,
  createdNs: raw.created_ns,
  unsyncedBoot: raw.unsynced_boot,
});

const imageOf = (raw: RawImage): ImageRow => ({
  id: raw.id,
  config: raw.config,
  parent: raw.parent,
  addedNs: raw.added_ns,
  lastTaggedNs: raw.last_tagged_ns,
  removed: raw.removed !== 0n,
});

const referenceOf = (raw: RawReference): ReferenceRow => ({ name: raw.name, imageId: raw.image_id });

type Value = string | number | bigint | Uint8Array;
type Statement = BetterSqlite.Statement<Value[]>;

/** Statements of one connection, prepared at their first use. */
class Statements {
  readonly #database: Database;
  readonly #prepared = new Map<string, Statement>();

  constructor(database: Database) {
    this.#database = database;
  }

  run(sql: string, ...values: Value[]): number {
    return this.#statement(sql).run(...values).changes;
  }

  rows<T>(sql: string, ...values: Value[]): T[] {
    return this.#statement(sql)
      .safeIntegers(true)
      .all(...values) as T[];
  }

  #statement(sql: string): Statement {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database.handle.prepare<Value[]>(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}

export class ImageTable {
  readonly #statements: Statements;

  constructor(database: Database) {
    this.#statements = new Statements(database);
  }

  /** Keeps an existing row, but takes the mark `removed` off it. */
  insert(row: Omit<ImageRow, 'removed'>, chainIds: readonly string[]): void {
    const fresh = this.#statements.run(
      'INSERT INTO images (id, config, parent, added_ns, last_tagged_ns) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      row.id,
      row.config,
      row.parent,
      row.addedNs,
      row.lastTaggedNs,
    );
    if (fresh === 0) {
      this.#statements.run('UPDATE images SET removed = 0 WHERE id = ?', row.id);
      return;
    }
    for (const [position, chainId] of chainIds.entries()) {
      this.#statements.run(
        'INSERT INTO image_layers (image_id, position, chain_id) VALUES (?, ?, ?)',
        row.id,
        position,
        chainId,
      );
    }
  }

  get(id: string): ImageRow | undefined {
    return this.#statements.rows<RawImage>('SELECT * FROM images WHERE id = ?', id).map(imageOf)[0];
  }

  /** At most `limit` images, marked ones left out, whose id begins with `prefix` (hexadecimal digits behind `sha256:`). */
  byPrefix(prefix: string, limit: number): ImageRow[] {
    return this.#statements
      .rows<RawImage>(
        'SELECT * FROM images WHERE id >= ? AND id < ? AND removed = 0 ORDER BY id LIMIT ?',
        `sha256:${prefix}`,
        `sha256:${prefix}g`,
        limit,
      )
      .map(imageOf);
  }

  all(): ImageRow[] {
    return this.#statements.rows<RawImage>('SELECT * FROM images WHERE removed = 0').map(imageOf);
  }

  marked(): ImageRow[] {
    return this.#statements.rows<RawImage>('SELECT * FROM images WHERE removed = 1').map(imageOf);
  }

  children(id: string): string[] {
    return this.#statements
      .rows<{ id: string }>('SELECT id FROM images WHERE parent = ? AND removed = 0', id)
      .map((row) => row.id);
  }

  markRemoved(id: string): void {
    this.#statements.run('UPDATE images SET removed = 1 WHERE id = ?', id);
  }

  setParent(id: string, parent: string): void {
    this.#statements.run('UPDATE images SET parent = ? WHERE id = ?', parent, id);
  }

  delete(id: string): void {
    this.#statements.run('DELETE FROM images WHERE id = ?', id);
  }

  /** Gives the name to the image, taking it from another one. Sets the time of the last tag. */
  setReference(name: string, imageId: string, nowNs: bigint): void {
    this.#statements.run(
      'INSERT INTO image_references (name, image_id) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id',
      name,
      imageId,
    );
    this.#statements.run('UPDATE images SET last_tagged_ns = ? WHERE id = ?', nowNs, imageId);
  }

  reference(name: string): ReferenceRow | undefined {
    return this.#statements
      .rows<RawReference>('SELECT * FROM image_references WHERE name = ?', name)
      .map(referenceOf)[0];
  }

  references(): ReferenceRow[] {
    return this.#statements.rows<RawReference>('SELECT * FROM image_references ORDER BY name').map(referenceOf);
  }

  referencesOf(imageId: string): string[] {
    return this.#statements
      .rows<RawReference>('SELECT * FROM image_references WHERE image_id = ? ORDER BY name', imageId)
      .map((row) => row.name);
  }

  deleteReference(name: string): void {
    this.#statements.run('DELETE FROM image_references WHERE name = ?', name);
  }
}

export class LayerTable {
  readonly #statements: Statements;

  constructor(database: Database) {
    this.#statements = new Statements(database);
  }

  insert(row: LayerRow): void {
    this.#statements.run(
      'INSERT INTO layers (chain_id, diff_id, parent, size, tar_size, reproducible, kept_tar, created_ns, unsynced_boot) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      row.chainId,
      row.diffId,
      row.parent,
      row.size,
      row.tarSize,
      row.reproducible ? 1 : 0,
      row.keptTar ? 1 : 0,
      row.createdNs,
      row.unsyncedBoot,
    );
  }

  get(chainId: string): LayerRow | undefined {
    return this.#statements.rows<RawLayer>('SELECT * FROM layers WHERE chain_id = ?', chainId).map(layerOf)[0];
  }

  all(): LayerRow[] {
    return this.#statements.rows<RawLayer>('SELECT * FROM layers').map(layerOf);
  }

  /** The lowest first. */
  ofImage(imageId: string): LayerRow[] {
    return this.#statements
      .rows<RawLayer>(
        'SELECT layers.* FROM image_layers JOIN layers USING (chain_id) WHERE image_id = ? ORDER BY position',
        imageId,
      )
      .map(layerOf);
  }

  imagesOf(chainId: string): string[] {
    return this.#statements
      .rows<{ image_id: string }>('SELECT DISTINCT image_id FROM image_layers WHERE chain_id = ?', chainId)
      .map((row) => row.image_id);
  }

  /** Layers that no image has. */
  unreferenced(): string[] {
    return this.#statements
      .rows<{ chain_id: string }>(
        'SELECT chain_id FROM layers WHERE NOT EXISTS (SELECT 1 FROM image_layers WHERE image_layers.chain_id = layers.chain_id)',
      )
      .map((row) => row.chain_id);
  }

  delete(chainId: string): void {
    this.#statements.run('DELETE FROM layers WHERE chain_id = ?', chainId);
  }

  unsynced(): LayerRow[] {
    return this.#statements.rows<RawLayer>("SELECT * FROM layers WHERE unsynced_boot <> ''").map(layerOf);
  }

  markSynced(chainIds: readonly string[]): void {
    for (const chainId of chainIds) {
      this.#statements.run("UPDATE layers SET unsynced_boot = '' WHERE chain_id = ?", chainId);
    }
  }
}
