// Owns the SQL of the tables layer_blobs, image_manifests and downloads: what registries are known to hold, and what is being fetched
// from them. Rows in, rows out: what they mean is images/registry/'s.
import type BetterSqlite from 'better-sqlite3';
import type { Database } from './database.ts';

/** A layer as a repository holds it. */
export interface LayerBlobRow {
  readonly diffId: string;
  /** Of the bytes in the registry, compressed or not. */
  readonly digest: string;
  /** `docker.io/library/busybox`. */
  readonly repository: string;
  readonly mediaType: string;
  readonly size: number;
  readonly seenNs: bigint;
}

/** A manifest of an image, byte for byte. */
export interface ManifestRow {
  readonly imageId: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly content: Uint8Array;
  readonly seenNs: bigint;
}

/** A file in images/downloads/, complete or not. */
export interface DownloadRow {
  readonly digest: string;
  readonly size: number;
  readonly startedNs: bigint;
}

type Value = string | number | bigint | Uint8Array;
type Statement = BetterSqlite.Statement<Value[]>;

export class RegistryTable {
  readonly #database: Database;
  readonly #prepared = new Map<string, Statement>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Adds the row, or renews its time. */
  addLayerBlob(row: LayerBlobRow): void {
    this.#statement(
      'INSERT INTO layer_blobs (diff_id, digest, repository, media_type, size, seen_ns) VALUES (?, ?, ?, ?, ?, ?) ' +
        'ON CONFLICT DO UPDATE SET media_type = excluded.media_type, size = excluded.size, seen_ns = excluded.seen_ns',
    ).run(row.diffId, row.digest, row.repository, row.mediaType, row.size, row.seenNs);
  }

  /** Newest first. */
  layerBlobs(diffId: string): LayerBlobRow[] {
    return this.#rows<{
      diff_id: string;
      digest: string;
      repository: string;
      media_type: string;
      size: bigint;
      seen_ns: bigint;
    }>('SELECT * FROM layer_blobs WHERE diff_id = ? ORDER BY seen_ns DESC', diffId).map((raw) => ({
      diffId: raw.diff_id,
      digest: raw.digest,
      repository: raw.repository,
      mediaType: raw.media_type,
      size: Number(raw.size),
      seenNs: raw.seen_ns,
    }));
  }

  /** A repository that answered that it has no such blob. */
  deleteLayerBlob(digest: string, repository: string): void {
    this.#statement('DELETE FROM layer_blobs WHERE digest = ? AND repository = ?').run(digest, repository);
  }

  addManifest(row: ManifestRow): void {
    this.#statement(
      'INSERT INTO image_manifests (image_id, digest, media_type, content, seen_ns) VALUES (?, ?, ?, ?, ?) ' +
        'ON CONFLICT DO UPDATE SET seen_ns = excluded.seen_ns',
    ).run(row.imageId, row.digest, row.mediaType, row.content, row.seenNs);
  }

  /** Newest first. */
  manifests(imageId: string): ManifestRow[] {
    return this.#rows<{
      image_id: string;
      digest: string;
      media_type: string;
      content: Uint8Array;
      seen_ns: bigint;
    }>('SELECT * FROM image_manifests WHERE image_id = ? ORDER BY seen_ns DESC', imageId).map((raw) => ({
      imageId: raw.image_id,
      digest: raw.digest,
      mediaType: raw.media_type,
      content: raw.content,
      seenNs: raw.seen_ns,
    }));
  }

  /** Removes what is known of layers that this engine has no more, and all but the newest `keep` places of each. */
  trimLayerBlobs(keep: number): void {
    this.#statement('DELETE FROM layer_blobs WHERE diff_id NOT IN (SELECT diff_id FROM layers)').run();
    this.#statement(
      'DELETE FROM layer_blobs WHERE (diff_id, digest, repository) IN (SELECT diff_id, digest, repository FROM (' +
        'SELECT diff_id, digest, repository, row_number() OVER (PARTITION BY diff_id ORDER BY seen_ns DESC) AS place FROM layer_blobs' +
        ') WHERE place > ?)',
    ).run(keep);
  }

  addDownload(row: DownloadRow): void {
    this.#statement(
      'INSERT INTO downloads (digest, size, started_ns) VALUES (?, ?, ?) ' +
        'ON CONFLICT DO UPDATE SET size = excluded.size, started_ns = excluded.started_ns',
    ).run(row.digest, row.size, row.startedNs);
  }

  download(digest: string): DownloadRow | undefined {
    return this.downloads().find((row) => row.digest === digest);
  }

  downloads(): DownloadRow[] {
    return this.#rows<{ digest: string; size: bigint; started_ns: bigint }>('SELECT * FROM downloads').map((raw) => ({
      digest: raw.digest,
      size: Number(raw.size),
      startedNs: raw.started_ns,
    }));
  }

  deleteDownload(digest: string): void {
    this.#statement('DELETE FROM downloads WHERE digest = ?').run(digest);
  }

  #rows<T>(sql: string, ...values: Value[]): T[] {
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
