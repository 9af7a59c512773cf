// Owns all SQL of the table health_states: what the health checks of a container have found. A container that was never started, or has
// no check, has no row. A change and the event that tells of it are one transaction.
import type { Database } from './database.ts';
import type { EventTable, NewEvent } from './events.ts';

export interface HealthResult {
  /** ns since 1970. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly exitCode: number;
  readonly output: string;
}

export interface HealthRow {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  readonly failingStreak: number;
  /** Oldest first. */
  readonly log: readonly HealthResult[];
}

interface Raw {
  readonly status: string;
  readonly failing_streak: number;
  readonly log: string;
}

interface StoredResult {
  readonly start: string;
  readonly end: string;
  readonly code: number;
  readonly output: string;
}

const toRow = (raw: Raw): HealthRow => ({
  status: raw.status as HealthRow['status'],
  failingStreak: raw.failing_streak,
  log: (JSON.parse(raw.log) as readonly StoredResult[]).map(({ start, end, code, output }) => ({
    startNs: BigInt(start),
    endNs: BigInt(end),
    exitCode: code,
    output,
  })),
});

const toLog = (log: readonly HealthResult[]): string =>
  JSON.stringify(
    log.map(
      ({ startNs, endNs, exitCode, output }): StoredResult => ({
        start: String(startNs),
        end: String(endNs),
        code: exitCode,
        output,
      }),
    ),
  );

export class HealthTable {
  readonly #database: Database;
  readonly #events: EventTable;

  constructor(database: Database, events: EventTable) {
    this.#database = database;
    this.#events = events;
  }

  of(containerId: string): HealthRow | undefined {
    const raw = this.#database.handle.prepare('SELECT * FROM health_states WHERE container_id = ?').get(containerId);
    return raw === undefined ? undefined : toRow(raw as Raw);
  }

  /** The statuses of all containers that have one, by container. */
  statuses(): ReadonlyMap<string, HealthRow['status']> {
    const rows = this.#database.handle.prepare('SELECT container_id, status FROM health_states').all() as {
      readonly container_id: string;
      readonly status: HealthRow['status'];
    }[];
    return new Map(rows.map(({ container_id, status }) => [container_id, status]));
  }

  /** Writes what is known of a container; one that has been removed meanwhile is left alone. */
  save(containerId: string, row: HealthRow, events: readonly NewEvent[] = []): void {
    this.#database.transaction(() => {
      const result = this.#database.handle
        .prepare(
          `INSERT INTO health_states (container_id, status, failing_streak, log)
           SELECT id, ?, ?, ? FROM containers WHERE id = ?
           ON CONFLICT (container_id) DO UPDATE SET
             status = excluded.status, failing_streak = excluded.failing_streak, log = excluded.log`,
        )
        .run(row.status, row.failingStreak, toLog(row.log), containerId);
      if (result.changes === 0) return;
      for (const event of events) this.#events.append(event);
    });
  }
}
