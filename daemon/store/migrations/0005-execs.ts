// Owns the first form of the tables execs and health_states, and the column containers.extensions.
import type { Migration } from './index.ts';

export const execsMigration: Migration = {
  name: '0005-execs',
  sql: `
    CREATE TABLE execs (
      id TEXT PRIMARY KEY,
      container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
      created_ns INTEGER NOT NULL,
      finished_ns INTEGER NOT NULL DEFAULT 0,
      state TEXT NOT NULL CHECK (state IN ('created', 'starting', 'running', 'exited')),
      config TEXT NOT NULL,
      pid INTEGER NOT NULL DEFAULT 0,
      exit_code INTEGER,
      probe INTEGER NOT NULL CHECK (probe IN (0, 1))
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX execs_container ON execs (container_id, created_ns);
    CREATE INDEX execs_finished ON execs (finished_ns) WHERE state = 'exited';

    CREATE TABLE health_states (
      container_id TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
      status TEXT NOT NULL CHECK (status IN ('starting', 'healthy', 'unhealthy')),
      failing_streak INTEGER NOT NULL,
      log TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    ALTER TABLE containers ADD COLUMN extensions TEXT NOT NULL DEFAULT '{}';
  `,
};
