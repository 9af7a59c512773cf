// Owns all SQL of the table execs. Rows in, rows out; what a session is and when it may change are containers/exec.ts's.
// A change and the event that tells of it are one transaction.
import type { Statement } from 'better-sqlite3';
import type { Database } from './database.ts';
import type { EventTable, NewEvent } from './events.ts';

export type ExecState = 'created' | 'starting' | 'running' | 'exited';

/** What is written as JSON into one column. */
export interface StoredExecConfig {
  readonly args: readonly string[];
  /** As the client gave it, without the container's. */
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDirectory: string;
  readonly tty: boolean;
  readonly privileged: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Docker's text; empty: the default. */
  readonly detachKeys: string;
  /** The process ends with its client, unless that left by the detach keys. */
  readonly killOnDisconnect: boolean;
  /** Rows and columns. */
  readonly consoleSize?: readonly [number, number];
}

export interface ExecRow {
  readonly id: string;
  readonly containerId: string;
  readonly createdNs: bigint;
  readonly finishedNs: bigint;
  readonly state: ExecState;
  readonly config: StoredExecConfig;
  readonly pid: number;
  /** Absent until it has ended. */
  readonly exitCode?: number;
  /** Of a health check: it ends with the daemon that asked for it. */
  readonly probe: boolean;
}

export type ExecFields = Partial<Pick<ExecRow, 'pid' | 'exitCode' | 'finishedNs'>>;

interface Raw {
  id: string;
  container_id: string;
  created_ns: bigint;
  finished_ns: bigint;
  state: string;
  config: string;
  pid: bigint;
  exit_code: bigint | null;
  probe: bigint;
}

type Value = string | number | bigint | null;

const toRow = (raw: Raw): ExecRow => ({
  id: raw.id,
  containerId: raw.container_id,
  createdNs: raw.created_ns,
  finishedNs: raw.finished_ns,
  state: raw.state as ExecState,
  config: JSON.parse(raw.config) as StoredExecConfig,
  pid: Number(raw.pid),
  ...(raw.exit_code === null ? {} : { exitCode: Number(raw.exit_code) }),
  probe: raw.probe !== 0n,
});

export class ExecTable {
  readonly #database: Database;
  readonly #events: EventTable;
  readonly #statements = new Map<string, Statement<Value[], unknown>>();

  constructor(database: Database, events: EventTable) {
    this.#database = database;
    this.#events = events;
  }

  insert(row: ExecRow, event: NewEvent): void {
    this.#database.transaction(() => {
      this.#prepare(
        'INSERT INTO execs (id, container_id, created_ns, state, config, probe) VALUES (?, ?, ?, ?, ?, ?)',
      ).run(row.id, row.containerId, row.createdNs, row.state, JSON.stringify(row.config), row.probe ? 1 : 0);
      this.#events.append(event);
    });
  }

  byId(id: string): ExecRow | undefined {
    return this.#rows('SELECT * FROM execs WHERE id = ?', id)[0];
  }

  /** Oldest first. */
  ofContainer(containerId: string): ExecRow[] {
    return this.#rows('SELECT * FROM execs WHERE container_id = ? ORDER BY created_ns, id', containerId);
  }

  /** Ids of the sessions that have not ended, oldest first. */
  liveIds(containerId: string): string[] {
    const rows = this.#prepare(
      "SELECT id FROM execs WHERE container_id = ? AND state != 'exited' ORDER BY created_ns, id",
    ).all(containerId) as { readonly id: string }[];
    return rows.map(({ id }) => id);
  }

  /** Compare-and-set with its events; false when the state was another one. */
  transition(
    id: string,
    from: readonly ExecState[],
    to: ExecState,
    fields: ExecFields,
    events: readonly NewEvent[] = [],
  ): boolean {
    return this.#database.transaction(() => {
      const marks = from.map(() => '?').join(', ');
      const result = this.#prepare(
        `UPDATE execs SET state = ?, pid = coalesce(?, pid), exit_code = coalesce(?, exit_code),
           finished_ns = coalesce(?, finished_ns) WHERE id = ? AND state IN (${marks})`,
      ).run(to, fields.pid ?? null, fields.exitCode ?? null, fields.finishedNs ?? null, id, ...from);
      if (result.changes === 0) return false;
      for (const event of events) this.#events.append(event);
      return true;
    });
  }

  delete(id: string): void {
    this.#prepare('DELETE FROM execs WHERE id = ?').run(id);
  }

  /** Drops the sessions of a container that were never started. */
  deleteCreated(containerId: string): void {
    this.#prepare("DELETE FROM execs WHERE container_id = ? AND state = 'created'").run(containerId);
  }

  /** Drops the sessions that ended before a time. */
  deleteFinishedBefore(ns: bigint): void {
    this.#prepare("DELETE FROM execs WHERE state = 'exited' AND finished_ns < ?").run(ns);
  }

  #rows(sql: string, ...values: Value[]): ExecRow[] {
    return (this.#prepare(sql).all(...values) as Raw[]).map(toRow);
  }

  #prepare(sql: string): Statement<Value[], unknown> {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.handle.prepare<Value[], unknown>(sql).safeIntegers(true);
    this.#statements.set(sql, statement);
    return statement;
  }
}
