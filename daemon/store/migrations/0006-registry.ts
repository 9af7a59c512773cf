// Owns the first form of the tables layer_blobs, image_manifests and downloads.
import type { Migration } from './index.ts';

export const registryMigration: Migration = {
  name: '0006-registry',
  sql: `
    CREATE TABLE layer_blobs (
      diff_id TEXT NOT NULL,
      digest TEXT NOT NULL,
      repository TEXT NOT NULL,
      media_type TEXT NOT NULL,
      size INTEGER NOT NULL,
      seen_ns INTEGER NOT NULL,
      PRIMARY KEY (diff_id, digest, repository)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE image_manifests (
      image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
      digest TEXT NOT NULL,
      media_type TEXT NOT NULL,
      content BLOB NOT NULL,
      seen_ns INTEGER NOT NULL,
      PRIMARY KEY (image_id, digest)
    ) STRICT;
    CREATE TABLE downloads (
      digest TEXT PRIMARY KEY,
      size INTEGER NOT NULL,
      started_ns INTEGER NOT NULL
    ) STRICT;
  `,
};
