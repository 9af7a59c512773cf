// Owns the first form of the tables images, image_references, image_layers and layers.
import type { Migration } from './index.ts';

export const imagesMigration: Migration = {
  name: '0002-images',
  sql: `
    CREATE TABLE layers (
      chain_id TEXT PRIMARY KEY,
      diff_id TEXT NOT NULL,
      parent TEXT NOT NULL,
      size INTEGER NOT NULL,
      tar_size INTEGER NOT NULL,
      reproducible INTEGER NOT NULL,
      kept_tar INTEGER NOT NULL,
      created_ns INTEGER NOT NULL,
      unsynced_boot TEXT NOT NULL
    ) STRICT;
    CREATE TABLE images (
      id TEXT PRIMARY KEY,
      config BLOB NOT NULL,
      parent TEXT NOT NULL,
      added_ns INTEGER NOT NULL,
      last_tagged_ns INTEGER NOT NULL,
      removed INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX images_parent ON images (parent);
    CREATE TABLE image_layers (
      image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      chain_id TEXT NOT NULL REFERENCES layers (chain_id),
      PRIMARY KEY (image_id, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_layers_chain ON image_layers (chain_id);
    CREATE TABLE image_references (
      name TEXT PRIMARY KEY,
      image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
    ) STRICT;
    CREATE INDEX image_references_image ON image_references (image_id);
  `,
};
