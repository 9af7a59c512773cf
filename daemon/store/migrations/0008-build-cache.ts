// Owns the first form of the table build_cache.
import type { Migration } from './index.ts';

export const buildCacheMigration: Migration = {
  name: '0008-build-cache',
  sql: `
    CREATE TABLE build_cache (
      key TEXT PRIMARY KEY,
      image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
      parent TEXT NOT NULL,
      description TEXT NOT NULL,
      size INTEGER NOT NULL,
      created_ns INTEGER NOT NULL,
      last_used_ns INTEGER NOT NULL,
      use_count INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX build_cache_image ON build_cache (image_id);
  `,
};
