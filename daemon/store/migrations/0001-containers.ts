// Owns the first form of the tables meta, events and containers.
import type { Migration } from './index.ts';

export const containersMigration: Migration = {
  name: '0001-containers',
  sql: `
    CREATE TABLE meta (
      key TEXT PRIMARY KEY,
      value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE events (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      time_ns INTEGER NOT NULL,
      type TEXT NOT NULL,
      action TEXT NOT NULL,
      actor_id TEXT NOT NULL,
      attributes TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_time ON events (time_ns);

    CREATE TABLE containers (
      id TEXT PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      state TEXT NOT NULL CHECK (state IN
        ('created', 'starting', 'running', 'paused', 'restarting', 'stopping', 'exited', 'removing', 'dead')),
      created_ns INTEGER NOT NULL,
      image_id TEXT NOT NULL,
      image_reference TEXT NOT NULL,
      config TEXT NOT NULL,
      host_config TEXT NOT NULL,
      networking_config TEXT NOT NULL,
      mounts TEXT NOT NULL,
      pid INTEGER NOT NULL DEFAULT 0,
      start_time INTEGER NOT NULL DEFAULT 0,
      started_ns INTEGER NOT NULL DEFAULT 0,
      finished_ns INTEGER NOT NULL DEFAULT 0,
      exit_code INTEGER NOT NULL DEFAULT 0,
      oom_killed INTEGER NOT NULL DEFAULT 0 CHECK (oom_killed IN (0, 1)),
      error TEXT NOT NULL DEFAULT '',
      restart_count INTEGER NOT NULL DEFAULT 0,
      manually_stopped INTEGER NOT NULL DEFAULT 0 CHECK (manually_stopped IN (0, 1)),
      auto_remove INTEGER NOT NULL DEFAULT 0 CHECK (auto_remove IN (0, 1)),
      boot_id TEXT NOT NULL DEFAULT ''
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX containers_image ON containers (image_id);
    CREATE INDEX containers_created ON containers (created_ns);
  `,
};
