// Owns the SQL of the table volumes.
import type { Database } from './database.ts';

export interface VolumeRow {
  readonly name: string;
  readonly driver: string;
  readonly createdNs: bigint;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
}

interface Raw {
  readonly name: string;
  readonly driver: string;
  readonly created_ns: bigint;
  readonly labels: string;
  readonly options: string;
  readonly anonymous: bigint;
}

const rowOf = (raw: Raw): VolumeRow => ({
  name: raw.name,
  driver: raw.driver,
  createdNs: raw.created_ns,
  labels: JSON.parse(raw.labels) as Record<string, string>,
  options: JSON.parse(raw.options) as Record<string, string>,
  anonymous: raw.anonymous !== 0n,
});

export class VolumeTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  insert(row: VolumeRow): void {
    this.#database.handle
      .prepare('INSERT INTO volumes (name, driver, created_ns, labels, options, anonymous) VALUES (?, ?, ?, ?, ?, ?)')
      .run(
        row.name,
        row.driver,
        row.createdNs,
        JSON.stringify(row.labels),
        JSON.stringify(row.options),
        row.anonymous ? 1 : 0,
      );
  }

  get(name: string): VolumeRow | undefined {
    const raw = this.#database.handle.prepare('SELECT * FROM volumes WHERE name = ?').safeIntegers(true).get(name);
    return raw === undefined ? undefined : rowOf(raw as Raw);
  }

  all(): VolumeRow[] {
    const raws = this.#database.handle.prepare('SELECT * FROM volumes ORDER BY name').safeIntegers(true).all();
    return (raws as Raw[]).map(rowOf);
  }

  /** False when there was none. */
  delete(name: string): boolean {
    return this.#database.handle.prepare('DELETE FROM volumes WHERE name = ?').run(name).changes > 0;
  }
}
