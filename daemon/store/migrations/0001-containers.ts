// Owns the first form of the tables events and containers.
import type { Migration } from './index.ts';

export const containersMigration: Migration = {
  name: '0001-containers',
  sql: `
    CREATE TABLE events (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      time_ns INTEGER NOT NULL,
      type TEXT NOT NULL,
      action TEXT NOT NULL,
      actor_id TEXT NOT NULL,
      attributes TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_time ON events (time_ns);
  `,
};
