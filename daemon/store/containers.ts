// Owns all SQL of the table containers. Rows in, rows out; the order of states and the meaning of fields are containers/lifecycle.ts's.
// A change and the event that tells of it are one transaction.
import type { Statement } from 'better-sqlite3';
import type { ContainerConfig, HostConfig, NetworkingConfig } from '../../api-spec/index.ts';
import type { Database } from './database.ts';
import type { EventTable, NewEvent } from './events.ts';

export type StoredState =
  | 'created'
  | 'starting'
  | 'running'
  | 'paused'
  | 'restarting'
  | 'stopping'
  | 'exited'
  | 'removing'
  | 'dead';

/** What is written as JSON into one column. */
export interface StoredMount {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  readonly name: string;
  readonly source: string;
  readonly destination: string;
  readonly driver: string;
  readonly mode: string;
  readonly rw: boolean;
  readonly propagation: string;
  readonly copyUp: boolean;
}

/** One row; ContainerRecord of the containers room has this very shape. */
export interface ContainerRow {
  readonly id: string;
  readonly name: string;
  readonly state: StoredState;
  readonly createdNs: bigint;
  readonly imageId: string;
  readonly imageReference: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networkingConfig: NetworkingConfig;
  readonly mounts: readonly StoredMount[];
  readonly pid: number;
  readonly startTime: bigint;
  readonly startedNs: bigint;
  readonly finishedNs: bigint;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  readonly restartCount: number;
  readonly manuallyStopped: boolean;
  readonly autoRemove: boolean;
  readonly bootId: string;
  /** The client's own `tsd.` labels, never the image's: see containers/extensions.ts. */
  readonly extensions: Readonly<Record<string, string>>;
}

/** What may change after the creation. */
export type ContainerFields = Partial<Omit<ContainerRow, 'id' | 'state' | 'createdNs'>>;

interface Raw {
  id: string;
  name: string;
  state: string;
  created_ns: bigint;
  image_id: string;
  image_reference: string;
  config: string;
  host_config: string;
  networking_config: string;
  mounts: string;
  pid: bigint;
  start_time: bigint;
  started_ns: bigint;
  finished_ns: bigint;
  exit_code: bigint;
  oom_killed: bigint;
  error: string;
  restart_count: bigint;
  manually_stopped: bigint;
  auto_remove: bigint;
  boot_id: string;
  extensions: string;
}

type Value = string | number | bigint;

const json = (value: unknown): string => JSON.stringify(value);
const same = (value: unknown): Value => value as Value;
const bit = (value: unknown): Value => (value === true ? 1 : 0);

/** Field, column, and how a field becomes a column. */
const columns: readonly (readonly [keyof ContainerRow, keyof Raw, (value: unknown) => Value])[] = [
  ['id', 'id', same],
  ['name', 'name', same],
  ['state', 'state', same],
  ['createdNs', 'created_ns', same],
  ['imageId', 'image_id', same],
  ['imageReference', 'image_reference', same],
  ['config', 'config', json],
  ['hostConfig', 'host_config', json],
  ['networkingConfig', 'networking_config', json],
  ['mounts', 'mounts', json],
  ['pid', 'pid', same],
  ['startTime', 'start_time', same],
  ['startedNs', 'started_ns', same],
  ['finishedNs', 'finished_ns', same],
  ['exitCode', 'exit_code', same],
  ['oomKilled', 'oom_killed', bit],
  ['error', 'error', same],
  ['restartCount', 'restart_count', same],
  ['manuallyStopped', 'manually_stopped', bit],
  ['autoRemove', 'auto_remove', bit],
  ['bootId', 'boot_id', same],
  ['extensions', 'extensions', json],
];

const toRow = (raw: Raw): ContainerRow => ({
  id: raw.id,
  name: raw.name,
  state: raw.state as StoredState,
  createdNs: raw.created_ns,
  imageId: raw.image_id,
  imageReference: raw.image_reference,
  config: JSON.parse(raw.config) as ContainerConfig,
  hostConfig: JSON.parse(raw.host_config) as HostConfig,
  networkingConfig: JSON.parse(raw.networking_config) as NetworkingConfig,
  mounts: JSON.parse(raw.mounts) as readonly StoredMount[],
  pid: Number(raw.pid),
  startTime: raw.start_time,
  startedNs: raw.started_ns,
  finishedNs: raw.finished_ns,
  exitCode: Number(raw.exit_code),
  oomKilled: raw.oom_killed !== 0n,
  error: raw.error,
  restartCount: Number(raw.restart_count),
  manuallyStopped: raw.manually_stopped !== 0n,
  autoRemove: raw.auto_remove !== 0n,
  bootId: raw.boot_id,
  extensions: JSON.parse(raw.extensions) as Readonly<Record<string, string>>,
});

/** Upper bound of all texts that begin with `prefix` (hexadecimal digits only). */
const afterPrefix = (prefix: string): string => `${prefix}g`;

export class ContainerTable {
  readonly #database: Database;
  readonly #events: EventTable;
  readonly #statements = new Map<string, Statement<Value[], unknown>>();

  constructor(database: Database, events: EventTable) {
    this.#database = database;
    this.#events = events;
  }

  /** False when the name is taken; nothing is written then. */
  insert(row: ContainerRow, event: NewEvent): boolean {
    return this.#database.transaction(() => {
      if (this.byName(row.name) !== undefined) return false;
      const names = columns.map(([, column]) => column).join(', ');
      const marks = columns.map(() => '?').join(', ');
      this.#prepare(`INSERT INTO containers (${names}) VALUES (${marks})`).run(
        ...columns.map(([field, , write]) => write(row[field])),
      );
      this.#events.append(event);
      return true;
    });
  }

  byId(id: string): ContainerRow | undefined {
    return this.#rows('SELECT * FROM containers WHERE id = ?', id)[0];
  }

  byName(name: string): ContainerRow | undefined {
    return this.#rows('SELECT * FROM containers WHERE name = ?', name)[0];
  }

  /** At most two, which is enough to know that a prefix is not unique. */
  byIdPrefix(prefix: string): ContainerRow[] {
    if (!/^[0-9a-f]+$/.test(prefix)) return [];
    return this.#rows('SELECT * FROM containers WHERE id >= ? AND id < ? LIMIT 2', prefix, afterPrefix(prefix));
  }

  /** Newest first. */
  all(): ContainerRow[] {
    return this.#rows('SELECT * FROM containers ORDER BY created_ns DESC, id');
  }

  inStates(states: readonly StoredState[]): ContainerRow[] {
    const marks = states.map(() => '?').join(', ');
    return this.#rows(`SELECT * FROM containers WHERE state IN (${marks}) ORDER BY created_ns`, ...states);
  }

  /** Containers that were made of this image, and those that mount it. */
  ofImage(imageId: string): ContainerRow[] {
    const sql = `SELECT * FROM containers WHERE image_id = ? OR EXISTS (
      SELECT 1 FROM json_each(mounts) WHERE json_extract(value, '$.type') = 'image' AND json_extract(value, '$.name') = ?)`;
    return this.#rows(sql, imageId, imageId);
  }

  /** Containers that have a mount of this volume. */
  ofVolume(volume: string): string[] {
    const sql = `SELECT id FROM containers WHERE EXISTS (
      SELECT 1 FROM json_each(mounts) WHERE json_extract(value, '$.type') = 'volume' AND json_extract(value, '$.name') = ?)`;
    return (this.#prepare(sql).all(volume) as { id: string }[]).map(({ id }) => id);
  }

  countByState(): ReadonlyMap<StoredState, number> {
    const rows = this.#prepare('SELECT state, count(*) AS n FROM containers GROUP BY state').all() as {
      state: string;
      n: bigint;
    }[];
    return new Map(rows.map(({ state, n }) => [state as StoredState, Number(n)]));
  }

  /**
   * Compare-and-set: writes `to` and `fields` only while the state is one of `from`, with the event in the same transaction.
   * Answers the row as it is now, undefined when the state was another or the row is gone.
   */
  transition(
    id: string,
    from: readonly StoredState[],
    to: StoredState,
    fields: ContainerFields,
    events: readonly NewEvent[] = [],
  ): ContainerRow | undefined {
    return this.#database.transaction(() => {
      const set = columns.filter(([field]) => field !== 'state' && field in fields);
      const assignments = ['state = ?', ...set.map(([, column]) => `${column} = ?`)].join(', ');
      const marks = from.map(() => '?').join(', ');
      const result = this.#prepare(`UPDATE containers SET ${assignments} WHERE id = ? AND state IN (${marks})`).run(
        to,
        ...set.map(([field, , write]) => write((fields as Partial<ContainerRow>)[field])),
        id,
        ...from,
      );
      if (result.changes === 0) return undefined;
      for (const event of events) this.#events.append(event);
      return this.byId(id);
    });
  }

  /** Writes fields without a change of the state. False when the row is gone, or the new name is taken. */
  update(id: string, fields: ContainerFields, events: readonly NewEvent[] = []): boolean {
    return this.#database.transaction(() => {
      if (fields.name !== undefined) {
        const holder = this.byName(fields.name);
        if (holder !== undefined && holder.id !== id) return false;
      }
      const set = columns.filter(([field]) => field in fields);
      const assignments = set.map(([, column]) => `${column} = ?`).join(', ');
      const values = set.map(([field, , write]) => write((fields as Partial<ContainerRow>)[field]));
      const result = this.#prepare(`UPDATE containers SET ${assignments} WHERE id = ?`).run(...values, id);
      if (result.changes === 0) return false;
      for (const event of events) this.#events.append(event);
      return true;
    });
  }

  /** Deletes the row while its state is `removing`; false when it was not. */
  remove(id: string, event: NewEvent): boolean {
    return this.#database.transaction(() => {
      const result = this.#prepare(`DELETE FROM containers WHERE id = ? AND state = 'removing'`).run(id);
      if (result.changes === 0) return false;
      this.#events.append(event);
      return true;
    });
  }

  /** An event that goes with no change of a row (attach, resize, kill). */
  tell(event: NewEvent): void {
    this.#events.append(event);
  }

  #rows(sql: string, ...values: Value[]): ContainerRow[] {
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
