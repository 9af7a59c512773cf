// Owns the SQLite connection: pragmas, migrations, transactions, and the notice that events were appended. Holds no table's SQL.
import SqliteDatabase from 'better-sqlite3';
import { internal } from '../base/errors.ts';
import { type Migration, migrations } from './migrations/index.ts';

type Listener = () => void;

/**
 * One database of one daemon. better-sqlite3 is synchronous: no transaction can span an await.
 * WAL with synchronous=NORMAL: what was committed survives the death of the daemon; a power cut may lose the last commits, never consistency.
 */
export class Database {
  readonly handle: SqliteDatabase.Database;
  readonly #listeners = new Set<Listener>();
  #appended = false;

  /** `path` may be `:memory:`. Throws internal when the file is not a tsd database or is damaged. */
  constructor(path: string, list: readonly Migration[] = migrations) {
    this.handle = new SqliteDatabase(path);
    this.handle.pragma('journal_mode = WAL');
    this.handle.pragma('synchronous = NORMAL');
    this.handle.pragma('foreign_keys = ON');
    this.#migrate(list);
  }

  /** Runs `fn` in one immediate transaction (nested calls join the outer one). Listeners hear of new events after the commit. */
  transaction<T>(fn: () => T): T {
    if (this.handle.inTransaction) return fn();
    this.#appended = false;
    const result = this.handle.transaction(fn).immediate();
    if (this.#appended) {
      for (const listener of this.#listeners) listener();
    }
    return result;
  }

  /** Called by store/events.ts inside of the transaction that appends. */
  markEventsAppended(): void {
    this.#appended = true;
  }

  onEventsAppended(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.handle.close();
  }

  #migrate(list: readonly Migration[]): void {
    const current = this.handle.pragma('user_version', { simple: true });
    if (typeof current !== 'number') throw internal('the database has no readable version');
    const newest = list.length;
    if (current > newest) {
      throw internal(
        `the database was written by a newer tsd (schema ${current}, this one knows ${newest}); start that one`,
      );
    }
    for (const [index, migration] of list.entries()) {
      if (index < current) continue;
      this.handle.transaction(() => {
        this.handle.exec(migration.sql);
        this.handle.pragma(`user_version = ${index + 1}`);
      })();
    }
  }
}
