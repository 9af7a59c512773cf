// Owns the first form of the table volumes.
import type { Migration } from './index.ts';

export const volumesMigration: Migration = {
  name: '0004-volumes',
  sql: `
    CREATE TABLE volumes (
      name TEXT PRIMARY KEY,
      driver TEXT NOT NULL,
      created_ns INTEGER NOT NULL,
      labels TEXT NOT NULL,
      options TEXT NOT NULL,
      anonymous INTEGER NOT NULL
    ) STRICT;
  `,
};
